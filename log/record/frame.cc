#include "log/record/frame.h"

#include <algorithm>

#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::record {
namespace {

// Where the fields stand in the frame.
constexpr size_t checksum_at = 0;
constexpr size_t magic_at = 8;
constexpr size_t length_at = 12;
constexpr size_t payload_checksum_at = 16;
constexpr size_t chain_at = 24;
constexpr size_t base_offset_at = 32;
constexpr size_t leader_epoch_at = 40;
constexpr size_t flags_at = 44;
constexpr size_t append_time_at = 48;
constexpr size_t zero_at = 56;
constexpr size_t payload_at = frame_header_size + batch_crc_begin;

Error corrupt(const char* text) {
    return {ErrorCode::corrupt_data, text};
}

uint64_t header_checksum(Bytes frame, bool is_pad, uint64_t seed) {
    size_t end = is_pad ? frame_header_size : frame_prefix_size;
    return xxh3(frame.subspan(magic_at, end - magic_at), seed);
}

FrameHeader decode(Bytes frame) {
    const uint8_t* at = frame.data();
    FrameHeader header;
    header.checksum = load_le<uint64_t>(at + checksum_at);
    header.length = load_le<uint32_t>(at + length_at);
    header.payload_checksum = load_le<uint64_t>(at + payload_checksum_at);
    header.chain = load_le<uint64_t>(at + chain_at);
    header.base_offset = Offset(load_le<int64_t>(at + base_offset_at));
    header.leader_epoch = Epoch(load_le<int32_t>(at + leader_epoch_at));
    header.flags = load_le<uint32_t>(at + flags_at);
    header.append_time = Timestamp(load_le<int64_t>(at + append_time_at));
    return header;
}

// Everything but the checksum, which is computed over what this wrote.
void encode(const FrameHeader& header, MutableBytes frame) {
    uint8_t* at = frame.data();
    store_le(at + magic_at, frame_magic);
    store_le(at + length_at, header.length);
    store_le(at + payload_checksum_at, header.payload_checksum);
    store_le(at + chain_at, header.chain);
    store_le(at + base_offset_at, header.base_offset.value);
    store_le(at + leader_epoch_at, header.leader_epoch.value);
    store_le(at + flags_at, header.flags);
    store_le(at + append_time_at, header.append_time.milliseconds);
    store_le(at + zero_at, uint64_t{0});
}

uint64_t store_checksum(MutableBytes frame, bool is_pad, uint64_t seed) {
    uint64_t checksum = header_checksum(frame, is_pad, seed);
    store_le(frame.data() + checksum_at, checksum);
    return checksum;
}

bool has_no_position(const FrameHeader& header) {
    return header.base_offset.value == -1 && header.leader_epoch.value == -1 && header.chain == 0 &&
           header.append_time.milliseconds == 0;
}

const char* pad_fault(const FrameHeader& header) {
    if (header.length < frame_header_size) return "the pad is shorter than its own header";
    if (header.length > frame_size_max) return "the pad is longer than any frame may be";
    if ((header.flags & flags_refused_mask) != flag_pad) return "the pad has flags of a frame with a batch";
    if (header.payload_checksum != 0 || header.chain != 0 || header.append_time.milliseconds != 0) {
        return "the pad has fields of a frame with a batch";
    }
    if (header.base_offset.value < -1 || header.leader_epoch.value < -1)
        return "the pad names a negative offset or epoch";
    return nullptr;
}

const char* unstamped_fault(const FrameView& frame) {
    if (!has_no_position(frame.header)) return "the frame is stamped in part";
    if ((frame.header.flags & flags_refused_mask) != 0) return "the frame has flags but no offset";
    if (frame.batch.base_offset.value != 0) return "the frame has no offset but its batch has one";
    if (frame.batch.partition_leader_epoch.value != -1) return "the frame has no epoch but its batch has one";
    return nullptr;
}

const char* stamped_fault(const FrameView& frame) {
    if (frame.header.base_offset.value < 0) return "the frame's base offset is negative";
    if (frame.header.leader_epoch.value < 0) return "the frame's leader epoch is negative";
    if (frame.header.append_time.milliseconds < 0) return "the frame's append time is negative";
    if (frame.batch.base_offset != frame.header.base_offset) return "frame and batch disagree on the base offset";
    if (frame.batch.partition_leader_epoch != frame.header.leader_epoch) {
        return "frame and batch disagree on the leader epoch";
    }
    return nullptr;
}

const char* batch_frame_fault(const FrameView& frame) {
    if (const char* fault = batch_header_fault(frame.batch)) return fault;
    if (frame.header.length != frame_overhead + static_cast<uint32_t>(frame.batch.batch_length)) {
        return "frame and batch disagree on the length";
    }
    bool is_compacted = (frame.header.flags & flag_compacted) != 0;
    if (!is_compacted && frame.batch.records_count != int64_t{frame.batch.last_offset_delta} + 1) {
        return "the number of records is not the number of offsets, and the frame is not marked as compacted";
    }
    return frame.is_stamped() ? stamped_fault(frame) : unstamped_fault(frame);
}

}  // namespace

