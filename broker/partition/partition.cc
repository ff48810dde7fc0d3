#include "broker/partition/partition.h"

#include <algorithm>
#include <fmt/format.h>

#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

constexpr Duration hold_look_interval = 1ms;
constexpr Duration reader_return_time = 10s;  // beyond a poll
constexpr Duration no_room_pause = 1s;  // before a leadership that the disk had no room for is begun again
constexpr Error follows_no_more(ErrorCode::fenced_leader_epoch, "this replica follows in another epoch now");

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
    apply_settings();
}

// Only the leader decides where the log starts.
void Partition::apply_settings() {
    if (log_ == nullptr) return;
    log::LogSettings settings = settings_.log;
    if (!leads()) {
        settings.retention_bytes = -1;
        settings.retention_ms = -1;
    }
    log_->change_settings(settings);
}

// Metadata that was restored from an older copy names an epoch that is over. What is written from now on still gets one
// of its own: the same offset in the same epoch is never two records.
Task<void> Partition::lead(log::Log* log, PartitionRecord record, int32_t min_in_sync) {
    const Epoch epoch = record.leader_epoch;
    // Who led in the epoch before appends nothing in one whose start may not be recorded after all, and what is being
    // taken over from another leader ends first.
    leads_ = false;
    end_leadership();
    epoch_ = epoch;
    std::optional<Units> turn = co_await appending_.lock();
    const Epoch written = std::max(epoch, Epoch(log->last_epoch().value + 1));
    Result<void> begun = co_await log->begin_epoch(written);
    if (!begun.ok() && begun.error().code == ErrorCode::storage_full && !log->has_failed()) {
        wait_for_room(log, epoch);
        co_return;
    }
    lead_again_at_ = Instant();
    if (!begun.ok()) {
        fail(fmt::format("the start of epoch {} could not be recorded: {}", written.value,
                         ironbark::name(begun.error().code)));
        co_return;
    }
    if (state_ == PartitionState::removed || epoch_ != epoch) co_return;
    if (log_ == nullptr) {
        high_watermark_ = std::min(log->high_watermark(), log->log_end());
        durable_watermark_ = std::min(log->durable_watermark(), log->durable_end());
    }
    log_ = log;
    const ReplicaEnds own{log->log_end(), log->durable_end(), log->log_start()};
    leadership_ = std::make_shared<Leadership>(world_.executor, epoch,
                                               ReplicaSet(context_.self, record, min_in_sync, own, high_watermark_,
                                                          durable_watermark_, world_.executor.now()));
    leadership_->take_plans(record, world_.executor.now());
    // Readers wait until it is durable everywhere.
    leadership_->sync_to = own.appended;
    leads_ = true;
    state_ = PartitionState::online;
    apply_settings();
    move_marks();
    notify();
}

// The log is as it was: it can be read, and another leader's can be followed.
void Partition::wait_for_room(log::Log* log, Epoch epoch) {
    lead_again_at_ = world_.executor.now() + no_room_pause;
    if (epoch_ != epoch) return;
    no_room_in_ = epoch;
    follow(log, epoch);
}

void Partition::follow(log::Log* log, Epoch epoch) {
    leads_ = false;
    end_leadership();
    epoch_ = epoch;
    if (state_ == PartitionState::failed || state_ == PartitionState::removed) return;
    if (log_ == nullptr) {
        high_watermark_ = std::min(log->high_watermark(), log->log_end());
        durable_watermark_ = std::min(log->durable_watermark(), log->durable_end());
    }
    log_ = log;
    state_ = PartitionState::online;
    apply_settings();
    notify();
}

void Partition::give_up() {
    given_up_in_ = epoch_;
    if (leads_) follow(log_, epoch_);
}

void Partition::end_leadership() {
    if (leadership_ == nullptr) return;
    leadership_->high.close();
    leadership_->durable.close();
    leadership_.reset();
}

void Partition::take_record(const PartitionRecord& record, int32_t min_in_sync) {
    if (leadership_ == nullptr) return;
    leadership_->take(record, min_in_sync, world_.executor.now());
    if (leadership_->move.is_named()) context_.in_sync_is_due();
    move_marks();
    notify();
}

// More than what was asked to be durable: so whichever levels were asked for, the target has it for good.
std::optional<PlannedMove::Step> Partition::next_move_step() {
    if (leadership_ == nullptr || !leadership_->move.is_named()) return std::nullopt;
    bool has_everything = false;
    if (leadership_->move.stops_appends() && !is_appending_) {
        const Offset end = log_->log_end();
        if (leadership_->sync_to < end) {
            leadership_->sync_to = end;
            move_marks();
            notify();
        }
        has_everything = leadership_->replicas.is_durable_on(leadership_->move.target(), end);
    }
    return leadership_->move.next(has_everything, world_.executor.now());
}

