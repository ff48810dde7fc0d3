#include "client/records_builder.h"

#include <algorithm>

namespace ironbark {

using client::Fetched;

namespace {

std::optional<std::string_view> text(const std::optional<Bytes>& bytes) {
    if (!bytes) return std::nullopt;
    return as_text(*bytes);
}

}  // namespace

Records::Records() = default;
Records::Records(Records&&) noexcept = default;
Records& Records::operator=(Records&&) noexcept = default;
Records::~Records() = default;

RecordsBuilder::RecordsBuilder(size_t records_max, bool checks_payload, std::shared_ptr<void> world)
    : records_max_(records_max), checks_payload_(checks_payload), world_(std::move(world)) {}

Records RecordsBuilder::build() {
    Records records;
    records.memory_ = std::make_unique<Records::Memory>();
    records.memory_->world = world_;
    while (records.records_.size() < records_max_) {
        if (!batch_ && !open_next(records)) break;
        if (batch_) read_batch(records);
    }
    statistics_.records += records.records_.size();
    statistics_.gaps += records.gaps_.size();
    return records;
}

// Empty where a seek or another assignment has made the news old.
RecordsBuilder::Position* RecordsBuilder::position_of(const TopicPartition& name, uint64_t generation) {
    auto found = positions_.find(name);
    return found == positions_.end() || found->second.generation != generation ? nullptr : &found->second;
}

// Takes up the first news of a partition that is not paused, which may be a batch; false if there are none.
bool RecordsBuilder::open_next(Records& records) {
    for (auto news = news_.begin(); news != news_.end();) {
        Position* position = position_of(*news->partition, news->generation);
        if (position == nullptr) {
            news = news_.erase(news);
            continue;
        }
        if (position->is_paused) {
            ++news;
            continue;
        }
        bool is_used_up = news->kind != Fetched::Kind::frames || !open_batch(records, *news, *position);
        if (news->kind != Fetched::Kind::frames) report(records, *news, *position);
        if (is_used_up || news->frames.size == 0) news_.erase(news);
        return true;
    }
    return false;
}

void RecordsBuilder::report(Records& records, Fetched& news, Position& position) {
    if (news.kind == Fetched::Kind::gap) {
        if (news.gap.from < news.gap.to) records.gaps_.push_back(std::move(news.gap));
        position.next = news.offset;
    } else {
        records.errors_.push_back({*news.partition, std::move(news.failure)});
    }
}

// Takes the next batch out of the fetched frames. False if it is damaged: then the rest of them is of no use.
bool RecordsBuilder::open_batch(Records& records, Fetched& news, Position& position) {
    Bytes bytes = news.frames.bytes();
    Result<record::FrameView> frame =
        checks_payload_ ? record::parse_frame(bytes, news.seed) : record::parse_header(bytes, news.seed);
    if (position.next < 0) position.next = news.offset;
    if (!frame.ok()) {
        damaged(records, *news.partition, frame.error());
        return false;
    }
    size_t length = frame->header.length;
    std::shared_ptr<record::ByteBuffer> decompressed;
    if (frame->batch.codec() != record::Codec::none) decompressed = std::make_shared<record::ByteBuffer>();
    Bytes record_bytes = bytes.subspan(record::frame_prefix_size, length - record::frame_prefix_size);
    Result<record::RecordReader> reader =
        record::RecordReader::open(frame->batch, record_bytes, &decompressor_, decompressed.get());
    if (!reader.ok()) {
        damaged(records, *news.partition, reader.error());
        return false;
    }
    notice_gap(records, news, position, *frame);
    int64_t end = frame->next_offset().value;
    batch_.emplace(Batch{news.partition, news.generation, frame->header.leader_epoch.value, end,
                         news.frames.part(0, length), std::move(decompressed), *reader});
    news.frames = news.frames.part(length, news.frames.size - length);
    ++statistics_.batches;
    statistics_.bytes += length;
    return true;
}

void RecordsBuilder::notice_gap(Records& records,
                                const Fetched& news,
                                Position& position,
                                const record::FrameView& frame) {
    int64_t begin = frame.header.base_offset.value;
    if (begin <= position.next) return;
    Gap gap{*news.partition, position.next, begin, Gap::Reason::missing};
    if (begin <= news.marks.log_start) gap.reason = Gap::Reason::deleted;
    if ((frame.header.flags & record::flag_compacted) != 0) gap.reason = Gap::Reason::compacted;
    records.gaps_.push_back(std::move(gap));
    position.next = begin;
}

void RecordsBuilder::read_batch(Records& records) {
    Position* position = position_of(*batch_->name, batch_->generation);
    if (position == nullptr) return batch_.reset();
    size_t before = records.records_.size();
    bool has_more = true;
    while (has_more && records.records_.size() < records_max_) has_more = read_record(records, *position);
    if (records.records_.size() > before) keep(records, *batch_);
    if (!has_more) batch_.reset();
}

bool RecordsBuilder::read_record(Records& records, Position& position) {
    record::Record record;
    Result<bool> read = batch_->reader.next(&record);
    if (!read.ok()) {
        damaged(records, *batch_->name, read.error());
        return false;
    }
    if (!*read) {
        position.next = std::max(position.next, batch_->end);
        return false;
    }
    if (record.offset.value < position.next) return true;
    position.next = record.offset.value + 1;
    records.records_.push_back({batch_->name->topic, batch_->name->partition, batch_->leader_epoch, record.offset.value,
                                record.timestamp.milliseconds, text(record.key), text(record.value),
                                keep(records, record.headers)});
    return true;
}

void RecordsBuilder::keep(Records& records, const Batch& batch) {
    records.memory_->frames.push_back(batch.frames);
    if (batch.decompressed != nullptr) records.memory_->decompressed.push_back(batch.decompressed);
    records.memory_->names.push_back(batch.name);
}

std::span<const Header> RecordsBuilder::keep(Records& records, const record::RecordHeaders& headers) {
    if (headers.empty()) return {};
    std::vector<Header>& kept = records.memory_->headers.emplace_back();
    kept.reserve(static_cast<size_t>(headers.size()));
    for (const record::RecordHeader& header : headers) kept.push_back({header.key, text(header.value)});
    return kept;
}

// Nothing of it was delivered from here on. It may have been damaged on the way, so it is asked for again.
void RecordsBuilder::damaged(Records& records, const TopicPartition& name, const Error& error) {
    ++statistics_.corrupt_batches;
    std::string hint = std::string(error.text) + "; it is fetched again";
    records.errors_.push_back({name, {ErrorCode::corrupt_data, Outcome::not_written, std::move(hint)}});
    damaged_.push_back(name);
    positions_[name].generation = 0;  // what follows it was fetched already, and is to come after it
}

}  // namespace ironbark
