#include "log/record/record.h"

namespace ironbark::record {
namespace {

constexpr Error malformed(ErrorCode::invalid_record,
                          "a record is malformed: a number or a length in it does not fit its bytes");
constexpr Error outside_batch(ErrorCode::invalid_record, "a record has an offset outside of its batch");
constexpr Error time_overflow(ErrorCode::invalid_record, "a record's timestamp does not fit into 64 bits");

RecordHeader read_header(Cursor& cursor) {
    RecordHeader header;
    header.key = as_text(cursor.take(cursor.varint()));
    header.value = cursor.nullable();
    return header;
}

RecordHeaders read_headers(Cursor& cursor) {
    int32_t count = cursor.varint();
    Bytes encoded = cursor.rest();
    if (count < 0) cursor.take(count);  // fails the cursor
    for (int32_t index = 0; index < count && cursor.ok(); ++index) read_header(cursor);
    return {encoded, count};
}

}  // namespace

void RecordHeaders::Iterator::read() {
    if (left_ > 0) header_ = read_header(cursor_);
}

Result<size_t> decode_record(Bytes from, const BatchHeader& batch, Record* record) {
    Cursor outside(from);
    Cursor inside(outside.take(outside.varint()));
    if (!outside.ok()) return malformed;
    inside.byte();  // attributes
    int64_t timestamp_delta = inside.varlong();
    int32_t offset_delta = inside.varint();
    record->key = inside.nullable();
    record->value = inside.nullable();
    record->headers = read_headers(inside);
    if (!inside.ok() || inside.left() != 0) return malformed;
    if (offset_delta < 0 || offset_delta > batch.last_offset_delta) return outside_batch;
    record->offset = batch.base_offset + offset_delta;
    int64_t& timestamp = record->timestamp.milliseconds;
    if (__builtin_add_overflow(batch.base_timestamp.milliseconds, timestamp_delta, &timestamp)) return time_overflow;
    if ((batch.attributes & attribute_append_time) != 0) record->timestamp = batch.max_timestamp;
    return from.size() - outside.left();
}

}  // namespace ironbark::record