void Partition::replica_matched(const ReplicaLife& who, Offset end) {
    if (leadership_ == nullptr) return;
    leadership_->replicas.matched(who, end, world_.executor.now());
    move_marks();
    notify();
}

void Partition::replica_acknowledged(const ReplicaLife& who, ReplicaEnds ends) {
    if (leadership_ == nullptr) return;
    const Offset high = high_watermark_;
    const Offset durable = durable_watermark_;
    const Offset log_start = leadership_->replicas.log_start_everywhere();
    if (!leadership_->replicas.acknowledged(who, ends, world_.executor.now())) return;
    move_marks();
    const bool has_started = leadership_->replicas.log_start_everywhere() != log_start;
    if (high_watermark_ != high || durable_watermark_ != durable || has_started) notify();
    if (leadership_->move.target() == who.broker || !contains(leadership_->replicas.in_sync(), who.broker)) {
        context_.in_sync_is_due();
    }
}

// ---- as a follower -------------------------------------------------------------------------------------------------

Task<Result<void>> Partition::take_frames(BufferSlice frames, Epoch epoch) {
    Gate::Holder inside = use();
    std::optional<Units> turn = co_await appending_.lock();
    Bytes rest = frames.bytes();
    while (!rest.empty()) {
        if (!follows_in(epoch)) co_return follows_no_more;
        Result<record::FrameView> frame = record::parse_frame(rest, log_->seed());
        if (!frame.ok()) co_return frame.error();
        record::FrameView whole = *frame;
        whole.bytes = rest.first(frame->header.length);
        rest = rest.subspan(frame->header.length);
        Result<log::Appended> appended = co_await log_->append_replica(whole);
        if (!appended.ok()) co_return appended.error();
    }
    notify();
    co_return Result<void>();
}

Task<Result<void>> Partition::cut(Offset to, std::optional<Epoch> next, Epoch epoch, std::string reason) {
    Gate::Holder inside = use();
    std::optional<Units> turn = co_await appending_.lock();
    if (!follows_in(epoch)) co_return follows_no_more;
    Result<void> done = co_await log_->cut(to, next, std::move(reason));
    move_marks();
    notify();
    co_return done;
}

Task<Result<void>> Partition::restart(log::Log::ReplicaStart start, Epoch epoch, std::string reason) {
    Gate::Holder inside = use();
    std::optional<Units> turn = co_await appending_.lock();
    if (!follows_in(epoch)) co_return follows_no_more;
    Result<void> done = co_await log_->restart(std::move(start), std::move(reason));
    move_marks();
    notify();
    co_return done;
}

// Never above what is here, and never back: what was shown once stays shown, as long as it is here.
void Partition::take_watermarks(Offset high, Offset durable, Epoch epoch) {
    if (!follows_in(epoch)) return;
    high_watermark_ = std::min(std::max(high_watermark_, high), log_->log_end());
    durable_watermark_ = std::min(std::max(durable_watermark_, durable), high_watermark_);
    log_->note_watermarks(high_watermark_, durable_watermark_);
    notify();
}

void Partition::fail(std::string detail) {
    state_ = PartitionState::failed;
    detail_ = std::move(detail);
    end_leadership();
    notify();
    context_.in_sync_is_due();
}

Task<void> Partition::remove() {
    state_ = PartitionState::removed;
    end_leadership();
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
    move_marks();
    notify();
}

// The watermarks follow from what all know to have; who waits for them goes on.
void Partition::move_marks() {
    if (leadership_ == nullptr) {
        high_watermark_ = std::min(high_watermark_, log_->log_end());
        durable_watermark_ = std::min(durable_watermark_, log_->log_end());
        log_->note_watermarks(high_watermark_, durable_watermark_);
        return;
    }
    stir();
    ReplicaSet& replicas = leadership_->replicas;
    replicas.own_moved({log_->log_end(), log_->durable_end(), log_->log_start()}, leadership_->sync_to,
                       world_.executor.now());
    high_watermark_ = replicas.high_watermark();
    durable_watermark_ = replicas.durable_watermark();
    log_->note_watermarks(high_watermark_, durable_watermark_);
    leadership_->high.advance(high_watermark_.value);
    leadership_->durable.advance(durable_watermark_.value);
}

