#include "tests/log/storage_model.h"

#include <algorithm>
#include <fmt/format.h>

#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

uint64_t payload_of(const record::FrameView& frame) {
    return xxh3(frame.batch_bytes().subspan(record::batch_crc_begin), 0);
}

}  // namespace

Offset StorageModel::lowest_cut_since(uint64_t cuts) const {
    Offset lowest = pending_cut_ ? pending_cut_->to : Offset(INT64_MAX);
    for (size_t index = cuts; index < cut_places_.size(); ++index) lowest = std::min(lowest, cut_places_[index]);
    return lowest;
}

void StorageModel::appended(record::FrameView sent,
                            const Appended& where,
                            Epoch epoch,
                            std::vector<Timestamp> timestamps) {
    ModelBatch batch;
    batch.payload = payload_of(sent);
    sent.header.base_offset = where.base;
    sent.header.leader_epoch = epoch;
    sent.header.append_time = where.append_time;
    sent.bytes = {};
    batch.frame = sent;
    batch.timestamps = std::move(timestamps);
    producers_.apply(batch.frame);
    batches_.push_back(std::move(batch));
}

void StorageModel::cut_begins(Offset to, Epoch epoch) {
    pending_cut_ = Cut{to, epoch};
    epoch_begins(epoch);
    cut_places_.push_back(to);
    ++cuts_;
}

void StorageModel::cut_ended(bool done) {
    if (done) {
        Offset to = pending_cut_->to;
        if (to < end()) std::erase_if(starts_, [to](const EpochStart& entry) { return entry.start >= to; });
        cut_to(to);
        starts_.push_back({pending_cut_->epoch, pending_cut_->to});
    }
    pending_cut_.reset();
}

void StorageModel::cut_to(Offset end) {
    while (!batches_.empty() && batches_.back().base() >= end) batches_.pop_back();
    std::erase_if(starts_, [end](const EpochStart& entry) { return entry.start > end; });
    durable_ = std::min(durable_, end);
    producers_ = Producers();
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
        *wrong = fmt::format("the start of epoch {} at {} is forgotten", epoch.value, should->start.value);
    }
    starts_ = known;
}

std::string StorageModel::check_opened(const Log& log, Excuses excuses) {
    std::string wrong;
    if (pending_cut_) {
        EpochStart begun{pending_cut_->epoch, pending_cut_->to};
        bool done = std::find(log.epoch_starts().begin(), log.epoch_starts().end(), begun) != log.epoch_starts().end();
        if (done && log.log_end() != pending_cut_->to) {
            return fmt::format("the cut to {} is recorded, but the log ends at {}", begun.start.value,
                               log.log_end().value);
        }
        if (pending_cut_->to == log.log_end() && pending_cut_->to < durable_ && !done && !excuses.may_lose_end) {
            return "the log was cut, but the epoch that begins there is not known";
        }
        cut_ended(done);
    }
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
    bool ordered = log.log_start() <= log.durable_end() && log.durable_end() <= log.written_end() &&
                   log.written_end() <= log.log_end();
    if (!ordered) {
        return fmt::format("start {}, durable {}, written {}, end {} are out of order", log.log_start().value,
                           log.durable_end().value, log.written_end().value, log.log_end().value);
    }
    if (log.durable_end() < durable_) return "the durable end went back";
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
