#pragma once
// A frame: 32 bytes of header, then metadata (one FlatBuffers table), then the payload as it is (docs/FORMAT.md):
//
//      0  u32  magic "IBRK"
//      4  u32  body size: metadata and payload
//      8  u16  method
//     10  u16  flags
//     12  u32  metadata size
//     16  u64  correlation: chosen by who asks, repeated by who answers; 0 in an error that answers nothing particular
//     24  u64  checksum: XXH3-64 of the metadata, seeded with the XXH3-64 of bytes 0..24
//
// Little-endian. The payload has checksums of its own (log/record/frame.h). Sizes are checked against limits before
// anything is read, the checksum before anything else is believed.

#include <cstdint>

#include "runtime/base/bytes.h"
#include "runtime/rpc/refusal.h"

namespace ironbark::rpc {

constexpr uint32_t frame_magic = 0x4b524249;  // "IBRK"
constexpr size_t frame_header_size = 32;

// A whole frame. Sixteen of the largest default batches; small against the memory of a broker.
constexpr uint32_t frame_size_max = 16 << 20;
// Until the handshake is done: what a stranger can make us hold.
constexpr uint32_t stranger_frame_size_max = 8 << 10;

constexpr uint16_t flag_response = 1;
constexpr uint16_t flag_one_way = 2;  // a request that wants no answer
constexpr uint16_t flag_error = 4;    // a response whose metadata is an ErrorInfo, whatever the method
constexpr uint16_t flags_known = 7;
constexpr uint16_t flags_refused_mask = 0xff;  // an unknown flag of the low half is refused, of the high half ignored

struct FrameHeader {
    uint32_t body_size = 0;
    uint16_t method = 0;
    uint16_t flags = 0;
    uint32_t metadata_size = 0;
    uint64_t correlation = 0;

    bool has(uint16_t flag) const { return (flags & flag) != 0; }
    size_t frame_size() const { return frame_header_size + body_size; }
    size_t payload_size() const { return body_size - metadata_size; }
};

// Writes the header of a frame with this metadata, checksum included. REQUIRES: to.size() == frame_header_size,
// header.metadata_size == metadata.size() <= header.body_size
void encode(const FrameHeader& header, Bytes metadata, MutableBytes to);

// Reads a header into `into` and checks magic, flags and sizes; says what is wrong with it. The checksum is still to
// be verified. REQUIRES: bytes.size() >= frame_header_size
Refusal decode(Bytes bytes, size_t size_max, FrameHeader* into);

// REQUIRES: `frame` holds header and metadata
bool verify_checksum(Bytes frame, const FrameHeader& header);

// Who speaks, judging by the first bytes of a connection (at least four): Refusal::none for Ironbark.
Refusal classify(Bytes first);

}  // namespace ironbark::rpc