Task<void> Partition::hold_appends(std::function<bool()> is_over, Instant deadline) {
    Gate::Holder inside = use();
    std::optional<Units> turn = co_await appending_.lock(deadline);
    while (turn && !is_over() && world_.executor.now() < deadline) {
        co_await sleep_for(world_.executor, hold_look_interval);
    }
}

void Partition::fail_damaged(std::string detail) {
    is_damaged_ = true;
    fail(std::move(detail));
}

uint64_t Partition::watch(std::function<void()> changed) {
    watchers_[++context_.watches_made] = std::move(changed);
    return context_.watches_made;
}

void Partition::notify() {
    stir();
    for (const auto& [number, changed] : watchers_) changed();
}

wire::Visibility Partition::effective(wire::Visibility visibility) const {
    if (visibility != wire::Visibility::topic_default) return visibility;
    return is_durable(settings_.acks_default) ? wire::Visibility::durable : wire::Visibility::replicated;
}

Offset Partition::watermark(wire::Visibility visibility) const {
    return effective(visibility) == wire::Visibility::durable ? durable_watermark() : high_watermark();
}

void Partition::note_reader(wire::Visibility visibility) {
    if (leadership_ == nullptr || effective(visibility) != wire::Visibility::replicated) return;
    leadership_->has_memory_readers_until = world_.executor.now() + reader_return_time;
}

Offset Partition::memory_to() const {
    if (leadership_ == nullptr) return Offset();
    const bool has_readers = world_.executor.now() < leadership_->has_memory_readers_until;
    return has_readers ? log_->log_end() : leadership_->memory_to;
}

Error Partition::check_epoch(int32_t known) const {
    if (state_ == PartitionState::removed) return {ErrorCode::unknown_topic_or_partition, "the topic was deleted"};
    if (state_ == PartitionState::opening)
        return {ErrorCode::not_leader_or_follower, "the partition is being recovered"};
    if (log_ == nullptr) return {ErrorCode::storage_error, "the partition's log could not be opened"};
    if (!leads()) return {ErrorCode::not_leader_or_follower, "this broker does not lead the partition now"};
    if (known >= 0 && known < epoch_.value) return {ErrorCode::fenced_leader_epoch, "there is a newer leader epoch"};
    if (known > epoch_.value) return {ErrorCode::unknown_leader_epoch, "this broker has not heard of that epoch yet"};
    return ErrorCode::none;
}

