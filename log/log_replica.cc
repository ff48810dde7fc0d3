// A log as a follower has it: its frames, and where they begin and end, are the leader's.

#include <algorithm>

#include "log/graveyard.h"
#include "log/log.h"
#include "log/snapshot.h"
#include "log/unfinished.h"

namespace ironbark::log {

// As far as the history tells. One that was begun may be higher and have lost its place with the records before it.
Epoch Log::last_recorded_epoch() const {
    return epoch_starts_.empty() ? frame_epoch_ : std::max(frame_epoch_, epoch_starts_.back().epoch);
}

Log::EpochEnd Log::end_of_epoch(Epoch epoch) const {
    auto next = std::partition_point(epoch_starts_.begin(), epoch_starts_.end(),
                                     [epoch](const EpochStart& entry) { return entry.epoch <= epoch; });
    if (next == epoch_starts_.begin()) return {Epoch(-1), log_start_};
    return {std::prev(next)->epoch, next == epoch_starts_.end() ? log_end_ : next->start};
}

Task<Result<Appended>> Log::append_replica(record::FrameView frame) {
    const size_t size = frame.bytes.size();
    ASSERT(size == frame.header.length && !frame.header.is_pad() && frame.is_stamped());
    InFlight::Mark operation(operations_);
    if (context_->is_storage_full()) co_return ErrorCode::storage_full;
    std::optional<Units> units;
    if (!append_turn_.is_locked()) units = context_->unwritten.try_take(static_cast<int64_t>(size));
    if (!units) units = co_await reserve_unwritten(static_cast<int64_t>(size));
    if (failure_) co_return ErrorCode::storage_error;
    if (!units || closing_) co_return ErrorCode::closed;
    if (frame.header.base_offset != log_end_) co_return ErrorCode::offset_out_of_range;
    const Epoch epoch = frame.header.leader_epoch;
    if (epoch < last_recorded_epoch()) co_return ErrorCode::fenced_leader_epoch;
    const bool follows = frame.header.chain == chain_ || (frame.header.flags & record::flag_chain_restarts) != 0;
    if (!follows) co_return Error(ErrorCode::corrupt_data, "the frame follows another one than the log ends with");
    ASSERT(no_cut_.is_set());

    copy_to_tail(frame.bytes);
    if (epoch_starts_.empty() || epoch_starts_.back().epoch < epoch) {
        epoch_starts_.push_back({epoch, log_end_});
        epoch_ = std::max(epoch_, epoch);
        epoch_begun_ = false;  // who leads here begins one of its own
        ++epochs_changed_;
    }
    last_append_time_ = std::max(last_append_time_, frame.header.append_time);
    co_return note_appended(frame, *std::move(units));
}

// The steps of a new start, each durable before the next: the producers wait beside the log, under a name of their own;
// the graveyard says what is coming; the marks say where the log starts now, and that its files do not know it yet (a
// crash from here on leaves that to the next start); the files move; the marks say that they have.
class LogRestarter {
  public:
    LogRestarter(LogContext* context, Log* log, const Log::ReplicaStart& start)
        : context_(context),
          log_(*log),
          start_(start),
          place_{start.base, start.base, block_size, start.chain, start.epoch_before} {}

    Task<Result<void>> restart(Producers producers, std::string reason) {
        producers_ = std::move(producers);
        CO_TRY_VOID(co_await log_.ensure_directory());
        std::string waiting = log_.path_of(start_.base, restart_suffix);
        std::vector<uint8_t> snapshot = encode_snapshot(log_.identity_, place_, Timestamp(), producers_.encode());
        CO_TRY_VOID(co_await replace_file(context_->world, std::move(waiting), std::move(snapshot)));
        CO_TRY_VOID(co_await announce_burial(std::move(reason)));
        is_begun_ = true;
        co_await forget_everything();
        log_.unfinished_ = Unfinished::restart;
        CO_TRY_VOID(co_await log_.change_marks());
        CO_TRY_VOID(co_await finish_restart(&context_->world, log_.directory_, place_));
        co_await make_room_in_graveyard(&context_->world, log_.directory_, log_.settings_.graveyard_bytes);
        log_.unfinished_ = Unfinished::nothing;
        CO_TRY_VOID(co_await log_.change_marks());
        log_.checkpoint_when_durable();
        co_return Result<void>();
    }
    // Whether anything that counts has changed.
    bool is_begun() const { return is_begun_; }

  private:
    Task<Result<void>> announce_burial(std::string reason) {
        BuriedRange range;
        for (const auto& segment : log_.segments_) range.segments += segment->allocated > 0 ? 1 : 0;
        if (range.segments == 0) co_return Result<void>();
        range.identity = log_.identity_;
        range.first = std::min(log_.log_start_, log_.log_end_);
        range.end = log_.log_end_;
        range.time = Timestamp(context_->world.executor.wall_milliseconds());
        range.reason = std::move(reason);
        std::vector<BuriedBytes> nothing;
        CO_TRY_VOID(co_await bury(&context_->world, log_.directory_, std::move(range), std::move(nothing),
                                  log_.settings_.graveyard_bytes));
        co_return Result<void>();
    }

    Task<void> forget_everything() {
        std::deque<std::unique_ptr<Segment>> segments = std::move(log_.segments_);
        log_.segments_.clear();
        log_.cursors_.clear();
        change_state();
        for (const auto& segment : segments) {
            if (segment->file) co_await segment->file->close();
        }
    }

