#pragma once
// Messages of the quorum as they travel (flatbuffers/controller.fbs): metadata, and a payload with the commands of
// entries, or the bytes of a part of a snapshot. What arrives is checked for its shape here, as far as a `Message` can
// be made of it; whether it makes sense, the core asks (problem_of). Pure; any thread.

#include <vector>

#include "broker/consensus/message.h"
#include "runtime/base/result.h"
#include "runtime/rpc/method.h"

namespace ironbark::consensus {

// What the metadata of one message may take: a membership in each of the most entries that a message may carry is
// beyond it, and nobody sends so many.
inline constexpr uint32_t message_metadata_size_max = uint32_t{256} << 10;

struct EncodedMessage {
    rpc::Metadata metadata;
    std::vector<Payload> payload;  // one after the other; shared with the entries
};

EncodedMessage encode(const Message& message);

// Errors: corrupt_data (not what was sent: the structure, or a checksum of the payload), invalid_request (it was sent
// so: a kind or a body that this version does not know, sizes that do not add up, more voters than there may be); the
// text says which. Nothing is kept of either. REQUIRES: metadata aligned to rpc::metadata_alignment
Result<Message> decode(Bytes metadata, Bytes payload);

}  // namespace ironbark::consensus
