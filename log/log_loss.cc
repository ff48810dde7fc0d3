// What is given up so that a log opens that would be refused, and only when an operator says so (Log::accept_loss):
//
//   what is wrong                                  | given up, and what goes on
//   no segments, but records were promised         | all of them; the log goes on, empty, where it ended
//   a segment missing, foreign, with a damaged head| everything up to it; the log starts behind it
//   the newest segment's head, or all of them      | everything from there on; the log ends before it
//   the frames break off below a promise, or where | everything behind that place; the log ends there
//     the disk cannot read                         |
//
// One of these at a time, so that nothing is given up that was not named before. What is given up goes to the graveyard
// first, as it lies on the disk. A crash in between leaves a log that is refused again.

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "log/graveyard.h"
#include "log/log_recovery.h"

namespace ironbark::log {

Task<Result<void>> LogOpener::give_up_all(Offset end) {
    report_.given_up = report_.lost;
    accepts_ = false;
    Disk& disk = context_->world.disk;
    CO_TRY_VOID(co_await disk.make_directory(log_.directory_));
    CO_TRY_VOID(co_await disk.sync_directory(directory_of(log_.directory_)));
    log_.directory_exists_ = true;
    log_.log_start_ = end;
    co_return Result<void>();
}

// Which segments are whole and follow each other: the newest such run, or if the newest segment is no part of one, the
// oldest run from the log's start on.
Task<Result<LogOpener::Run>> LogOpener::find_whole_segments() {
    std::vector<std::unique_ptr<Segment>> found;
    for (Offset base : bases_) {
        Result<std::unique_ptr<Segment>> segment = co_await read_head(base);
        const bool is_damaged = !segment.ok() && segment.error().code == ErrorCode::corrupt_data;
        if (!segment.ok() && !is_damaged) co_return segment.error();
        found.push_back(is_damaged ? nullptr : std::move(segment).value());
    }
    auto follows = [&found](size_t index) {
        const bool both = found[index - 1] != nullptr && found[index] != nullptr;
        return both && found[index]->head.previous_base == found[index - 1]->head.base;
    };
    const size_t count = found.size();
    if (found.back() != nullptr) {
        size_t begin = count - 1;
        while (begin > 0 && follows(begin)) --begin;
        co_return Run{begin, count};
    }
    if (found.front() == nullptr || (has_marks_ && bases_.front() > log_.log_start_)) co_return Run{0, 0};
    size_t end = 1;
    while (end < count && follows(end)) ++end;
    co_return Run{0, end};
}

// What the refusal of these segments would cost, and if it is accepted, without the ones that are in the way.
Task<Result<void>> LogOpener::give_up_segments(Error refusal) {
    const std::string problem = report_.problem;
    CO_TRY(Run run, co_await find_whole_segments());
    report_.problem = problem;
    const Offset promised = floor_ ? std::max(floor_->offset, bases_.back()) : bases_.back();
    const bool keeps_newest = run.end == bases_.size();
    LostRange lost{keeps_newest ? log_.log_start_ : bases_[run.end], keeps_newest ? bases_[run.begin] : promised};
    if (run.end == 0) lost.first = has_marks_ ? log_.log_start_ : bases_.front();
    report_.lost = lost;
    if (!accepts_) co_return refusal;
    std::vector<Offset> kept(bases_.begin() + static_cast<std::ptrdiff_t>(run.begin),
                             bases_.begin() + static_cast<std::ptrdiff_t>(run.end));
    std::vector<Offset> gone;
    std::set_difference(bases_.begin(), bases_.end(), kept.begin(), kept.end(), std::back_inserter(gone));
    CO_TRY_VOID(co_await bury_files(lost, gone));
    log_.segments_.clear();
    bases_ = std::move(kept);
    report_.given_up = lost;
    accepts_ = false;
    if (keeps_newest || bases_.empty()) {
        // The marks before the files: a log without files starts where they say.
        CO_TRY_VOID(co_await commit_log_start(lost.end));
    } else {
        floor_.reset();  // where the older ones end, reading them will tell
        CO_TRY_VOID(co_await remove_snapshots_behind(lost.first));
    }
    co_return co_await remove_segments(gone);
}

Task<Result<void>> LogOpener::commit_log_start(Offset start) {
    log_.log_start_ = start;
    has_marks_ = true;
    const PartitionMarks* known = context_->marks.find(log_.identity_);
    PartitionMarks marks = known != nullptr ? *known : PartitionMarks();
    marks.identity = log_.identity_;
    marks.log_start = start;
    context_->marks.set(std::move(marks));
    co_return co_await context_->marks.commit();
}

// Everything behind the place where the good frames end.
Task<Result<void>> LogOpener::give_up_end() {
    report_.given_up = report_.lost;
    accepts_ = false;
    Segment& last = *log_.segments_[last_scanned_];
    const ScanPlace& place = end_.place;
    CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&last));
    std::vector<Offset> later;
    for (size_t index = last_scanned_ + 1; index < log_.segments_.size(); ++index) {
        later.push_back(log_.segments_[index]->head.base);
    }
    std::vector<BuriedBytes> parts;
    parts.push_back({file.get(), place.position, last.allocated, true});
    CO_TRY_VOID(co_await bury_lost(*report_.lost, std::move(parts), later));
    CO_TRY_VOID(co_await remove_snapshots_behind(place.offset));
    log_.segments_.resize(last_scanned_ + 1);
    CO_TRY_VOID(co_await remove_segments(later));
    // Nothing of the earlier bytes is left behind the end, or their promises would be found there again.
    const uint64_t end = round_up(place.position, block_size);
    CO_TRY_VOID(co_await clear_rest_of_block(file.get(), place.position));
    CO_TRY_VOID(co_await file->truncate(end));
    CO_TRY_VOID(co_await file->sync());
    last.allocated = last.written_position = end;
    floor_.reset();
    promised_ = place.offset;
    end_.end = ScanEnd::clean;
    end_.promised = place.offset;
    end_.proven = {last.head.base, block_size, last.head.chain_before, last.head.epoch_before};
    end_unreadable_ = false;
    co_return Result<void>();
}