// The refusal of a request, with the numbers that explain it.
Receipt Partition::refuse(const Error& error) const {
    if (error.code != ErrorCode::not_enough_replicas) return refusal(error, error.text);
    const ReplicaSet& replicas = leadership_->replicas;
    return refusal(error,
                   fmt::format("{} of {} needed replicas are in sync (brokers {}); start the others, or ask for a "
                               "level of the leader alone",
                               replicas.in_sync().size(), replicas.min_in_sync(), list_of(replicas.in_sync())));
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

// What fencing does not protect: levels that this replica alone acknowledges, and the others while it is the in-sync
// set.
bool Partition::needs_lease(wire::AckLevel level) const {
    if (leadership_->replicas.is_alone()) return false;
    return !is_replicated(level) || leadership_->replicas.in_sync().size() == 1;
}

// Why nothing is appended for this level at present.
Error Partition::why_not_now(wire::AckLevel level) const {
    if (Error wrong = check_epoch(-1); wrong.code != ErrorCode::none) return wrong;
    if (leadership_ == nullptr) return {ErrorCode::storage_error, "the partition's log has failed"};
    if (leadership_->move.stops_appends()) {
        return {ErrorCode::not_leader_or_follower, "the leadership is being moved to another broker"};
    }
    if (is_replicated(level) && !leadership_->replicas.has_enough()) {
        return {ErrorCode::not_enough_replicas, "fewer replicas are in sync than the topic's minimum"};
    }
    if (needs_lease(level) && world_.executor.now() >= context_.lease_end()) {
        return {ErrorCode::not_leader_or_follower,
                "this broker is not heard by the controller, and another may lead by now"};
    }
    return ErrorCode::none;
}

Task<Receipt> Partition::append(BufferSlice frames, wire::AckLevel asked, Times times, int32_t gap_from) {
    if (state_ == PartitionState::failed) co_return refusal(ErrorCode::storage_error, detail_);
    Gate::Holder inside = use();
    Receipt receipt;
    receipt.level = effective_level(asked, settings_);
    if (Error wrong = why_not_now(receipt.level); wrong.code != ErrorCode::none) co_return refuse(wrong);
    std::vector<record::FrameView> checked;
    if (Result<void> good = check_frames(frames.bytes(), checked, receipt); !good.ok()) {
        co_return refusal(good.error(), receipt.hint.empty() ? good.error().text : receipt.hint);
    }
    std::optional<Units> turn = co_await appending_.lock(times.deadline);
    if (!turn)
        co_return refusal(ErrorCode::request_timed_out, "the disk does not keep up: too much waits to be written");
    if (Error wrong = why_not_now(receipt.level); wrong.code != ErrorCode::none) co_return refuse(wrong);
    is_appending_ = true;
    co_await append_checked(&checked, gap_from, &receipt);
    is_appending_ = false;
    if (leadership_ != nullptr && leadership_->move.is_named()) context_.in_sync_is_due();
    if (receipt.error.code != ErrorCode::none) co_return receipt;
    receipt.appended_in = epoch_;
    receipt.queued = world_.executor.now() - times.received;
    receipt.log_start = log_->log_start();
    want(receipt);
    co_return receipt;
}

// What the level of the receipt needs is begun, here and on the followers.
void Partition::want(const Receipt& receipt) {
    const Offset end = receipt.last + 1;
    if (is_durable(receipt.level)) log_->want_durable(end);
    if (leadership_ == nullptr || !is_replicated(receipt.level)) return;
    Offset& wanted = is_durable(receipt.level) ? leadership_->sync_to : leadership_->memory_to;
    if (end <= wanted) return;
    wanted = end;
    move_marks();
    notify();
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

// The level of the receipt, and nobody else leads by then.
Task<Result<void>> Partition::reach(std::shared_ptr<Leadership> leadership, const Receipt* receipt, Instant deadline) {
    const int64_t end = (receipt->last + 1).value;
    if (receipt->level == wire::AckLevel::leader_durable) {
        Result<void> durable = co_await log_->reach_durable(receipt->last + 1, deadline);
        if (!durable.ok()) co_return durable.error();
    } else if (is_replicated(receipt->level)) {
        Threshold& mark = receipt->level == wire::AckLevel::isr ? leadership->high : leadership->durable;
        const Wake wake = co_await mark.reach(end, deadline);
        if (wake == Wake::timed_out) co_return Error(ErrorCode::timed_out);
    }
    if (leadership_ != leadership) co_return Error(ErrorCode::not_leader_or_follower);
    if (leadership_ == nullptr) co_return Error(ErrorCode::not_leader_or_follower);
    // Sets may have shrunk meanwhile: what this replica alone has needs the lease.
    const bool may_speak = !needs_lease(receipt->level) || world_.executor.now() < context_.lease_end();
    co_return may_speak ? Result<void>() : Result<void>(Error(ErrorCode::not_leader_or_follower));
}

Task<void> Partition::acknowledge(Receipt* receipt, Instant deadline) {
    if (receipt->error.code != ErrorCode::none) co_return;
    Gate::Holder inside = use();
    std::shared_ptr<Leadership> leadership = leadership_;
    const Instant begun = world_.executor.now();
    Result<void> reached = Error(ErrorCode::not_leader_or_follower);
    if (leadership != nullptr && leadership->epoch == receipt->appended_in) {
        reached = co_await reach(leadership, receipt, deadline);
    }
    const Instant now = world_.executor.now();
    if (is_durable(receipt->level)) {
        const log::RoundTimes& round = log_->last_synced_round();
        const Instant syncing = std::clamp(round.syncing_since, begun, now);
        const Instant synced = std::clamp(syncing + (round.sync > Duration() ? round.sync : round.write), syncing, now);
        receipt->written = syncing - begun;
        receipt->synced = synced - syncing;
        receipt->replicated = now - synced;
    } else {
        receipt->replicated = now - begun;
    }
    if (reached.ok()) {
        receipt->replicas = is_replicated(receipt->level)
                                ? leadership->replicas.holders(receipt->last + 1, is_durable(receipt->level))
                                : BrokerIds{context_.self};
        co_return;
    }
    receipt->outcome = Outcome::unknown;
    switch (reached.error().code) {
        case ErrorCode::timed_out:
            receipt->error = ErrorCode::request_timed_out;
            receipt->hint = fmt::format("the record is in the leader's log, and was not {} in time",
                                        is_replicated(receipt->level) ? "replicated" : "synced");
            break;
        case ErrorCode::not_leader_or_follower:
            receipt->error = state_ == PartitionState::failed ? ErrorCode::storage_error : reached.error().code;
            receipt->hint =
                state_ == PartitionState::failed ? detail_ : "the leadership ended before it was acknowledged";
            break;
        default:
            receipt->error = reached.error();
            receipt->hint = "the log failed or was closed before the record was synced";
            break;
    }
}

}  // namespace ironbark::broker
