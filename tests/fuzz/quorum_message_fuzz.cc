// A message of the quorum that is accepted is one that could have been sent: encoded again it is accepted again. The
// first two bytes say how many of the others are metadata; the rest is payload.
#include <algorithm>

#include "broker/voter/message_codec.h"
#include "runtime/base/assert.h"

using namespace ironbark;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < 2) return 0;
    const size_t metadata_size = std::min<size_t>(load_le<uint16_t>(data), size - 2);
    // Memory of its own is aligned, and ends where it ends.
    std::vector<uint8_t> metadata(data + 2, data + 2 + metadata_size);
    std::vector<uint8_t> payload(data + 2 + metadata_size, data + size);
    Result<consensus::Message> message = consensus::decode(metadata, payload);
    if (!message.ok()) return 0;
    (void)consensus::problem_of(*message, consensus::Limits{});
    consensus::EncodedMessage encoded = consensus::encode(*message);
    std::vector<uint8_t> bytes;
    for (const consensus::Payload& part : encoded.payload) bytes.insert(bytes.end(), part->begin(), part->end());
    std::vector<uint8_t> again(encoded.metadata.data(), encoded.metadata.data() + encoded.metadata.size());
    ASSERT(consensus::decode(again, bytes).ok());
    return 0;
}
