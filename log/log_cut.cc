// Removing records from a log: at its end (a cut, because another leader's epoch starts there) and at its beginning.

#include <algorithm>
#include <cstring>

#include "log/graveyard.h"
#include "log/log.h"
#include "log/retention.h"
#include "log/snapshot.h"

namespace ironbark::log {

// The steps of a cut, each durable before the next: what goes is copied to the graveyard; the marks say that the new
// epoch starts at the cut and lower the floor (from here on recovery takes the old frames for left over); the first
// blocks after it are zeroed; later segments are removed. A crash between any two leaves either the old log or the new.
class LogCutter {
  public:
    LogCutter(LogContext* context, Log* log) : context_(context), log_(*log) {}

    Task<Result<void>> cut(Offset to, Epoch epoch, std::string reason) {
        CO_TRY_VOID(co_await find_place(to));
        if (place_.offset != to) co_return Error(ErrorCode::invalid_request, "a cut is made between batches");
        CO_TRY_VOID(co_await bury_rest(epoch, std::move(reason)));
        CO_TRY_VOID(co_await change_marks(epoch));
        CO_TRY_VOID(co_await zero_first_blocks());
        CO_TRY_VOID(co_await remove_later_segments());
        co_return co_await change_state(epoch);
    }

  private:
    Task<Result<void>> find_place(Offset to) {
        Segment* segment = log_.segment_holding(to);
        if (segment == nullptr) co_return ErrorCode::offset_out_of_range;
        base_ = segment->head.base;
        CO_TRY(file_, co_await log_.open_segment(segment));
        WindowReader reader(*file_, context_->world.buffers, segment->allocated, read_size);
        ScanPlace from{base_, block_size, segment->head.chain_before, segment->head.epoch_before};
        CO_TRY(ScanResult found, co_await scan_segment(&reader, log_.seed_, from, to, log_.epoch_starts_, {}));
        place_ = found.place;
        if (place_.offset < to) co_return Error(ErrorCode::corrupt_data, "the log breaks off before the cut");
        co_return Result<void>();
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
            uint64_t end = segment.sealed ? segment.allocated : segment.written_position;
            parts.push_back({file.get(), begin, std::max(begin, end)});
            files.push_back(std::move(file));
        }
        context_->counters.cut_records += static_cast<uint64_t>(log_.log_end_ - place_.offset);
        co_return co_await bury(&context_->world, log_.directory_, std::move(range), std::move(parts),
                                log_.settings_.graveyard_bytes);
    }

    Task<Result<void>> change_marks(Epoch epoch) {
        Offset to = place_.offset;
        std::erase_if(log_.epoch_starts_, [to](const EpochStart& entry) { return entry.start >= to; });
        log_.epoch_starts_.push_back({epoch, to});
        uint64_t next_block = round_up(place_.position, block_size);
        log_.durable_place_ = {to, base_, next_block, place_.chain, place_.epoch};
        PartitionMarks marks;
        marks.identity = log_.identity_;
        marks.log_start = std::min(log_.log_start_, to);
        marks.high_watermark = to;
        marks.durable_watermark = to;
        marks.floor = log_.durable_place_;
        marks.epoch_starts = log_.epoch_starts_;
        if (const PartitionMarks* old = context_->marks.find(log_.identity_)) {
            marks.high_watermark = std::min(to, old->high_watermark);
            marks.durable_watermark = std::min(to, old->durable_watermark);
        }
        context_->marks.set(std::move(marks));
        log_.marked_ = log_.durable_place_;
        co_return co_await context_->marks.commit();
    }

    // The rest of the block that holds the cut (its beginning is written again as it was) and the block after it.
    Task<Result<void>> zero_first_blocks() {
        uint64_t begin = round_down(place_.position, block_size);
        Segment* segment = log_.segment_holding(base_);
        size_t size = static_cast<size_t>(std::min<uint64_t>(2 * block_size, segment->allocated - begin));
        if (size == 0) co_return Result<void>();
        BufferSlice blocks(context_->world.buffers.take(size), 0, size);
        CO_TRY(size_t count, co_await read_fully(*file_, begin, blocks));
        size_t keep = std::min<size_t>(count, static_cast<size_t>(place_.position - begin));
        std::memset(blocks.data() + keep, 0, size - keep);
        std::vector<BufferSlice> slices;
        slices.push_back(std::move(blocks));
        CO_TRY_VOID(co_await write_fully(*file_, begin, std::move(slices), Sync::no));
        co_return co_await file_->sync();
    }