Task<Result<void>> LogOpener::clear_rest_of_block(File* file, uint64_t position) {
    const size_t keep = static_cast<size_t>(position % block_size);
    if (keep == 0) co_return Result<void>();
    const uint64_t begin = position - keep;
    BufferSlice block(context_->world.buffers.take(block_size), 0, block_size);
    std::memset(block.data(), 0, block_size);
    CO_TRY(size_t count, co_await read_fully(*file, begin, block));
    if (count < keep) co_return Error(ErrorCode::corrupt_data, "the segment has become shorter");
    std::memset(block.data() + keep, 0, block_size - keep);
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(block));
    co_return co_await write_fully(*file, begin, std::move(slices), Sync::no);
}

Task<Result<void>> LogOpener::bury_files(LostRange lost, std::vector<Offset> bases) {
    std::vector<BuriedBytes> none;
    return bury_lost(lost, std::move(none), std::move(bases));
}

// The parts, and behind them these whole segments.
Task<Result<void>> LogOpener::bury_lost(LostRange lost, std::vector<BuriedBytes> parts, std::vector<Offset> bases) {
    BuriedRange range;
    range.identity = log_.identity_;
    range.first = lost.first;
    range.end = lost.end;
    range.epoch = log_.epoch_;
    range.time = Timestamp(context_->world.executor.wall_milliseconds());
    range.reason = "damaged: an operator accepted the loss";
    std::vector<std::unique_ptr<File>> files;
    Result<void> buried;
    for (Offset base : bases) {
        Result<std::unique_ptr<File>> file =
            co_await context_->world.disk.open(log_.path_of(base, log_suffix), OpenMode::read, true);
        if (!file.ok()) buried = file.error();
        if (!file.ok()) break;
        files.push_back(std::move(file).value());
        Result<uint64_t> size = co_await files.back()->size();
        if (!size.ok()) buried = size.error();
        if (size.ok()) parts.push_back({files.back().get(), 0, *size, true});
    }
    if (buried.ok()) {
        Result<Timestamp> done = co_await bury(&context_->world, log_.directory_, std::move(range), std::move(parts),
                                               log_.settings_.graveyard_bytes);
        if (!done.ok()) buried = done.error();
    }
    for (const auto& file : files) co_await file->close();
    if (!buried.ok()) {
        report_.problem =
            fmt::format("{}: the damaged bytes cannot be copied to the graveyard ({}). Nothing was changed.",
                        log_.directory_, name(buried.error().code));
    }
    co_return buried;
}

Task<Result<void>> LogOpener::remove_segments(std::vector<Offset> bases) {
    for (Offset base : bases) {
        CO_TRY_VOID(co_await context_->world.disk.remove(log_.path_of(base, log_suffix)));
    }
    co_return co_await context_->world.disk.sync_directory(log_.directory_);
}

Task<Result<void>> LogOpener::remove_snapshots_behind(Offset end) {
    std::vector<Offset> gone;
    for (Offset at : log_.snapshots_) {
        if (at > end) gone.push_back(at);
    }
    for (Offset at : gone) {
        CO_TRY_VOID(co_await context_->world.disk.remove(log_.path_of(at, producers_suffix)));
        std::erase(log_.snapshots_, at);
    }
    co_return Result<void>();
}

Task<Result<void>> Log::accept_loss(LogContext* context, PartitionIdentity identity, RecoveryReport* report) {
    std::unique_ptr<Log> log(new Log(context, identity, LogSettings()));
    LogOpener opener(context, log.get(), report, true);
    Result<void> opened = co_await opener.open();
    if (opened.ok() && report->given_up) opened = co_await log->change_marks();
    co_await log->close();
    co_return opened;
}

}  // namespace ironbark::log
