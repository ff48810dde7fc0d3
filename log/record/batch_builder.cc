#include "log/record/batch_builder.h"

#include <algorithm>

#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::record {
namespace {

constexpr Error batch_too_large(ErrorCode::message_too_large, "the batch would be larger than any batch may be");
constexpr Error too_many_records(ErrorCode::message_too_large, "the batch has all the records that it may have");
constexpr Error too_many_headers(ErrorCode::invalid_record, "a record has at most 64 headers");
constexpr Error too_early(ErrorCode::invalid_timestamp, "a timestamp is not before 1970");

size_t size_of_bytes(Bytes bytes) {
    return varint_size(static_cast<int64_t>(bytes.size())) + bytes.size();
}
size_t size_of_nullable(const std::optional<Bytes>& bytes) {
    return bytes ? size_of_bytes(*bytes) : varint_size(-1);
}

uint8_t* write_bytes(uint8_t* at, Bytes bytes) {
    at = write_varint(at, static_cast<int64_t>(bytes.size()));
    return std::copy(bytes.begin(), bytes.end(), at);
}
uint8_t* write_nullable(uint8_t* at, const std::optional<Bytes>& bytes) {
    return bytes ? write_bytes(at, *bytes) : write_varint(at, -1);
}

}  // namespace

Result<int32_t> BatchBuilder::append(const NewRecord& record) {
    ASSERT(!is_closed_);
    if (record.headers.size() > static_cast<size_t>(record_headers_max)) return too_many_headers;
    if (record.timestamp.milliseconds < 0) return too_early;
    if (records_count_ == batch_records_max) return too_many_records;
    RecordSize size = size_of(record);
    if (batch_size() + size.total > batch_size_max) return batch_too_large;
    if (is_empty()) base_timestamp_ = record.timestamp;
    size_t before = frame_.size();
    frame_.resize(before + size.total);
    uint8_t* end = encode(frame_.data() + before, record, size);
    ASSERT(end == frame_.data() + frame_.size());
    records_crc_ = crc32c(Bytes(frame_.bytes()).subspan(before), records_crc_);
    max_timestamp_ = std::max(max_timestamp_, record.timestamp);
    return records_count_++;
}

bool BatchBuilder::fits(const NewRecord& record, size_t size_max) const {
    return records_count_ < batch_records_max && batch_size() + size_of(record).total <= size_max;
}

void BatchBuilder::compress(Codec codec, Compressor* compressor) {
    ASSERT(!is_empty() && !is_closed_);
    ASSERT(codec == Codec::lz4 || codec == Codec::zstd);
    is_closed_ = true;
    Bytes records = Bytes(frame_.bytes()).subspan(frame_prefix_size);
    Result<Bytes> compressed = compressor->compress(codec, records);
    // Without memory to compress in, the batch goes as it is: larger, and right.
    if (!compressed.ok() || compressed->size() >= records.size()) return;
    std::copy(compressed->begin(), compressed->end(), frame_.data() + frame_prefix_size);
    frame_.resize(frame_prefix_size + compressed->size());
    records_crc_ = crc32c(*compressed);
    codec_ = codec;
}

MutableBytes BatchBuilder::seal(uint64_t seed, const ProducerSequence& producer) {
    ASSERT(!is_empty());
    is_closed_ = true;
    MutableBytes batch = frame_.bytes().subspan(frame_header_size);
    BatchHeader header;
    header.batch_length = static_cast<int32_t>(batch.size() - batch_length_uncounted);
    header.attributes = static_cast<int16_t>(codec_);
    header.last_offset_delta = records_count_ - 1;
    header.base_timestamp = base_timestamp_;
    header.max_timestamp = max_timestamp_;
    header.producer_id = producer.id;
    header.producer_epoch = producer.epoch;
    header.base_sequence = producer.base_sequence;
    header.records_count = records_count_;
    encode_batch_header(header, batch);
    store_batch_crc(batch, records_crc_);
    seal_unstamped(frame_.bytes(), seed);
    return frame_.bytes();
}

void BatchBuilder::reset() {
    frame_.resize(frame_prefix_size);
    records_crc_ = 0;
    records_count_ = 0;
    base_timestamp_ = {};
    max_timestamp_ = {};
    codec_ = Codec::none;
    is_closed_ = false;
}

BatchBuilder::RecordSize BatchBuilder::size_of(const NewRecord& record) const {
    RecordSize size;
    if (!is_empty()) size.timestamp_delta = record.timestamp.milliseconds - base_timestamp_.milliseconds;
    size.body = 1 + varint_size(size.timestamp_delta) + varint_size(records_count_) + size_of_nullable(record.key) +
                size_of_nullable(record.value) + varint_size(static_cast<int64_t>(record.headers.size()));
    for (const RecordHeader& header : record.headers) {
        size.body += size_of_bytes(as_bytes(header.key)) + size_of_nullable(header.value);
    }
    size.total = varint_size(static_cast<int64_t>(size.body)) + size.body;
    return size;
}

uint8_t* BatchBuilder::encode(uint8_t* at, const NewRecord& record, const RecordSize& size) const {
    at = write_varint(at, static_cast<int64_t>(size.body));
    *at++ = 0;  // attributes: none exist
    at = write_varint(at, size.timestamp_delta);
    at = write_varint(at, records_count_);
    at = write_nullable(at, record.key);
    at = write_nullable(at, record.value);
    at = write_varint(at, static_cast<int64_t>(record.headers.size()));
    for (const RecordHeader& header : record.headers) {
        at = write_bytes(at, as_bytes(header.key));
        at = write_nullable(at, header.value);
    }
    return at;
}

}  // namespace ironbark::record