    Task<Result<void>> remove_later_segments() {
        while (log_.segments_.back()->head.base > base_) {
            std::unique_ptr<Segment> segment = std::move(log_.segments_.back());
            log_.segments_.pop_back();
            Offset base = segment->head.base;
            if (segment->file) co_await segment->file->close();
            CO_TRY_VOID(co_await context_->world.disk.remove(log_.path_of(base, log_suffix)));
            (void)co_await context_->world.disk.remove(log_.path_of(base, index_suffix));
        }
        (void)co_await context_->world.disk.remove(log_.path_of(base_, index_suffix));
        co_return co_await context_->world.disk.sync_directory(log_.directory_);
    }

    // What is in memory follows: ends, chain, index, and the producers, replayed up to the cut.
    Task<Result<void>> change_state(Epoch epoch) {
        Segment& segment = *log_.segments_.back();
        segment.sealed = false;
        segment.end = place_.offset;
        segment.end_position = round_up(place_.position, block_size);
        segment.written_position = segment.end_position;
        segment.unsynced_bytes = 0;
        segment.index.cut(place_.offset);
        log_.cursors_.clear();
        log_.snapshot_.reset();
        log_.previous_checkpoint_.reset();
        log_.written_place_.reset();
        log_.log_end_ = place_.offset;
        log_.written_end_ = place_.offset;
        log_.flush_target_ = place_.offset;
        log_.chain_ = place_.chain;
        log_.epoch_ = epoch;
        log_.durable_.retreat(std::min(log_.durable_.value(), place_.offset.value));
        co_return co_await replay_producers();
    }

    Task<Result<void>> replay_producers() {
        Producers producers;
        ScanPlace from{log_.segments_.front()->head.base, block_size, log_.segments_.front()->head.chain_before,
                       log_.segments_.front()->head.epoch_before};
        Offset from_base = log_.segments_.front()->head.base;
        if (log_.checkpoint_.position != 0 && log_.checkpoint_.offset <= place_.offset) {
            std::string path = log_.path_of(log_.checkpoint_.offset, producers_suffix);
            Result<std::vector<uint8_t>> bytes = co_await read_file(context_->world, path, size_t{64} << 20);
            if (bytes.ok()) {
                Result<ProducersSnapshot> snapshot = decode_snapshot(*bytes, log_.identity_);
                if (snapshot.ok()) {
                    const Floor& place = snapshot->place;
                    from = {place.offset, place.position, place.chain, place.epoch};
                    from_base = place.segment_base;
                    producers = std::move(snapshot->producers);
                }
            }
        } else if (log_.checkpoint_.position != 0) {
            (void)co_await context_->world.disk.remove(log_.path_of(log_.checkpoint_.offset, producers_suffix));
            log_.checkpoint_ = {};
        }
        ScanVisitor visit = [&producers](const record::FrameView& frame, uint64_t) { producers.apply(frame); };
        for (size_t index = 0; index < log_.segments_.size(); ++index) {
            Segment& segment = *log_.segments_[index];
            if (segment.head.base < from_base) continue;
            CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&segment));
            WindowReader reader(*file, context_->world.buffers, segment.allocated, read_size);
            Offset limit = std::min(segment.end, place_.offset);
            CO_TRY(ScanResult scanned, co_await scan_segment(&reader, log_.seed_, from, limit, log_.epoch_starts_, visit));
            if (scanned.place.offset < limit) co_return Error(ErrorCode::corrupt_data, "the log breaks off");
            from = scanned.place;
            from.position = block_size;
        }
        log_.producers_ = std::move(producers);
        co_return Result<void>();
    }

    LogContext* context_;
    Log& log_;
    Offset base_;  // of the segment that holds the cut
    ScanPlace place_;
    std::shared_ptr<File> file_;
};

