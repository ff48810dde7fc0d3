// Any 32 bytes are a header or are refused, within the limit; what is accepted is what would be written again.
#include "runtime/base/assert.h"
#include "runtime/rpc/frame.h"

using namespace ironbark;
using namespace ironbark::rpc;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    if (size < frame_header_size) return 0;
    Bytes bytes(data, size);
    FrameHeader header;
    if (decode(bytes, stranger_frame_size_max, &header) != Refusal::none) return 0;
    ASSERT(classify(bytes) == Refusal::none);
    ASSERT(header.frame_size() <= stranger_frame_size_max);
    ASSERT(header.metadata_size + header.payload_size() == header.body_size);
    if (header.frame_size() > size) return 0;
    Bytes metadata = bytes.subspan(frame_header_size, header.metadata_size);
    uint8_t again[frame_header_size];
    encode(header, metadata, again);
    bool is_equal = std::equal(again, again + frame_header_size, data);
    ASSERT(is_equal == verify_checksum(bytes, header));
    return 0;
}
