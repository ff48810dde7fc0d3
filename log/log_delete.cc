// Removing records from a log's beginning, and the whole log.

#include <algorithm>

#include "log/log.h"
#include "log/retention.h"

namespace ironbark::log {

Task<Result<void>> Log::delete_before(Offset to) {
    InFlight::Mark operation(operations_);
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    co_return co_await delete_locked(to);
}

Task<Result<void>> Log::delete_locked(Offset to) {
    if (failure_) co_return ErrorCode::storage_error;
    if (to > std::max(log_start_, log_end_)) co_return ErrorCode::offset_out_of_range;
    const Offset start = std::max(to, log_start_);
    // What the producers sent is remembered longer than the records are. On a full disk room goes first.
    auto staying = std::find_if(segments_.begin(), segments_.end(), [start](const auto& segment) {
        return !segment->sealed || segment->end > start;
    });
    const bool is_removing = staying != segments_.begin();
    const Offset boundary = staying == segments_.end() ? log_end_ : (*staying)->head.base;
    if (is_removing) {
        Result<void> kept = co_await keep_producers(boundary);
        // Of frames that cannot be read any more the log itself still knows.
        if (!kept.ok() && kept.error().code == ErrorCode::corrupt_data) kept = co_await checkpoint_locked();
        if (!kept.ok() && kept.error().code != ErrorCode::storage_full) co_return kept;
    }
    if (to > log_start_) {
        // Records may be deleted before they are durable; the floor may not lie before the log's start.
        CO_TRY_VOID(co_await make_durable(to));
        // Nobody is told of the new start, and nothing is removed, before the marks have it.
        start_to_mark_ = to;
        Result<void> marked = co_await change_marks();
        start_to_mark_.reset();
        if (!marked.ok()) {
            update_marks();  // what a later commit says is the old start
            co_return marked;
        }
        log_start_ = to;
        forget_epochs();
    }
    while (is_removing && !segments_.empty() && segments_.front()->head.base < boundary) {
        CO_TRY_VOID(co_await remove_first_segment());
    }
    checkpoint_when_durable();  // those that found no room
    co_return Result<void>();
}

Task<Result<void>> Log::remove_first_segment() {
    std::unique_ptr<Segment> segment = std::move(segments_.front());
    segments_.pop_front();
    const Offset base = segment->head.base;
    std::erase_if(cursors_, [base](const Cursor& cursor) { return cursor.segment_base == base; });
    if (segment->file) {
        // Reads under way end first: the file may get another life.
        while (segment->file.use_count() > 1) co_await sleep_for(context_->world.executor, 1ms);
        co_await segment->file->close();
    }
    (void)co_await context_->world.disk.remove(path_of(base, index_suffix));
    std::string path = path_of(base, log_suffix);
    bool reusable = segment->allocated == round_up(settings_.segment_bytes, block_size);
    if (reusable) {
        CO_TRY_VOID(co_await context_->pool.put(path, segment->allocated));
    } else {
        CO_TRY_VOID(co_await context_->world.disk.remove(path));
    }
    ++context_->counters.segments_removed;
    co_return Result<void>();
}

Task<Result<int64_t>> Log::apply_retention(Timestamp now) {
    InFlight::Mark operation(operations_);
    std::optional<Units> held = co_await structure_.lock();
    if (!held) co_return ErrorCode::closed;
    if (failure_) co_return ErrorCode::storage_error;
    producers_.expire(Timestamp(now.milliseconds - settings_.producer_expiration_ms));
    std::vector<SegmentFacts> facts;
    for (const auto& segment : segments_) {
        facts.push_back({segment->head.base, segment->end, segment->allocated, segment->max_append_time,
                         segment->sealed});
    }
    RetentionLimits limits{settings_.retention_bytes, settings_.retention_ms};
    RetentionVerdict verdict = decide_retention(facts, limits, now, std::min(high_watermark_, durable_end()));
    if (verdict.roll_active) roll();
    const Offset before = log_start_;
    CO_TRY_VOID(co_await delete_locked(std::max(log_start_, verdict.log_start)));
    co_return log_start_ - before;
}

// Marks go last: files without marks would look like a log that was never deleted from.
Task<Result<void>> Log::remove_files(LogContext* context, PartitionIdentity identity) {
    Disk& disk = context->world.disk;
    const std::string partition = context->directory + "/partitions/" + identity.to_string();
    const std::string graveyard = partition + "/graveyard";
    for (const std::string& directory : {graveyard, partition}) {
        Result<std::vector<std::string>> names = co_await disk.list(directory);
        if (!names.ok() && names.error().code == ErrorCode::not_found) continue;
        if (!names.ok()) co_return names.error();
        for (const std::string& name : *names) {
            if (directory + "/" + name != graveyard) CO_TRY_VOID(co_await disk.remove(directory + "/" + name));
        }
        CO_TRY_VOID(co_await disk.remove_directory(directory));
    }
    CO_TRY_VOID(co_await disk.sync_directory(directory_of(partition)));
    context->marks.remove(identity);
    co_return co_await context->marks.commit();
}

}  // namespace ironbark::log
