#pragma once
// What a server hands to the code that does the work, and what it gets back.

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "runtime/base/time.h"
#include "runtime/io/buffer.h"
#include "runtime/rpc/memory.h"
#include "runtime/rpc/method.h"

namespace ironbark::rpc {

// What a handler keeps about a session, of a kind that it knows itself.
struct SessionExtension {
    virtual ~SessionExtension() = default;
};

// Who is at the other end of a connection. Owned by the connection; outlives every request of it.
struct Session {
    uint64_t number = 0;  // of the connection, counted by the server from 1
    std::string peer;     // for diagnostics

    // Filled in by the handler of the handshake, which makes the session open: only then are other methods accepted.
    bool is_open = false;
    uint16_t protocol = 0;
    std::string client_name;
    std::string client_version;
    std::unique_ptr<SessionExtension> extension;  // the handler's, from the first request on; null until it sets it

    // The connection has ended: answers are dropped, so waiting for something on its behalf is of no use.
    bool is_closed = false;
};

// A request whose metadata was verified as a message of its method. Stays on the thread of its connection; slices of it
// may go anywhere. Its memory counts against the server's budget until it is destroyed: who waits long (a fetch) takes
// what it needs and lets go first.
struct Request {
    Method method = Method::none;
    bool is_one_way = false;
    uint64_t correlation = 0;
    BufferSlice metadata;
    BufferSlice payload;
    Block memory;
    Instant received;

    template <typename Table>
    const Table& as() const {
        return *flatbuffers::GetRoot<Table>(metadata.data());
    }
};

struct Response {
    Metadata metadata;
    std::vector<BufferSlice> payload;
    bool is_error = false;  // the metadata is an ErrorInfo
};

// The answer that refuses a request as a whole. `outcome` says whether anything was changed.
Response error_response(const Error& error, Outcome outcome);

class Handler {
  public:
    virtual ~Handler() = default;
    // Serves one request. Requests of one connection are started in the order in which they came; answers may overtake.
    // The result is ignored for a one-way request. Must end by itself: a server that stops waits for it, but not longer
    // than ServerLimits::drain_time_max before it closes the connection, and join() waits for it in any case.
    virtual Task<Response> handle(Session& session, Request request) = 0;
    // The connection of an open session has ended, whoever ended it; once for each. At once, so requests of it may
    // still be running: the session outlives them as ever. Does not suspend.
    virtual void ended(Session&) {}
};

}  // namespace ironbark::rpc