Task<Result<void>> Log::cut(Offset to, Epoch epoch, std::string reason) {
    if (failure_) co_return ErrorCode::storage_error;
    ASSERT(epoch > epoch_);
    if (to < log_start_ || to > log_end_) co_return ErrorCode::offset_out_of_range;
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    flush_target_ = log_end_;
    CO_TRY_VOID(co_await reach_durable(log_end_, never));
    co_await writer_idle_.wait();
    while (checkpoint_running_) co_await sleep_for(context_->world.executor, 1ms);
    if (to == log_end_) co_return co_await begin_epoch(epoch);
    cutting_ = true;
    context_->tail_bytes -= tail_.memory_bytes();
    tail_.clear();
    if (holds_tail_) context_->tails.erase(tail_place_);
    holds_tail_ = false;
    LogCutter cutter(context_, this);
    Result<void> done = co_await cutter.cut(to, epoch, std::move(reason));
    cutting_ = false;
    if (!done.ok() && done.error().code != ErrorCode::invalid_request) fail(done.error());
    co_return done;
}

Task<Result<void>> Log::delete_before(Offset to) {
    if (to > log_end_) co_return ErrorCode::offset_out_of_range;
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    if (to > log_start_) {
        // Records may be deleted before they are durable; the floor may not lie before the log's start.
        if (to > durable_end()) CO_TRY_VOID(co_await reach_durable(to, never));
        log_start_ = std::max(log_start_, to);
        marked_.reset();
        if (update_marks()) CO_TRY_VOID(co_await context_->marks.commit());
    }
    while (!segments_.empty() && segments_.front()->sealed && segments_.front()->end <= log_start_ &&
           segments_.front()->end <= durable_end()) {
        std::unique_ptr<Segment> segment = std::move(segments_.front());
        segments_.pop_front();
        Offset base = segment->head.base;
        std::erase_if(cursors_, [base](const Cursor& cursor) { return cursor.segment_base == base; });
        if (segment->file) {
            // Reads under way end first: the file may get another life.
            while (segment->file.use_count() > 1) co_await sleep_for(context_->world.executor, 1ms);
            co_await segment->file->close();
        }
        (void)co_await context_->world.disk.remove(path_of(base, index_suffix));
        std::string path = path_of(base, log_suffix);
        bool reusable = segment->allocated == round_up(settings_.segment_bytes, block_size);
        Result<void> gone = reusable ? co_await context_->pool.put(path, segment->allocated)
                                     : co_await context_->world.disk.remove(path);
        CO_TRY_VOID(gone);
        ++context_->counters.segments_removed;
    }
    co_return Result<void>();
}

Task<Result<int64_t>> Log::apply_retention(Timestamp now) {
    if (segments_.empty() || failure_) co_return int64_t{0};
    std::vector<SegmentFacts> facts;
    for (const auto& segment : segments_) {
        facts.push_back({segment->head.base, segment->end, segment->allocated, segment->max_append_time,
                         segment->sealed});
    }
    RetentionVerdict verdict =
        decide_retention(facts, {settings_.retention_bytes, settings_.retention_ms}, now, std::min(high_watermark_, durable_end()));
    if (verdict.roll_active) roll();
    if (verdict.log_start <= log_start_) co_return int64_t{0};
    int64_t removed = verdict.log_start - log_start_;
    CO_TRY_VOID(co_await delete_before(verdict.log_start));
    co_return removed;
}

Task<Result<void>> Log::destroy() {
    ASSERT(closing_);
    Disk& disk = context_->world.disk;
    for (std::string directory : {directory_ + "/graveyard", directory_}) {
        Result<std::vector<std::string>> names = co_await disk.list(directory);
        if (!names.ok() && names.error().code == ErrorCode::not_found) continue;
        if (!names.ok()) co_return names.error();
        for (const std::string& name : *names) {
            if (name == "graveyard") continue;
            CO_TRY_VOID(co_await disk.remove(directory + "/" + name));
        }
        CO_TRY_VOID(co_await disk.remove_directory(directory));
    }
    context_->marks.remove(identity_);
    co_return co_await context_->marks.commit();
}

}  // namespace ironbark::log
