#pragma once
// What a client sends and what becomes of it.

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "runtime/base/error.h"
#include "runtime/io/buffer.h"
#include "runtime/rpc/method.h"

namespace ironbark::rpc {

// Told the metadata of an answer, verified as the method's response, while its payload is still on the way: what is to
// be asked next need not wait for the last byte. At most once a call and before it ends; not at all if the answer is an
// error, small, or came in one piece. Whether the whole answer will come is not known yet.
using Preview = std::function<void(Bytes metadata)>;

// A request of a client. Borrows metadata, payload and preview from whoever awaits the call.
struct Message {
    Method method = Method::none;
    Bytes metadata;
    const std::vector<BufferSlice>* payload = nullptr;  // may be null: none
    const Preview* preview = nullptr;                   // may be null
    bool is_one_way = false;
};

// How far a request came.
enum class Delivery : uint8_t {
    never_sent,  // no byte of it has left: nothing was done, for certain
    unknown,     // some of it may have left, and no answer came: it may have been done
    answered,
};

struct CallResult {
    Delivery delivery = Delivery::never_sent;
    Error error{ErrorCode::none};  // none: the answer is in `metadata` and `payload`
    Outcome outcome = Outcome::not_written;  // with an error: what became of a request that changes something
    std::string hint;                        // with an error: what the other side says about it
    int32_t leader = -1;                     // with an error: who leads, if the other side knows
    int32_t leader_epoch = -1;
    BufferSlice metadata;  // verified as the response of the method
    BufferSlice payload;

    bool ok() const { return error.code == ErrorCode::none; }
    // REQUIRES: ok()
    template <typename Table>
    const Table& as() const {
        ASSERT(ok());
        return *flatbuffers::GetRoot<Table>(metadata.data());
    }
};

inline constexpr Error deadline_passed(ErrorCode::timed_out, "the deadline of the call has passed");

CallResult never_sent(const Error& error);

}  // namespace ironbark::rpc