    void change_state() {
        const Offset base = start_.base;
        context_->counters.cut_records += static_cast<uint64_t>(std::max<int64_t>(0, log_.log_end_ - log_.log_start_));
        if (base < log_.log_start_) log_.abandoned_end_ = std::max(log_.abandoned_end_, log_.log_start_);
        log_.log_start_ = start_.log_start;
        log_.log_end_ = log_.written_end_ = log_.flush_target_ = base;
        base < log_.durable_end() ? log_.durable_.retreat(base.value) : log_.durable_.advance(base.value);
        log_.note_watermarks(base, base);
        log_.durable_place_ = place_;
        log_.written_place_.reset();
        log_.chain_ = start_.chain;
        log_.frame_epoch_ = start_.epoch_before;
        // Where that epoch began is not known: at the frame before at the latest.
        log_.epoch_starts_.clear();
        const bool is_known = base > Offset() && start_.epoch_before >= Epoch(0);
        if (is_known) log_.epoch_starts_.push_back({start_.epoch_before, base - 1});
        log_.epoch_ = start_.epoch_before;
        log_.epoch_begun_ = false;
        log_.last_append_time_ = Timestamp();
        log_.producers_ = std::move(producers_);
        log_.snapshots_due_.clear();
        log_.snapshots_ = {base};
        log_.checkpoint_ = place_;
    }

    LogContext* context_;
    Log& log_;
    const Log::ReplicaStart& start_;
    Floor place_;
    Producers producers_;
    bool is_begun_ = false;
};

bool Log::is_at(const ReplicaStart& start, const Producers& producers) const {
    return segments_.empty() && log_start_ == start.log_start && log_end_ == start.base && chain_ == start.chain &&
           frame_epoch_ == start.epoch_before && last_recorded_epoch() == start.epoch_before &&
           producers_.encode() == producers.encode();
}

Task<Result<void>> Log::restart(ReplicaStart start, std::string reason) {
    InFlight::Mark operation(operations_);
    if (start.base < Offset() || start.log_start < start.base) {
        co_return Error(ErrorCode::invalid_request, "no log starts there");
    }
    Result<Producers> decoded = start.producers.empty() ? Producers() : Producers::decode(start.producers);
    CO_TRY(Producers producers, std::move(decoded));
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    if (failure_) co_return ErrorCode::storage_error;
    if (is_at(start, producers)) co_return Result<void>();
    CO_TRY_VOID(co_await make_durable(log_end_));
    co_await stand_still();
    LogRestarter restarter(context_, this, start);
    Result<void> done = co_await restarter.restart(std::move(producers), std::move(reason));
    if (!done.ok() && restarter.is_begun()) fail(done.error());
    no_cut_.set();
    co_return done;
}

// Of the frame before the offset.
Epoch Log::epoch_before(Offset offset) const {
    auto after = std::partition_point(epoch_starts_.begin(), epoch_starts_.end(),
                                      [offset](const EpochStart& entry) { return entry.start < offset; });
    if (after != epoch_starts_.begin()) return std::prev(after)->epoch;
    return segments_.empty() ? frame_epoch_ : segments_.front()->head.epoch_before;
}

Task<Result<Log::ReplicaStart>> Log::replica_start() {
    InFlight::Mark operation(operations_);
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    if (failure_) co_return ErrorCode::storage_error;
    const Offset log_start = log_start_;
    if (log_start >= log_end_) {
        co_return ReplicaStart{log_end_, chain_, frame_epoch_, log_start, producers_.encode()};
    }
    CO_TRY(ReadFrames frames, co_await read(log_start, log_end_, 1));
    CO_TRY(record::FrameView first, record::parse_header(frames.slices.front().bytes(), seed_));
    const Offset base = first.header.base_offset;
    while (!checkpoint_idle_.is_set()) co_await checkpoint_idle_.wait();
    CO_TRY(Replay replay, co_await replay_producers(base));
    co_return ReplicaStart{base, first.header.chain, epoch_before(base), log_start, replay.producers.encode()};
}

// The graveyard says what is coming; the files move; then the marks forget them. In any other order a crash could leave
// files without marks, which would look like a log of which nothing is known to be promised.
Task<Result<void>> Log::bury_files(LogContext* context,
                                   PartitionIdentity identity,
                                   std::string reason,
                                   uint64_t graveyard_bytes) {
    World* world = &context->world;
    const std::string directory = context->directory + "/partitions/" + identity.to_string();
    Result<std::vector<std::string>> names = co_await world->disk.list(directory);
    if (!names.ok() && names.error().code != ErrorCode::not_found) co_return names.error();
    if (names.ok()) {
        BuriedRange range;
        range.identity = identity;
        range.time = Timestamp(world->executor.wall_milliseconds());
        range.reason = std::move(reason);
        for (const std::string& name : *names) {
            const std::optional<Offset> base = offset_of_file_name(name, log_suffix);
            if (!base) continue;
            range.first = range.segments == 0 ? *base : std::min(range.first, *base);
            range.end = std::max(range.end, *base);
            ++range.segments;
        }
        std::vector<BuriedBytes> nothing;
        if (range.segments > 0) {
            Result<Timestamp> buried =
                co_await bury(world, directory, std::move(range), std::move(nothing), graveyard_bytes);
            if (!buried.ok()) co_return buried.error();
        }
        Floor nowhere;
        nowhere.offset = Offset(INT64_MAX);  // no snapshot stays
        CO_TRY_VOID(co_await finish_restart(world, directory, nowhere));
        co_await make_room_in_graveyard(world, directory, graveyard_bytes);
    }
    context->marks.remove(identity);
    co_return co_await context->marks.commit();
}

}  // namespace ironbark::log
