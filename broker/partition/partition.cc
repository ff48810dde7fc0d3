#include "broker/partition/partition.h"

#include <algorithm>
#include <fmt/format.h>

namespace ironbark::broker {
namespace {

Receipt refusal(Error error, std::string hint) {
    Receipt receipt;
    receipt.error = error;
    receipt.outcome = Outcome::not_written;
    receipt.hint = std::move(hint);
    return receipt;
}

}  // namespace

const char* name(PartitionState state) {
    switch (state) {
        case PartitionState::opening: return "opening";
        case PartitionState::online: return "online";
        case PartitionState::failed: return "failed";
        case PartitionState::removed: return "removed";
    }
    return "";
}

void Partition::change_settings(TopicSettings settings) {
    settings_ = settings;
    if (log_ != nullptr) log_->change_settings(settings_.log);
}

// Metadata that was restored from an older copy names an epoch that is over. What is written from now on still gets one
// of its own: the same offset in the same epoch is never two records.
Task<void> Partition::lead(log::Log* log, Epoch epoch) {
    const Epoch written = std::max(epoch, Epoch(log->last_epoch().value + 1));
    // Who led in the epoch before appends nothing in one whose start may not be recorded after all.
    leads_ = false;
    Result<void> begun = co_await log->begin_epoch(written);
    if (!begun.ok()) {
        fail(fmt::format("the start of epoch {} could not be recorded: {}", written.value,
                         ironbark::name(begun.error().code)));
        co_return;
    }
    if (state_ == PartitionState::removed) co_return;
    log_ = log;
    log_->change_settings(settings_.log);
    epoch_ = epoch;
    leads_ = true;
    state_ = PartitionState::online;
    note_watermarks();
    notify();
}

void Partition::hold(log::Log* log, Epoch epoch) {
    log_ = log;
    log_->change_settings(settings_.log);
    epoch_ = epoch;
    leads_ = false;
    state_ = PartitionState::online;
    note_watermarks();
    notify();
}

void Partition::resign(Epoch epoch) {
    if (!leads_) return;
    epoch_ = epoch;
    leads_ = false;
    notify();
}

void Partition::fail(std::string detail) {
    state_ = PartitionState::failed;
    detail_ = std::move(detail);
    notify();
}

Task<void> Partition::remove() {
    state_ = PartitionState::removed;
    notify();
    co_await gate_.wait_until_empty();
    log_ = nullptr;
}

void Partition::log_moved() {
    if (log_ == nullptr) return;
    if (log_->has_failed() && state_ == PartitionState::online) {
        const Error& error = *log_->failure();
        fail(fmt::format(
            "writing failed ({}{}); what was acknowledged as durable is on disk; restart the broker when the "
            "disk is well",
            ironbark::name(error.code), error.system_errno == 0 ? "" : fmt::format(", errno {}", error.system_errno)));
        return;
    }
    note_watermarks();
    notify();
}

void Partition::note_watermarks() {
    log_->note_watermarks(high_watermark(), durable_watermark());
}

uint64_t Partition::watch(std::function<void()> changed) {
    watchers_[++watchers_made_] = std::move(changed);
    return watchers_made_;
}

void Partition::notify() {
    for (const auto& [number, changed] : watchers_) changed();
}

Offset Partition::watermark(wire::Visibility visibility) const {
    if (visibility == wire::Visibility::topic_default) {
        visibility = is_durable(settings_.acks_default) ? wire::Visibility::durable : wire::Visibility::replicated;
    }
    return visibility == wire::Visibility::durable ? durable_watermark() : high_watermark();
}

Error Partition::check_epoch(int32_t known) const {
    if (state_ == PartitionState::removed) return {ErrorCode::unknown_topic_or_partition, "the topic was deleted"};
    if (state_ == PartitionState::opening)
        return {ErrorCode::not_leader_or_follower, "the partition is being recovered"};
    if (log_ == nullptr) return {ErrorCode::storage_error, "the partition's log could not be opened"};
    if (!leads_) return {ErrorCode::not_leader_or_follower, "this broker does not lead the partition now"};
    if (known >= 0 && known < epoch_.value) return {ErrorCode::fenced_leader_epoch, "there is a newer leader epoch"};
    if (known > epoch_.value) return {ErrorCode::unknown_leader_epoch, "this broker has not heard of that epoch yet"};
    return ErrorCode::none;
}

Result<void> Partition::check_frames(Bytes frames, std::vector<record::FrameView>& checked, Receipt& receipt) const {
    const Timestamp time_max(world_.executor.wall_milliseconds() + settings_.timestamp_after_max_ms);
    while (!frames.empty()) {
        Result<record::FrameView> frame =
            record::check_produced(frames, log_->seed(), static_cast<size_t>(settings_.batch_bytes_max), time_max);
        if (!frame.ok()) {
            receipt.hint = frame.error().text;
            if (frame.error().code == ErrorCode::message_too_large) {
                receipt.hint += fmt::format("; this topic takes batches of up to {} bytes (max.message.bytes)",
                                            settings_.batch_bytes_max);
            }
            return frame.error();
        }
        checked.push_back(*frame);
        checked.back().bytes = frames.first(frame->header.length);
        frames = frames.subspan(frame->header.length);
    }
    if (checked.empty()) return Error(ErrorCode::invalid_request, "the partition's share of the payload is empty");
    return {};
}

// Whether the batch may not be appended: then the receipt says why.
bool Partition::refuse_sequence(const log::SequenceCheck& check,
                                const record::FrameView& frame,
                                Receipt& receipt) const {
    if (check.code == ErrorCode::none) return false;
    receipt.error = check.code;
    receipt.outcome = check.code == ErrorCode::sequence_expired ? Outcome::written : Outcome::not_written;
    const record::BatchHeader& batch = frame.batch;
    switch (check.code) {
        case ErrorCode::out_of_order_sequence:
            receipt.expected_sequence = check.expected;
            receipt.hint = fmt::format("producer {} sent sequence {}, expected is {}", batch.producer_id.value,
                                       batch.base_sequence, check.expected);
            break;
        case ErrorCode::unknown_producer_id:
            receipt.hint =
                fmt::format("nothing is remembered of producer {}: begin a new producer epoch with sequence 0",
                            batch.producer_id.value);
            break;
        case ErrorCode::invalid_producer_epoch:
            receipt.hint = fmt::format("producer {} has a newer epoch than {}", batch.producer_id.value,
                                       batch.producer_epoch.value);
            break;
        default: receipt.hint = "the batch was written before, too long ago to say where"; break;
    }
    return true;
}

Task<Receipt> Partition::append(BufferSlice frames, wire::AckLevel asked, Times times, int32_t gap_from) {
    if (state_ == PartitionState::failed) co_return refusal(ErrorCode::storage_error, detail_);
    Gate::Holder inside = use();
    if (Error wrong = check_epoch(-1); wrong.code != ErrorCode::none) co_return refusal(wrong, wrong.text);
    Receipt receipt;
    std::vector<record::FrameView> checked;
    if (Result<void> good = check_frames(frames.bytes(), checked, receipt); !good.ok()) {
        co_return refusal(good.error(), receipt.hint.empty() ? good.error().text : receipt.hint);
    }
    std::optional<Units> turn = co_await appending_.lock(times.deadline);
    if (!turn)
        co_return refusal(ErrorCode::request_timed_out, "the disk does not keep up: too much waits to be written");
    if (Error wrong = check_epoch(-1); wrong.code != ErrorCode::none) co_return refusal(wrong, wrong.text);
    receipt.level = effective_level(asked, settings_);
    co_await append_checked(&checked, gap_from, &receipt);
    if (receipt.error.code != ErrorCode::none) co_return receipt;
    receipt.queued = world_.executor.now() - times.received;
    receipt.log_start = log_->log_start();
    if (is_durable(receipt.level)) log_->want_durable(receipt.last + 1);
    co_return receipt;
}

// All frames, or an error in the receipt. What was appended before it stays, and then the outcome is unknown.
Task<void> Partition::append_checked(const std::vector<record::FrameView>* frames, int32_t gap_from, Receipt* receipt) {
    for (const record::FrameView& frame : *frames) {
        // The leadership may have ended while the frame before waited for room.
        if (Error wrong = check_epoch(-1); wrong.code != ErrorCode::none) {
            receipt->error = wrong;
            receipt->outcome = receipt->base.value >= 0 ? Outcome::unknown : Outcome::not_written;
            receipt->hint = wrong.text;
            co_return;
        }
        bool goes_on = co_await append_frame(frame, std::exchange(gap_from, -1), receipt);
        if (goes_on) continue;
        if (receipt->base.value >= 0) receipt->outcome = Outcome::unknown;
        co_return;
    }
}

Task<bool> Partition::append_frame(record::FrameView frame, int32_t gap_from, Receipt* receipt) {
    std::optional<log::RememberedBatch> duplicate;
    int32_t gap = -1;
    if (frame.batch.is_idempotent()) {
        log::SequenceCheck check = log_->producers().check(frame.batch, gap_from);
        if (refuse_sequence(check, frame, *receipt)) co_return false;
        duplicate = check.duplicate;
        gap = check.gap_from;
    }
    if (refuse_split(duplicate ? duplicate->base : log_->log_end(), duplicate.has_value(), *receipt)) co_return false;
    if (receipt->base.value < 0) receipt->gap_from = gap;
    if (duplicate) {
        extend(*duplicate, *receipt);
        receipt->duplicate = true;
        co_return true;
    }
    const Epoch epoch = log_->last_epoch();
    Result<log::Appended> appended =
        co_await log_->append(frame, epoch, Timestamp(world_.executor.wall_milliseconds()));
    if (appended.ok()) {
        extend({0, 0, appended->base, appended->last, epoch, appended->append_time}, *receipt);
        log_moved();
        co_return true;
    }
    const Error error = appended.error();
    receipt->error = error.code == ErrorCode::closed ? Error(ErrorCode::not_leader_or_follower) : error;
    receipt->outcome = Outcome::not_written;
    receipt->hint = error.code == ErrorCode::storage_full
                        ? "the broker's disk has no more than its reserve left: free space, or lower retention"
                        : detail_;
    co_return false;
}

// A receipt has one range and is old or new as a whole. Where that cannot be said of the next batch, the request is
// refused before more is written.
bool Partition::refuse_split(Offset base, bool is_duplicate, Receipt& receipt) const {
    if (receipt.base.value < 0 || (is_duplicate == receipt.duplicate && base == receipt.last + 1)) return false;
    receipt.error = ErrorCode::invalid_request;
    receipt.hint = "some of these batches were written before, apart from the others: send them one at a time";
    return true;
}

void Partition::extend(const log::RememberedBatch& written, Receipt& receipt) const {
    if (receipt.base.value < 0) {
        receipt.base = written.base;
        receipt.leader_epoch = written.leader_epoch;
    }
    receipt.last = written.last;
    receipt.append_time = written.append_time;
}

Task<void> Partition::acknowledge(Receipt* receipt, Instant deadline) {
    if (receipt->error.code != ErrorCode::none || !is_durable(receipt->level)) co_return;
    Gate::Holder inside = use();
    const Instant begun = world_.executor.now();
    Result<void> durable = co_await log_->reach_durable(receipt->last + 1, deadline);
    const Instant now = world_.executor.now();
    const Instant syncing = std::clamp(log_->last_synced_round().syncing_since, begun, now);
    receipt->written = syncing - begun;
    receipt->synced = now - syncing;
    if (durable.ok()) co_return;
    bool too_late = durable.error().code == ErrorCode::timed_out;
    receipt->error = too_late ? Error(ErrorCode::request_timed_out) : durable.error();
    receipt->outcome = Outcome::unknown;
    receipt->hint = too_late ? "the record is in the log, and was not synced in time"
                             : "the log failed or was closed before the record was synced";
}

}  // namespace ironbark::broker
