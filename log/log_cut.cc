// Removing records from a log's end: a cut, because another epoch starts there, or because the leader's log goes on
// otherwise.

#include <algorithm>

#include "log/graveyard.h"
#include "log/log.h"
#include "log/unfinished.h"

namespace ironbark::log {

// The steps of a cut, each durable before the next: what goes is copied to the graveyard; the marks say where the log
// ends now, and that its files do not know it yet (a crash from here on leaves that to the next start); the files are
// cut; the marks say that they are. So nothing that goes can be met again, whatever epoch is written in its place.
class LogCutter {
  public:
    LogCutter(LogContext* context, Log* log) : context_(context), log_(*log) {}

    Task<Result<void>> cut(Offset to, std::optional<Epoch> next, std::string reason) {
        CO_TRY_VOID(co_await find_place(to));
        if (place_.offset != to) co_return Error(ErrorCode::invalid_request, "a cut is made between batches");
        if (next && *next <= place_.epoch) {
            co_return Error(ErrorCode::invalid_request, "the epoch is not higher than that of the record before it");
        }
        CO_TRY_VOID(co_await bury_rest(next, std::move(reason)));
        is_begun_ = true;
        CO_TRY_VOID(co_await promise(next));
        while (log_.segments_.back()->head.base > base_) co_await forget_last_segment();
        CO_TRY_VOID(co_await finish_cut(&context_->world, log_.directory_, log_.durable_place_));
        CO_TRY_VOID(co_await change_state());
        co_return co_await log_.change_marks();
    }
    // Whether anything that counts has changed.
    bool is_begun() const { return is_begun_; }
    // After an error half way it is open which log recovery will find: what both have can still be read.
    Task<void> keep_what_both_have() {
        while (log_.segments_.back()->head.base > base_) co_await forget_last_segment();
        if (log_.log_end_ > place_.offset) end_at_cut();
    }

  private:
    Task<Result<void>> find_place(Offset to) {
        Segment* segment = log_.segment_holding(to);
        if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
        base_ = segment->head.base;
        CO_TRY(file_, co_await log_.open_segment(segment));
        WindowReader reader(*file_, context_->world.buffers, segment->written_position, read_size);
        ScanPlace from{base_, block_size, segment->head.chain_before, segment->head.epoch_before};
        index_.start_at(base_, from.chain);
        last_time_ = segment->head.created;
        ScanVisitor visit = [this](const record::FrameView& frame, uint64_t position) {
            index_.add(frame, position);
            last_time_ = frame.header.append_time;
        };
        CO_TRY(ScanResult found,
               co_await scan_segment(&reader, log_.seed_, from, to, log_.epoch_starts_, std::move(visit)));
        place_ = found.place;
        if (place_.offset >= to) co_return Result<void>();
        co_return log_.corrupt_read(base_, place_.position, "the log breaks off before the cut");
    }

