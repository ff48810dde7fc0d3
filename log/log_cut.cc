// Removing records from a log's end: a cut, because another epoch starts there.

#include <algorithm>
#include <cstring>

#include "log/graveyard.h"
#include "log/log.h"
#include "log/snapshot.h"

namespace ironbark::log {

// The steps of a cut, each durable before the next: what goes is copied to the graveyard; the marks say that the new
// epoch starts at the cut and lower the floor (from here on recovery takes the old frames for left over); the first
// blocks after it are zeroed; later segments, and what was derived from their frames, are removed. A crash between any
// two leaves either the old log or the new. An error before the marks change leaves the old log as it was.
class LogCutter {
  public:
    LogCutter(LogContext* context, Log* log) : context_(context), log_(*log) {}

    Task<Result<void>> cut(Offset to, Epoch epoch, std::string reason) {
        CO_TRY_VOID(co_await find_place(to));
        if (place_.offset != to) co_return Error(ErrorCode::invalid_request, "a cut is made between batches");
        CO_TRY_VOID(co_await bury_rest(epoch, std::move(reason)));
        is_begun_ = true;
        CO_TRY_VOID(co_await change_marks(epoch));
        CO_TRY_VOID(co_await zero_first_blocks());
        CO_TRY_VOID(co_await remove_later_files());
        co_return co_await change_state(epoch);
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

    Task<Result<void>> bury_rest(Epoch epoch, std::string reason) {
        BuriedRange range;
        range.identity = log_.identity_;
        range.first = place_.offset;
        range.end = log_.log_end_;
        range.epoch = epoch;
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
        co_return co_await bury(&context_->world, log_.directory_, std::move(range), std::move(parts),
                                log_.settings_.graveyard_bytes);
    }

    Task<Result<void>> change_marks(Epoch epoch) {
        Offset to = place_.offset;
        std::erase_if(log_.epoch_starts_, [to](const EpochStart& entry) { return entry.start >= to; });
        log_.epoch_starts_.push_back({epoch, to});
        log_.durable_place_ = {to, base_, round_up(place_.position, block_size), place_.chain, place_.epoch};
        log_.high_watermark_ = std::min(to, log_.high_watermark_);
        log_.durable_watermark_ = std::min(to, log_.durable_watermark_);
        return log_.change_marks();
    }

    // The rest of the block that holds the cut (its beginning is written again as it was) and the block after it.
    Task<Result<void>> zero_first_blocks() {
        uint64_t begin = round_down(place_.position, block_size);
        Segment* segment = log_.segment_at(base_);
        size_t size = static_cast<size_t>(std::min<uint64_t>(2 * block_size, segment->allocated - begin));
        if (size == 0) co_return Result<void>();
        BufferSlice blocks(context_->world.buffers.take(size), 0, size);
        CO_TRY(size_t count, co_await read_fully(*file_, begin, blocks));
        size_t keep = static_cast<size_t>(place_.position - begin);
        if (count < keep) co_return Error(ErrorCode::corrupt_data, "the file ends before the cut");
        std::memset(blocks.data() + keep, 0, size - keep);
        std::vector<BufferSlice> slices;
        slices.push_back(std::move(blocks));
        CO_TRY_VOID(co_await write_fully(*file_, begin, std::move(slices), Sync::no));
        co_return co_await file_->sync();
    }

    // A file that was not there is as good as removed.
    Task<Result<void>> remove(Offset base, const char* suffix) {
        Result<void> removed = co_await context_->world.disk.remove(log_.path_of(base, suffix));
        if (!removed.ok() && removed.error().code == ErrorCode::not_found) co_return Result<void>();
        co_return removed;
    }

    Task<void> forget_last_segment() {
        std::unique_ptr<Segment> segment = std::move(log_.segments_.back());
        log_.segments_.pop_back();
        if (segment->file) co_await segment->file->close();
    }

    Task<Result<void>> remove_later_files() {
        CO_TRY_VOID(co_await remove(base_, index_suffix));
        while (log_.segments_.back()->head.base > base_) {
            const Offset last = log_.segments_.back()->head.base;
            co_await forget_last_segment();
            CO_TRY_VOID(co_await remove(last, index_suffix));
            CO_TRY_VOID(co_await remove(last, log_suffix));
        }
        while (!log_.snapshots_.empty() && log_.snapshots_.back() > place_.offset) {
            CO_TRY_VOID(co_await remove(log_.snapshots_.back(), producers_suffix));
            log_.snapshots_.pop_back();
        }
        co_return co_await context_->world.disk.sync_directory(log_.directory_);
    }

    // What is in memory follows: ends, chain, index, and the producers, replayed up to the cut.
    Task<Result<void>> change_state(Epoch epoch) {
        context_->counters.cut_records += static_cast<uint64_t>(log_.log_end_ - place_.offset);
        end_at_cut();
        Segment& segment = *log_.segments_.back();
        segment.sealed = false;
        segment.end_position = round_up(place_.position, block_size);
        segment.written_position = segment.end_position;
        segment.unsynced_bytes = 0;
        segment.max_append_time = last_time_;
        const Offset to = place_.offset;
        std::erase_if(log_.snapshots_due_, [to](const Log::Snapshot& due) { return due.place.offset > to; });
        log_.checkpoint_ = {};
        log_.written_place_.reset();
        log_.flush_target_ = to;
        log_.chain_ = place_.chain;
        log_.epoch_ = epoch;
        log_.frame_epoch_ = place_.epoch;
        log_.epoch_begun_ = true;
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

Task<Result<void>> Log::cut(Offset to, std::optional<Epoch> next, std::string reason) {
    if (!next) co_return Error(ErrorCode::invalid_request, "a cut cannot leave the epoch open yet");
    const Epoch epoch = *next;
    InFlight::Mark operation(operations_);
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    if (failure_) co_return ErrorCode::storage_error;
    ASSERT(epoch > epoch_);
    if (to < log_start_ || to > log_end_) co_return ErrorCode::offset_out_of_range;
    CO_TRY_VOID(co_await make_durable(log_end_));
    if (to == log_end_) co_return co_await begin_epoch(epoch);
    co_await writer_idle_.wait();
    no_cut_.reset();
    co_await checkpoint_idle_.wait();
    co_await disk_reads_.drained();
    context_->tail_bytes -= tail_.memory_bytes();
    tail_.clear();
    if (holds_tail_) context_->tails.erase(tail_place_);
    holds_tail_ = false;
    LogCutter cutter(context_, this);
    Result<void> done = co_await cutter.cut(to, epoch, std::move(reason));
    if (!done.ok() && cutter.is_begun()) {
        co_await cutter.keep_what_both_have();
        fail(done.error());
    }
    no_cut_.set();
    co_return done;
}

}  // namespace ironbark::log
