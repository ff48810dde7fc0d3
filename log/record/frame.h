#pragma once
// A frame: 64 bytes in front of one record batch, on disk and on the wire (docs/FORMAT.md). The batch is Kafka's
// RecordBatch v2, byte for byte; the frame adds what it lacks: a checksum of the header that is seeded with the
// partition, a payload checksum that offset and epoch do not touch, and a chain to the frame before.
//
//      0  u64  header checksum: XXH3-64 of bytes 8..125, seeded with the partition's identity (a pad: of bytes 8..64)
//      8  u32  magic and version
//     12  u32  length: of the whole frame, 76 + batchLength; a pad frame has a length of its own
//     16  u64  payload checksum: XXH3-64 of the batch from its byte 21 on, unseeded
//     24  u64  chain: header checksum of the previous frame of this partition
//     32  i64  base offset (of a pad: below it everything was on disk when the pad was made; -1: not said)
//     40  i32  leader epoch (of a pad: in which that held)
//     44  u32  flags
//     48  i64  append time: broker clock, ms since 1970, never decreasing within a partition
//     56  u64  zero
//     64       the batch (61 bytes of header, then records)
//
// Numbers are little-endian in the frame and big-endian in the batch. A producer sends the frame unstamped: offset and
// epoch -1, chain and time 0 (its batch: offset 0 and epoch -1, as Kafka's clients send it). The leader stamps it
// without touching or hashing the payload.

#include <cstdint>

#include "log/record/batch.h"
#include "runtime/base/bytes.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace ironbark::record {

constexpr size_t frame_header_size = 64;
constexpr size_t frame_prefix_size = frame_header_size + batch_header_size;      // where the header checksum ends
constexpr uint32_t frame_overhead = frame_header_size + batch_length_uncounted;  // length - batchLength
constexpr uint32_t frame_size_max = frame_header_size + batch_size_max;
constexpr uint32_t frame_magic = 0x31464249;  // "IBF1"

constexpr uint32_t flag_pad = 1;             // no batch: fills the rest of a block; local, never sent
constexpr uint32_t flag_chain_restarts = 2;  // the chain field does not name the frame before
constexpr uint32_t flag_compacted = 4;       // records were removed by compaction; offsets have gaps
constexpr uint32_t flags_known = 7;
constexpr uint32_t flags_refused_mask = 0xffff;  // an unknown flag of the low half is refused, of the high half ignored

struct FrameHeader {
    uint64_t checksum = 0;
    uint32_t length = 0;
    uint64_t payload_checksum = 0;
    uint64_t chain = 0;
    Offset base_offset{-1};
    Epoch leader_epoch{-1};
    uint32_t flags = 0;
    Timestamp append_time;

    bool is_pad() const { return (flags & flag_pad) != 0; }
};

// A frame whose header was verified. Borrows the bytes.
struct FrameView {
    FrameHeader header;
    BatchHeader batch;  // undefined for a pad frame
    Bytes bytes;        // the whole frame, or (from parse_header) only as much of it as there was

    bool is_stamped() const { return header.base_offset.value != -1; }
    Offset next_offset() const { return header.base_offset + batch.last_offset_delta + 1; }
    Bytes batch_bytes() const { return bytes.subspan(frame_header_size); }
    Bytes record_bytes() const { return bytes.subspan(frame_prefix_size); }  // one blob if there is a codec
};

// Decodes and verifies the header part: checksum under `seed`, magic, flags, length, the zero field, counts, that frame
// and batch agree, and that all or none of it is stamped. `bytes` starts at a frame and holds at least
// `frame_prefix_size` bytes (`frame_header_size` suffice for a pad); there may be more behind the frame. The length is
// believed only after the checksum; it may exceed bytes.size(). Errors: corrupt_data.
Result<FrameView> parse_header(Bytes bytes, uint64_t seed);

// Whether the payload checksum holds. REQUIRES: frame.bytes is the whole frame, and no pad.
bool verify_payload(const FrameView& frame);

// parse_header and verify_payload, and that the whole frame is there.
Result<FrameView> parse_frame(Bytes bytes, uint64_t seed);

// What ingest verifies of a frame that a client sent, before it is appended: everything of parse_frame, unstamped
// fields, CRC-32C, the batch header (magic 2, counts, known codec, no control or transactional bit, sane sequence,
// timestamps not later than `time_max`), and for an uncompressed batch that the records are well-formed, dense and
// fill it exactly, and the latest is as late as the batch says. A compressed batch is not decompressed. Errors:
// corrupt_message, message_too_large, invalid_record, unsupported_compression, invalid_timestamp; each text says what
// is wrong. `size_max` is of the batch.
Result<FrameView> check_produced(Bytes bytes, uint64_t seed, size_t size_max, Timestamp time_max);

// What the leader writes into a produced frame.
struct Stamp {
    Offset base_offset;
    Epoch leader_epoch;
    uint64_t chain = 0;
    Timestamp append_time{};
    uint32_t flags = 0;
};
// Stamps offset, epoch, chain and time into frame and batch and returns the new header checksum (the chain value for
// the next frame). Of what the payload checksum covers it reads the batch header and changes nothing. REQUIRES: a frame
// that was verified.
uint64_t stamp(MutableBytes frame, uint64_t seed, const Stamp& stamp);

// Fills `into` with a pad frame; what is behind its header is zero. Its offset and epoch fields are a promise: when it
// was made, in that epoch, everything below `durable_end` was on disk (recovery tells torn from damaged by it); -1
// where there is none. REQUIRES: frame_header_size <= into.size() <= frame_size_max.
void make_pad(MutableBytes into, uint64_t seed, Offset durable_end = Offset(-1), Epoch epoch = Epoch(-1));

// Completes a frame around a batch that stands at byte 64 of `frame`: unstamped, payload checksum computed. The batch
// itself (CRC included) is complete; its offset and epoch are set to 0 and -1. REQUIRES: frame.size() == 76 +
// batchLength.
void seal_unstamped(MutableBytes frame, uint64_t seed);

}  // namespace ironbark::record