    Task<Result<void>> bury_rest(std::optional<Epoch> next, std::string reason) {
        BuriedRange range;
        range.identity = log_.identity_;
        range.first = place_.offset;
        range.end = log_.log_end_;
        range.epoch = next.value_or(Epoch(-1));
        range.time = Timestamp(context_->world.executor.wall_milliseconds());
        range.reason = std::move(reason);
        std::vector<BuriedBytes> parts;
        std::vector<std::shared_ptr<File>> files;  // kept open while they are copied
        for (size_t index = 0; index < log_.segments_.size(); ++index) {
            Segment& segment = *log_.segments_[index];
            if (segment.head.base < base_ || segment.end <= place_.offset) continue;
            CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&segment));
            uint64_t begin = segment.head.base == base_ ? place_.position : block_size;
            parts.push_back({file.get(), begin, std::max(begin, segment.written_position)});
            files.push_back(std::move(file));
        }
        CO_TRY_VOID(co_await bury(&context_->world, log_.directory_, std::move(range), std::move(parts),
                                  log_.settings_.graveyard_bytes));
        co_return Result<void>();
    }

    Task<Result<void>> promise(std::optional<Epoch> next) {
        const Offset to = place_.offset;
        log_.begin_history_at(to, next, place_.epoch);
        log_.durable_place_ = {to, base_, place_.position, place_.chain, place_.epoch};
        log_.high_watermark_ = std::min(to, log_.high_watermark_);
        log_.durable_watermark_ = std::min(to, log_.durable_watermark_);
        log_.unfinished_ = Unfinished::cut;
        return log_.change_marks();
    }

    Task<void> forget_last_segment() {
        std::unique_ptr<Segment> segment = std::move(log_.segments_.back());
        log_.segments_.pop_back();
        if (segment->file) co_await segment->file->close();
    }

    // What is in memory follows: ends, chain, index, and the producers, replayed up to the cut.
    Task<Result<void>> change_state() {
        context_->counters.cut_records += static_cast<uint64_t>(log_.log_end_ - place_.offset);
        end_at_cut();
        Segment& segment = *log_.segments_.back();
        segment.sealed = false;
        segment.end_position = round_up(place_.position, block_size);
        segment.written_position = segment.allocated = segment.prepared = segment.end_position;
        segment.unsynced_bytes = 0;
        segment.max_append_time = last_time_;
        const Offset to = place_.offset;
        std::erase_if(log_.snapshots_due_, [to](const Log::Snapshot& due) { return due.place.offset > to; });
        std::erase_if(log_.snapshots_, [to](Offset at) { return at > to; });
        log_.checkpoint_ = {};
        log_.written_place_.reset();
        log_.flush_target_ = to;
        log_.chain_ = place_.chain;
        log_.frame_epoch_ = place_.epoch;
        log_.durable_place_.position = segment.end_position;
        log_.unfinished_ = Unfinished::nothing;
        CO_TRY(Log::Replay replay, co_await log_.replay_producers(to));
        log_.producers_ = std::move(replay.producers);
        log_.checkpoint_when_durable();
        co_return Result<void>();
    }

    // Nothing at or beyond the cut can be read any more.
    void end_at_cut() {
        ASSERT(log_.segments_.back()->head.base == base_);
        log_.segments_.back()->end = place_.offset;
        log_.segments_.back()->index = std::move(index_);
        log_.cursors_.clear();
        log_.log_end_ = place_.offset;
        log_.written_end_ = place_.offset;
        log_.durable_.retreat(std::min(log_.durable_.value(), place_.offset.value));
    }

    LogContext* context_;
    Log& log_;
    Offset base_;  // of the segment that holds the cut
    ScanPlace place_;
    SegmentIndex index_;   // of what stays in it
    Timestamp last_time_;  // of the last frame that stays
    std::shared_ptr<File> file_;
    bool is_begun_ = false;
};

// From `to` on the history knows of no epoch but `next`.
void Log::begin_history_at(Offset to, std::optional<Epoch> next, Epoch before) {
    std::erase_if(epoch_starts_, [to](const EpochStart& entry) { return entry.start >= to; });
    if (next) epoch_starts_.push_back({*next, to});
    epoch_ = epoch_starts_.empty() ? before : std::max(before, epoch_starts_.back().epoch);
    epoch_begun_ = next.has_value();
}

// The same where nothing is cut.
Task<Result<void>> Log::change_history(std::optional<Epoch> next) {
    const bool is_same = !next && (epoch_starts_.empty() || epoch_starts_.back().start < log_end_);
    if (is_same && epoch_ == last_recorded_epoch()) co_return Result<void>();
    std::vector<EpochStart> starts = epoch_starts_;
    const Epoch epoch = epoch_;
    const bool was_begun = epoch_begun_;
    begin_history_at(log_end_, next, frame_epoch_);
    if (!directory_exists_) co_return Result<void>();  // the first append says it again
    Result<void> changed = co_await change_marks();
    if (changed.ok()) co_return changed;
    if (changed.error().code == ErrorCode::storage_full) {
        epoch_starts_ = std::move(starts);
        epoch_ = epoch;
        epoch_begun_ = was_begun;
    } else {
        fail(changed.error());
    }
    co_return changed;
}

// Until nothing is written, read from disk or kept in memory, and nothing of it begins before `no_cut_` is set again.
Task<void> Log::stand_still() {
    co_await writer_idle_.wait();
    no_cut_.reset();
    co_await checkpoint_idle_.wait();
    co_await disk_reads_.drained();
    context_->tail_bytes -= tail_.memory_bytes();
    tail_.clear();
    if (holds_tail_) context_->tails.erase(tail_place_);
    holds_tail_ = false;
}

Task<Result<void>> Log::cut(Offset to, std::optional<Epoch> next, std::string reason) {
    InFlight::Mark operation(operations_);
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    if (failure_) co_return ErrorCode::storage_error;
    if (to < std::min(log_start_, log_end_) || to > log_end_) co_return ErrorCode::offset_out_of_range;
    CO_TRY_VOID(co_await make_durable(log_end_));
    if (to == log_end_) {
        if (next && *next <= frame_epoch_) co_return ErrorCode::invalid_request;
        co_return co_await change_history(next);
    }
    co_await stand_still();
    LogCutter cutter(context_, this);
    Result<void> done = co_await cutter.cut(to, next, std::move(reason));
    if (!done.ok() && cutter.is_begun()) {
        co_await cutter.keep_what_both_have();
        fail(done.error());
    }
    no_cut_.set();
    co_return done;
}

}  // namespace ironbark::log
