#include "log/timestamps.h"

#include <algorithm>

#include "log/record/record_reader.h"

namespace ironbark::log {

std::optional<TimestampOffset> first_record_at(const record::FrameView& frame, Timestamp time, Offset not_before) {
    const Epoch epoch = frame.header.leader_epoch;
    record::Decompressor decompressor;
    record::ByteBuffer scratch;
    Result<record::RecordReader> reader =
        record::RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch);
    record::Record record;
    while (reader.ok()) {
        Result<bool> more = reader->next(&record);
        if (!more.ok()) break;
        if (!*more) return std::nullopt;
        if (record.timestamp >= time && record.offset >= not_before) {
            return TimestampOffset{record.offset, record.timestamp, epoch};
        }
    }
    return TimestampOffset{std::max(frame.header.base_offset, not_before), frame.batch.max_timestamp, epoch};
}

}  // namespace ironbark::log
