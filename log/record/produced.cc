// check_produced: what ingest verifies. The checks go from cheap to dear; each refusal says what the producer did.
#include <algorithm>

#include "log/record/frame.h"
#include "log/record/record.h"
#include "runtime/base/bytes.h"

namespace ironbark::record {
namespace {

Error invalid(const char* text) {
    return {ErrorCode::invalid_record, text};
}
Error invalid_time(const char* text) {
    return {ErrorCode::invalid_timestamp, text};
}

Result<void> check_attributes(const BatchHeader& batch) {
    constexpr int16_t known = attributes_codec_mask | attribute_append_time | attribute_transactional |
                              attribute_control | attribute_delete_horizon;
    if (batch.is_control()) return invalid("clients may not write control batches");
    if ((batch.attributes & attribute_transactional) != 0) return invalid("transactions are not supported");
    if ((batch.attributes & attribute_delete_horizon) != 0) return invalid("only compaction sets a delete horizon");
    if ((batch.attributes & attribute_append_time) != 0) return invalid_time("only the broker sets append times");
    if ((batch.attributes & ~known) != 0) return invalid("the batch has attributes that this version does not know");
    return {};
}

Result<void> check_codec(const BatchHeader& batch) {
    switch (batch.codec()) {
        case Codec::none:
        case Codec::lz4:
        case Codec::zstd:
            return {};
        case Codec::gzip:
            return Error(ErrorCode::unsupported_compression, "gzip is not supported: use lz4 or zstd");
        case Codec::snappy:
            return Error(ErrorCode::unsupported_compression, "snappy is not supported: use lz4 or zstd");
        default:
            return Error(ErrorCode::unsupported_compression, "the batch names a codec that does not exist");
    }
}

Result<void> check_counts(const BatchHeader& batch) {
    if (batch.records_count == 0) return invalid("the batch has no records");
    if (batch.records_count > batch_records_max) {
        return Error(ErrorCode::message_too_large, "the batch has more than 65536 records: send smaller batches");
    }
    return {};
}

Result<void> check_producer(const BatchHeader& batch) {
    if (batch.is_idempotent()) {
        if (batch.producer_epoch.value < 0) return invalid("the batch has a producer id but no producer epoch");
        if (batch.base_sequence < 0) return invalid("the batch has a producer id but no sequence number");
        return {};
    }
    if (batch.producer_id.value != -1) return invalid("the producer id is neither an id nor -1");
    if (batch.producer_epoch.value != -1 || batch.base_sequence != -1) {
        return invalid("the batch has a producer epoch or a sequence number but no producer id");
    }
    return {};
}

Result<void> check_times(const BatchHeader& batch, Timestamp time_max) {
    if (batch.base_timestamp.milliseconds < 0) return invalid_time("the first record's timestamp is before 1970");
    if (batch.max_timestamp < batch.base_timestamp) {
        return invalid_time("the batch's largest timestamp is smaller than its first");
    }
    if (batch.max_timestamp > time_max) {
        return invalid_time("a timestamp is too far in the future: check the clocks of producer and broker");
    }
    return {};
}

Result<void> check_record(const Record& record, Offset expected, Timestamp max_timestamp) {
    if (record.offset != expected) return invalid("the records' offsets are not dense");
    if (record.headers.size() > record_headers_max) return invalid("a record has more than 64 headers");
    if (record.timestamp.milliseconds < 0) return invalid_time("a record's timestamp is before 1970");
    if (record.timestamp > max_timestamp) return invalid_time("a record is later than its batch says");
    return {};
}

// Lookups by time trust the batch's largest timestamp, so it must be the largest one.
Result<void> check_records(Bytes rest, const BatchHeader& batch) {
    Timestamp latest;
    for (int32_t index = 0; index < batch.records_count; ++index) {
        Record record;
        TRY(size_t size, decode_record(rest, batch, &record));
        TRY_VOID(check_record(record, Offset(index), batch.max_timestamp));
        latest = std::max(latest, record.timestamp);
        rest = rest.subspan(size);
    }
    if (!rest.empty()) return invalid("there are bytes behind the batch's last record");
    if (latest != batch.max_timestamp) return invalid_time("no record is as late as its batch says");
    return {};
}

// Ingest does not decompress: the consumer does, within limits. The magic number catches a wrong codec bit.
Result<void> check_compressed(Bytes blob, Codec codec) {
    constexpr uint32_t lz4_magic = 0x184d2204;
    constexpr uint32_t zstd_magic = 0xfd2fb528;
    uint32_t magic = blob.size() < sizeof(uint32_t) ? 0 : load_le<uint32_t>(blob.data());
    if (codec == Codec::lz4 && magic != lz4_magic) return invalid("the records are not an LZ4 frame as the batch says");
    if (codec == Codec::zstd && magic != zstd_magic)
        return invalid("the records are not a zstd frame as the batch says");
    return {};
}

}  // namespace

Result<FrameView> check_produced(Bytes bytes, uint64_t seed, size_t size_max, Timestamp time_max) {
    Result<FrameView> parsed = parse_frame(bytes, seed);
    if (!parsed.ok()) return Error(ErrorCode::corrupt_message, parsed.error().text);
    const FrameView& frame = *parsed;
    const BatchHeader& batch = frame.batch;
    if (frame.header.is_pad()) return invalid("a pad frame is not a batch");
    if (frame.is_stamped()) return invalid("the frame is stamped already: only a leader gives out offsets");
    if (frame.batch_bytes().size() > size_max) {
        return Error(ErrorCode::message_too_large, "the batch is larger than the topic's max.message.bytes");
    }
    TRY_VOID(check_attributes(batch));
    TRY_VOID(check_codec(batch));
    TRY_VOID(check_counts(batch));
    TRY_VOID(check_producer(batch));
    TRY_VOID(check_times(batch, time_max));
    if (batch_crc(frame.batch_bytes()) != batch.crc) {
        return Error(ErrorCode::corrupt_message, "the batch's CRC-32C does not match its bytes");
    }
    Bytes records = frame.record_bytes();
    TRY_VOID(batch.codec() == Codec::none ? check_records(records, batch) : check_compressed(records, batch.codec()));
    return frame;
}

}  // namespace ironbark::record
