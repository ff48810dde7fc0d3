#include "tests/log/storage_model.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

uint64_t payload_of(const record::FrameView& frame) {
    return xxh3(frame.batch_bytes().subspan(record::batch_crc_begin), 0);
}

}  // namespace

Offset StorageModel::lowest_cut_since(uint64_t cuts) const {
    if (pending_restart_) return Offset();
    Offset lowest = pending_cut_ ? pending_cut_->to : Offset(INT64_MAX);
    for (size_t index = cuts; index < cut_places_.size(); ++index) lowest = std::min(lowest, cut_places_[index]);
    return lowest;
}

void StorageModel::appended(
    record::FrameView sent, const Appended& where, Epoch epoch, uint64_t checksum, std::vector<Timestamp> timestamps) {
    sent.header.base_offset = where.base;
    sent.header.leader_epoch = epoch;
    sent.header.append_time = where.append_time;
    sent.header.chain = chain();
    sent.header.checksum = checksum;
    add(sent, std::move(timestamps));
}

void StorageModel::appended_replica(record::FrameView frame, std::vector<Timestamp> timestamps) {
    const Epoch epoch = frame.header.leader_epoch;
    epoch_begins(epoch);
    if (starts_.empty() || starts_.back().epoch < epoch) starts_.push_back({epoch, end()});
    add(frame, std::move(timestamps));
}

void StorageModel::add(record::FrameView frame, std::vector<Timestamp> timestamps) {
    ModelBatch batch;
    batch.payload = payload_of(frame);
    frame.bytes = {};
    batch.frame = frame;
    batch.timestamps = std::move(timestamps);
    producers_.apply(batch.frame);
    batches_.push_back(std::move(batch));
}

bool StorageModel::knows(const EpochStart& entry) const {
    return std::find(starts_.begin(), starts_.end(), entry) != starts_.end();
}

void StorageModel::cut_begins(Offset to, std::optional<Epoch> next) {
    pending_cut_ = Cut{to, next, next && knows({*next, to})};
    if (next) epoch_begins(*next);
    cut_places_.push_back(to);
    ++cuts_;
}

void StorageModel::cut_ended(bool done) {
    if (done) {
        Offset to = pending_cut_->to;
        cut_to(to);
        std::erase_if(starts_, [to](const EpochStart& entry) { return entry.start >= to; });
        if (pending_cut_->next) starts_.push_back({*pending_cut_->next, to});
    }
    pending_cut_.reset();
}

void StorageModel::restart_begins(Log::ReplicaStart start) {
    epoch_begins(start.epoch_before);
    pending_restart_ = std::move(start);
    cut_places_.push_back(Offset());
    ++cuts_;
}

void StorageModel::restart_ended(bool done) {
    Log::ReplicaStart start = *std::exchange(pending_restart_, std::nullopt);
    if (!done) return;
    batches_.clear();
    base_ = start.base;
    base_chain_ = start.chain;
    base_epoch_ = start.epoch_before;
    base_producers_ = start.producers.empty() ? Producers() : Producers::decode(start.producers).value();
    producers_ = base_producers_;
    starts_.clear();
    if (start.epoch_before >= Epoch(0)) starts_.push_back({start.epoch_before, base_ - 1});
    log_start_ = log_start_wanted_ = start.log_start;
    durable_ = base_;
}

void StorageModel::cut_to(Offset end) {
    while (!batches_.empty() && batches_.back().base() >= end) batches_.pop_back();
    std::erase_if(starts_, [end](const EpochStart& entry) { return entry.start > end; });
    durable_ = std::min(durable_, end);
    producers_ = base_producers_;
    for (const ModelBatch& batch : batches_) producers_.apply(batch.frame);
}

const ModelBatch* StorageModel::holding(Offset offset) const {
    auto found = std::partition_point(batches_.begin(), batches_.end(),
                                      [offset](const ModelBatch& batch) { return batch.next() <= offset; });
    return found == batches_.end() ? nullptr : &*found;
}

// Which epochs had begun, and were not used, may have been lost; those of records may not.
void StorageModel::check_and_take_epochs(const Log& log, std::string* wrong) {
    const std::vector<EpochStart>& known = log.epoch_starts();
    for (const EpochStart& entry : known) {
        if (entry.epoch > epoch_highest_) *wrong = "an epoch is recorded that never began";
    }
    for (const ModelBatch& batch : batches_) {
        if (batch.next() <= log_start_) continue;
        Epoch epoch = batch.frame.header.leader_epoch;
        auto should =
            std::find_if(starts_.begin(), starts_.end(), [&](const EpochStart& entry) { return entry.epoch == epoch; });
        if (should == starts_.end() || std::find(known.begin(), known.end(), *should) != known.end()) continue;
        *wrong = fmt::format("the start of epoch {} at {} is forgotten; known:", epoch.value, should->start.value);
        for (const EpochStart& entry : known) *wrong += fmt::format(" {} at {}", entry.epoch.value, entry.start.value);
    }
    starts_ = known;
}