Result<FrameView> parse_header(Bytes bytes, uint64_t seed) {
    if (bytes.size() < frame_header_size) return corrupt("the bytes end within a frame header");
    if (load_le<uint32_t>(bytes.data() + magic_at) != frame_magic) return corrupt("the bytes are not a frame");
    FrameView frame;
    frame.header = decode(bytes);
    bool is_pad = frame.header.is_pad();
    if (!is_pad && bytes.size() < frame_prefix_size) return corrupt("the bytes end within a batch header");
    if (header_checksum(bytes, is_pad, seed) != frame.header.checksum) {
        return corrupt("the header checksum does not match: altered bytes, or a frame of another partition");
    }
    if ((frame.header.flags & flags_refused_mask & ~flags_known) != 0) {
        return corrupt("the frame has a flag that this version does not know");
    }
    if (load_le<uint64_t>(bytes.data() + zero_at) != 0) return corrupt("the frame's last eight bytes are not zero");
    if (!is_pad) frame.batch = decode_batch_header(bytes.subspan(frame_header_size));
    if (const char* fault = is_pad ? pad_fault(frame.header) : batch_frame_fault(frame)) return corrupt(fault);
    frame.bytes = bytes.first(std::min<size_t>(bytes.size(), frame.header.length));
    return frame;
}

bool verify_payload(const FrameView& frame) {
    ASSERT(!frame.header.is_pad());
    ASSERT(frame.bytes.size() == frame.header.length);
    return xxh3(frame.bytes.subspan(payload_at), 0) == frame.header.payload_checksum;
}

Result<FrameView> parse_frame(Bytes bytes, uint64_t seed) {
    TRY(FrameView frame, parse_header(bytes, seed));
    if (frame.bytes.size() < frame.header.length) return corrupt("the bytes end within a frame");
    if (!frame.header.is_pad() && !verify_payload(frame)) return corrupt("the payload checksum does not match");
    return frame;
}

uint64_t stamp(MutableBytes frame, uint64_t seed, const Stamp& stamp) {
    ASSERT(frame.size() >= frame_prefix_size);
    ASSERT(stamp.base_offset.value >= 0 && stamp.leader_epoch.value >= 0 && stamp.append_time.milliseconds >= 0);
    ASSERT((stamp.flags & flag_pad) == 0);
    FrameHeader header = decode(frame);
    header.chain = stamp.chain;
    header.base_offset = stamp.base_offset;
    header.leader_epoch = stamp.leader_epoch;
    header.flags = stamp.flags;
    header.append_time = stamp.append_time;
    encode(header, frame);
    store_batch_position(frame.subspan(frame_header_size), stamp.base_offset, stamp.leader_epoch);
    return store_checksum(frame, false, seed);
}

void make_pad(MutableBytes into, uint64_t seed, Offset durable_end, Epoch epoch) {
    ASSERT(into.size() >= frame_header_size);
    ASSERT(into.size() <= frame_size_max);
    ASSERT(durable_end.value >= -1 && epoch.value >= -1);
    std::fill(into.begin(), into.end(), uint8_t{0});
    FrameHeader header;
    header.length = static_cast<uint32_t>(into.size());
    header.base_offset = durable_end;
    header.leader_epoch = epoch;
    header.flags = flag_pad;
    encode(header, into);
    store_checksum(into, true, seed);
}

void seal_unstamped(MutableBytes frame, uint64_t seed) {
    ASSERT(frame.size() >= frame_prefix_size && frame.size() <= frame_size_max);
    MutableBytes batch = frame.subspan(frame_header_size);
    store_batch_position(batch, Offset(0), Epoch(-1));
    ASSERT(decode_batch_header(batch).batch_length == static_cast<int64_t>(frame.size() - frame_overhead));
    FrameHeader header;
    header.length = static_cast<uint32_t>(frame.size());
    header.payload_checksum = xxh3(frame.subspan(payload_at), 0);
    encode(header, frame);
    store_checksum(frame, false, seed);
}

}  // namespace ironbark::record
