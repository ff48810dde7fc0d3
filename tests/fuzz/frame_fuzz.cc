// Frames of any bytes: parsed as they are, and again with the checksums put right, or nothing behind them would ever be
// reached. Whatever is accepted holds what its contract says, and can be stamped, read and parsed again.
#include <vector>

#include "log/record/frame.h"
#include "log/record/record_reader.h"
#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::record {
namespace {

constexpr uint64_t seed = 42;
constexpr size_t size_max = size_t{1} << 20;
constexpr Timestamp time_max(int64_t{1} << 42);

void correct_checksums(MutableBytes frame) {
    if (frame.size() < frame_prefix_size) return;
    MutableBytes batch = frame.subspan(frame_header_size);
    store_le(frame.data() + 8, frame_magic);
    store_batch_crc(batch);
    store_le(frame.data() + 16, xxh3(batch.subspan(batch_crc_begin), 0));
    bool is_pad = (load_le<uint32_t>(frame.data() + 44) & flag_pad) != 0;
    size_t end = is_pad ? frame_header_size : frame_prefix_size;
    store_le(frame.data(), xxh3(Bytes(frame).subspan(8, end - 8), seed));
}

// Uncompressed records that ingest accepts are readable to the end, and as many as the batch says.
void check_readable(const FrameView& frame) {
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch);
    ASSERT(reader.ok());
    Record record;
    for (int32_t index = 0; index < frame.batch.records_count; ++index) {
        Result<bool> more = reader->next(&record);
        ASSERT(more.ok() && *more);
        ASSERT(record.offset == frame.header.base_offset + 1 + index);  // an unstamped frame says -1, its batch 0
        ASSERT(record.timestamp <= frame.batch.max_timestamp);
    }
    Result<bool> more = reader->next(&record);
    ASSERT(more.ok() && !*more);
}

void check_stampable(const FrameView& frame) {
    std::vector<uint8_t> copy(frame.bytes.begin(), frame.bytes.end());
    Stamp place{Offset(1000), Epoch(7), 99, Timestamp(5), 0};
    uint64_t checksum = stamp(copy, seed, place);
    Result<FrameView> stamped = parse_frame(copy, seed);
    ASSERT(stamped.ok());
    ASSERT(stamped->header.checksum == checksum);
    ASSERT(stamped->batch.base_offset == place.base_offset);
    ASSERT(stamped->header.payload_checksum == frame.header.payload_checksum);
    ASSERT(stamped->next_offset() - place.base_offset == frame.batch.records_count);
}

void check_accepted(const FrameView& frame, Bytes bytes) {
    ASSERT(frame.bytes.size() == frame.header.length && frame.header.length <= bytes.size());
    ASSERT(parse_frame(frame.bytes, seed).ok());  // what is behind a frame does not matter
}

void check(Bytes bytes) {
    Result<FrameView> header = parse_header(bytes, seed);
    Result<FrameView> frame = parse_frame(bytes, seed);
    Result<FrameView> produced = check_produced(bytes, seed, size_max, time_max);
    ASSERT(header.ok() || !frame.ok());
    ASSERT(frame.ok() || !produced.ok());
    if (frame.ok()) check_accepted(*frame, bytes);
    if (!produced.ok()) return;
    check_stampable(*produced);
    if (produced->batch.codec() == Codec::none) check_readable(*produced);
}

}  // namespace
}  // namespace ironbark::record

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    std::vector<uint8_t> bytes(data, data + size);
    ironbark::record::check(bytes);
    ironbark::record::correct_checksums(bytes);
    ironbark::record::check(bytes);
    return 0;
}