// It is done or not done, nothing between.
std::string StorageModel::check_pending_cut(const Log& log, Excuses excuses) {
    const Cut cut = *pending_cut_;
    const std::vector<EpochStart>& known = log.epoch_starts();
    bool done = log.log_end() == cut.to && (known.empty() || known.back().start < cut.to);
    if (cut.next) {
        EpochStart begun{*cut.next, cut.to};
        const bool is_begun = !known.empty() && known.back() == begun;
        if (is_begun && !cut.was_begun && log.log_end() != cut.to) {
            return fmt::format("the cut to {} is recorded, but the log ends at {}", cut.to.value, log.log_end().value);
        }
        done = is_begun && log.log_end() == cut.to;
    }
    if (cut.to == log.log_end() && cut.to < durable_ && !done && !excuses.may_lose_end) {
        return "the log was cut, but which epoch follows there is not known";
    }
    cut_ended(done);
    return {};
}

void StorageModel::check_pending_restart(const Log& log) {
    const Log::ReplicaStart& start = *pending_restart_;
    restart_ended(log.log_start() == start.log_start && log.log_end() == start.base &&
                  log.last_checksum() == start.chain);
}

std::string StorageModel::check_opened(const Log& log, Excuses excuses) {
    std::string wrong;
    if (pending_restart_) check_pending_restart(log);
    if (pending_cut_) wrong = check_pending_cut(log, excuses);
    if (!wrong.empty()) return wrong;
    if (log.log_end() < durable_ && !excuses.may_lose_end) {
        return fmt::format("records up to {} were durable, the log ends at {}", durable_.value, log.log_end().value);
    }
    if (log.log_end() > end()) return fmt::format("the log ends at {}, beyond {}", log.log_end().value, end().value);
    const ModelBatch* at_end = holding(log.log_end());
    if (at_end != nullptr && at_end->base() != log.log_end()) return "the log ends inside a batch";
    if (log.log_start() < log_start_ || log.log_start() > log_start_wanted_) {
        return fmt::format("the log starts at {}, not between {} and {}", log.log_start().value, log_start_.value,
                           log_start_wanted_.value);
    }
    cut_to(log.log_end());
    log_start_ = log_start_wanted_ = log.log_start();
    durable_ = log.durable_end();
    if (log.durable_end() != log.log_end()) return "what was recovered is not durable";
    if (!batches_.empty() && log.last_epoch() < batches_.back().frame.header.leader_epoch) {
        return "the log's epoch is older than its last record's";
    }
    check_and_take_epochs(log, &wrong);
    if (excuses.may_forget_producers) excuse_producers(log);
    if (!wrong.empty()) return wrong;
    return check_state(log);
}

std::string StorageModel::check_state(const Log& log) const {
    if (log.log_end() != end()) {
        return fmt::format("the log ends at {}, not {}", log.log_end().value, end().value);
    }
    // Where a log has started anew, its start may lie in its first frame.
    const bool lacks_first = batches_.empty() || log_start_ < batches_.front().next();
    const bool is_started = log.log_start() <= log.durable_end() || (log.durable_end() == base_ && lacks_first);
    bool ordered = is_started && log.durable_end() <= log.written_end() && log.written_end() <= log.log_end();
    if (!ordered) {
        return fmt::format("start {}, durable {}, written {}, end {} are out of order", log.log_start().value,
                           log.durable_end().value, log.written_end().value, log.log_end().value);
    }
    if (log.durable_end() < durable_) return "the durable end went back";
    if (log.last_checksum() != chain()) return "the last checksum is another";
    const std::vector<EpochStart>& known = log.epoch_starts();
    // Those before the log's start may be forgotten.
    bool is_suffix = known.size() <= starts_.size() && std::equal(known.rbegin(), known.rend(), starts_.rbegin());
    bool is_enough = known.size() == starts_.size() || (!known.empty() && known.front().start <= log.log_start());
    if (!is_suffix || !is_enough) {
        std::string text = "the epochs are";
        for (const EpochStart& entry : known) text += fmt::format(" {} at {}", entry.epoch.value, entry.start.value);
        text += ", not";
        for (const EpochStart& entry : starts_) text += fmt::format(" {} at {}", entry.epoch.value, entry.start.value);
        return text;
    }
    if (producers_known_ && log.producers().encode() != producers_.encode())
        return "the producers differ from those of a replay";
    return {};
}

std::string StorageModel::compare(const record::FrameView& frame, const ModelBatch& batch) const {
    const record::FrameHeader& is = frame.header;
    const record::FrameHeader& should = batch.frame.header;
    if (is.base_offset != should.base_offset || frame.next_offset() != batch.next()) {
        return fmt::format("offsets {} to {} where {} to {} belong", is.base_offset.value, frame.next_offset().value,
                           batch.base().value, batch.next().value);
    }
    if (is.leader_epoch != should.leader_epoch) {
        return fmt::format("record {} has epoch {}, not {}", is.base_offset.value, is.leader_epoch.value,
                           should.leader_epoch.value);
    }
    if (is.append_time != should.append_time) return "another append time";
    if (is.checksum != should.checksum || is.chain != should.chain) return "another frame";
    if (payload_of(frame) != batch.payload) return fmt::format("record {} is altered", is.base_offset.value);
    return {};
}

