#include "log/timestamps.h"

#include <algorithm>

#include "log/record/record_reader.h"

namespace ironbark::log {
namespace {

// Calls `visit` with each record, until it returns false. False: the batch cannot be read inside.
template <typename Visit>
bool visit_records(const record::FrameView& frame, Visit visit) {
    record::Decompressor decompressor;
    record::ByteBuffer scratch;
    Result<record::RecordReader> reader =
        record::RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch);
    record::Record record;
    while (reader.ok()) {
        Result<bool> more = reader->next(&record);
        if (!more.ok()) break;
        if (!*more || !visit(record)) return true;
    }
    return false;
}

TimestampOffset by_header(const record::FrameView& frame, Offset not_before) {
    return {std::max(frame.header.base_offset, not_before), frame.batch.max_timestamp, frame.header.leader_epoch};
}

}  // namespace

std::optional<TimestampOffset> first_record_at(const record::FrameView& frame, Timestamp time, Offset not_before) {
    std::optional<TimestampOffset> found;
    bool readable = visit_records(frame, [&](const record::Record& record) {
        if (record.timestamp < time || record.offset < not_before) return true;
        found = TimestampOffset{record.offset, record.timestamp, frame.header.leader_epoch};
        return false;
    });
    return readable ? found : by_header(frame, not_before);
}

std::optional<TimestampOffset> latest_record(const record::FrameView& frame, Offset not_before) {
    std::optional<TimestampOffset> found;
    bool readable = visit_records(frame, [&](const record::Record& record) {
        if (record.offset < not_before || (found && record.timestamp <= found->timestamp)) return true;
        found = TimestampOffset{record.offset, record.timestamp, frame.header.leader_epoch};
        return true;
    });
    return readable ? found : by_header(frame, not_before);
}

}  // namespace ironbark::log
