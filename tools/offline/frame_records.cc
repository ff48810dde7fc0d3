#include "tools/offline/frame_records.h"

namespace ironbark::tools {
namespace {

std::optional<std::string_view> text_of(const std::optional<Bytes>& bytes) {
    if (!bytes) return std::nullopt;
    return as_text(*bytes);
}

}  // namespace

Result<void> FrameRecords::visit(const record::FrameView& frame,
                                 std::string_view topic,
                                 int32_t partition,
                                 const std::function<void(const ConsumerRecord&)>& visit) {
    TRY(record::RecordReader reader,
        record::RecordReader::open(frame.batch, frame.record_bytes(), &decompressor_, &scratch_));
    record::Record record;
    while (true) {
        TRY(bool more, reader.next(&record));
        if (!more) return {};
        headers_.clear();
        for (const record::RecordHeader& header : record.headers) headers_.push_back({header.key, text_of(header.value)});
        ConsumerRecord shown;
        shown.topic = topic;
        shown.partition = partition;
        shown.leader_epoch = frame.header.leader_epoch.value;
        shown.offset = record.offset.value;
        shown.timestamp = record.timestamp.milliseconds;
        shown.key = text_of(record.key);
        shown.value = text_of(record.value);
        shown.headers = headers_;
        visit(shown);
    }
}

}  // namespace ironbark::tools