std::string StorageModel::check_read(const ReadFrames& read, Offset from, Offset limit, Offset believed) const {
    Offset at = from;
    std::optional<uint64_t> chain;
    for (const BufferSlice& slice : read.slices) {
        for (Bytes rest = slice.bytes(); !rest.empty();) {
            Result<record::FrameView> frame = record::parse_frame(rest, identity_.seed());
            if (!frame.ok()) return frame.error().text;
            rest = rest.subspan(frame->header.length);
            if (chain && frame->header.chain != *chain) return "the chain is broken";
            chain = frame->header.checksum;
            if (frame->next_offset() > limit) return "records beyond the limit";
            bool holds = frame->header.base_offset <= at && at < frame->next_offset();
            if (!holds || (at != from && frame->header.base_offset != at)) {
                return fmt::format("a frame at {} where {} is next", frame->header.base_offset.value, at.value);
            }
            at = frame->next_offset();
            if (at > believed) continue;
            const ModelBatch* batch = holding(frame->header.base_offset);
            if (batch == nullptr) return fmt::format("record {} never was", frame->header.base_offset.value);
            std::string wrong = compare(*frame, *batch);
            if (!wrong.empty()) return wrong;
        }
    }
    if (at != read.next) return fmt::format("the frames end at {}, `next` says {}", at.value, read.next.value);
    const ModelBatch* first = holding(from);
    bool must_hold = first != nullptr && first->next() <= std::min(limit, believed);
    if (must_hold && read.slices.empty()) return fmt::format("nothing from {} on", from.value);
    return {};
}

std::string StorageModel::check_timestamp(const std::optional<TimestampOffset>& found, Timestamp time) const {
    for (const ModelBatch& batch : batches_) {
        for (size_t index = 0; index < batch.timestamps.size(); ++index) {
            Offset offset = batch.base() + static_cast<int64_t>(index);
            if (offset < log_start_ || batch.timestamps[index] < time) continue;
            if (!found) return fmt::format("record {} is at or after the time, and was not found", offset.value);
            if (found->offset != offset || found->timestamp != batch.timestamps[index]) {
                return fmt::format("found record {}, not {}", found->offset.value, offset.value);
            }
            return {};
        }
    }
    return found ? fmt::format("found record {} where there is none", found->offset.value) : "";
}

Epoch StorageModel::epoch_before(const ModelBatch& batch) const {
    const ModelBatch* before = holding(batch.base() - 1);
    return before != nullptr && before->next() == batch.base() ? before->frame.header.leader_epoch : base_epoch_;
}

std::string StorageModel::check_replica_start(const Log::ReplicaStart& start, bool may_forget_producers) const {
    if (start.log_start != log_start_) return "another log start";
    const ModelBatch* first = holding(log_start_);
    const Offset base = first == nullptr ? end() : first->base();
    if (start.base != base) return fmt::format("a start at {}, not {}", start.base.value, base.value);
    if (start.chain != (first == nullptr ? chain() : first->frame.header.chain)) return "the start has another chain";
    Epoch epoch = batches_.empty() ? base_epoch_ : batches_.back().frame.header.leader_epoch;
    if (first != nullptr) epoch = epoch_before(*first);
    if (start.epoch_before != epoch) {
        return fmt::format("epoch {} before the start, not {}", start.epoch_before.value, epoch.value);
    }
    Producers producers = base_producers_;
    for (const ModelBatch& batch : batches_) {
        if (batch.base() < base) producers.apply(batch.frame);
    }
    const bool is_known = producers_known_ && !may_forget_producers;
    if (is_known && start.producers != producers.encode()) return "the start has other producers";
    return {};
}

std::string StorageModel::check_end_of_epoch(Epoch epoch, Log::EpochEnd end) const {
    Log::EpochEnd should{Epoch(-1), log_start_};
    for (size_t index = 0; index < starts_.size() && starts_[index].epoch <= epoch; ++index) {
        should = {starts_[index].epoch, index + 1 < starts_.size() ? starts_[index + 1].start : this->end()};
    }
    if (should.end < log_start_) return {};  // it may be forgotten
    if (end.epoch == should.epoch && end.end == should.end) return {};
    return fmt::format("epoch {} ends at {} of {}, not {} of {}", epoch.value, end.end.value, end.epoch.value,
                       should.end.value, should.epoch.value);
}

std::string StorageModel::check_max_timestamp(const std::optional<TimestampOffset>& found) const {
    Timestamp highest(-1);
    for (const ModelBatch& batch : batches_) {
        for (size_t index = 0; index < batch.timestamps.size(); ++index) {
            if (batch.base() + static_cast<int64_t>(index) >= log_start_) {
                highest = std::max(highest, batch.timestamps[index]);
            }
        }
    }
    if (highest.milliseconds < 0) return found ? "a highest timestamp in an empty log" : "";
    if (!found) return "no highest timestamp";
    if (found->timestamp != highest) return "another record is later";
    return check_timestamp(found, highest);
}

}  // namespace ironbark::log
