// Opening a log: what the directory holds, and where to start reading. What is read then, and what becomes of it, is in
// log_recovery.cc. The rules for files, each with a test of its own (tests/log/recovery_test.cc):
//
//   what is found                                     | decision
//   no files, nothing promised                        | a new log
//   no segments, but records were promised            | refused: files left as they are
//   no segments and no marks, but a snapshot          | every record was deleted: the log goes on there, and says so
//   a segment missing, foreign or with a damaged head | refused: files left as they are
//   segments that lie before the log's start          | go with the next deletion: one was interrupted
//   newer segments of an epoch that ended before them | removed: a cut was interrupted; its records are buried
//   no marks of the partition                         | every segment is read; the log starts at the first
//   no snapshot, or none that fits                    | every segment is read
//   no index, or one that does not fit                | made anew when it is needed
//   files with unfinished names                       | removed
//   marks that a cut or a new start was not finished  | it is, before anything else (unfinished.h)

#include <algorithm>
#include <fmt/format.h>

#include "log/log_recovery.h"
#include "log/snapshot.h"
#include "log/unfinished.h"

namespace ironbark::log {
namespace {

constexpr int open_attempts_max = 3;  // at a log whose end changes while it is read

}  // namespace

Task<Result<void>> LogOpener::open() {
    const PartitionMarks* marks = context_->marks.find(log_.identity_);
    if (marks != nullptr) take_marks(*marks);
    CO_TRY_VOID(co_await finish_change());
    CO_TRY_VOID(co_await list_files());
    if (bases_.empty()) co_return co_await open_empty();
    Result<void> taken = co_await take_segments();
    if (!taken.ok() && taken.error().code == ErrorCode::corrupt_data && !bases_.empty()) {
        CO_TRY_VOID(co_await give_up_segments(taken.error()));
        if (bases_.empty()) co_return co_await open_empty();
        taken = co_await take_segments();
    }
    CO_TRY_VOID(taken);
    co_await load_snapshot();
    co_await load_index();
    CO_TRY_VOID(co_await scan());
    CO_TRY_VOID(co_await settle());
    co_await tidy();
    co_return Result<void>();
}

Task<Result<void>> LogOpener::take_segments() {
    CO_TRY_VOID(co_await read_heads());
    CO_TRY_VOID(co_await remove_cut_segments());
    co_return check_heads();
}

Error LogOpener::refuse(std::string problem) {
    report_.problem = std::move(problem) +
                      " Restore it from a copy; or, with the broker stopped, accept the loss with "
                      "`ironbark log accept-loss " +
                      log_.directory_ + "`; or delete the topic.";
    return {ErrorCode::corrupt_data, "the log cannot be opened without losing records that were promised"};
}

void LogOpener::take_marks(const PartitionMarks& marks) {
    has_marks_ = true;
    log_.log_start_ = marks.log_start;
    log_.epoch_starts_ = marks.epoch_starts;
    floor_ = marks.floor;
    log_.note_watermarks(marks.high_watermark, marks.durable_watermark);
    log_.abandoned_end_ = marks.abandoned_end;
    if (!marks.epoch_starts.empty()) log_.epoch_ = marks.epoch_starts.back().epoch;
}

// The marks forget it before anything can be appended.
Task<Result<void>> LogOpener::finish_change() {
    const PartitionMarks* known = context_->marks.find(log_.identity_);
    if (known == nullptr || known->unfinished == Unfinished::nothing) co_return Result<void>();
    PartitionMarks marks = *known;
    Result<void> done;
    if (marks.floor && marks.unfinished == Unfinished::cut) {
        done = co_await finish_cut(&context_->world, log_.directory_, *marks.floor);
        marks.floor->position = round_up(marks.floor->position, block_size);
    } else if (marks.floor) {
        done = co_await finish_restart(&context_->world, log_.directory_, *marks.floor);
    }
    floor_ = marks.floor;
    marks.unfinished = Unfinished::nothing;
    if (done.ok()) context_->marks.set(std::move(marks));
    if (done.ok()) done = co_await context_->marks.commit();
    if (!done.ok()) {
        report_.problem = fmt::format("{}: a cut that a crash interrupted cannot be finished: {}.", log_.directory_,
                                      name(done.error().code));
    }
    co_return done;
}

Task<Result<void>> LogOpener::list_files() {
    Result<std::vector<std::string>> names = co_await context_->world.disk.list(log_.directory_);
    if (!names.ok()) {
        if (names.error().code == ErrorCode::not_found) co_return Result<void>();
        report_.problem = fmt::format("{}: cannot be read: {}.", log_.directory_, name(names.error().code));
        co_return names.error();
    }
    log_.directory_exists_ = true;
    for (const std::string& entry : *names) {
        if (std::optional<Offset> base = offset_of_file_name(entry, log_suffix)) bases_.push_back(*base);
        if (std::optional<Offset> base = offset_of_file_name(entry, index_suffix)) indexes_.push_back(*base);
        if (std::optional<Offset> at = offset_of_file_name(entry, producers_suffix)) log_.snapshots_.push_back(*at);
        bool is_unfinished = entry.ends_with(new_suffix) || entry.ends_with(restart_suffix);
        if (is_unfinished) (void)co_await context_->world.disk.remove(log_.directory_ + "/" + entry);
    }
    co_return Result<void>();
}

// Every record was deleted, or there never was one. Offsets are not used twice: without marks the newest snapshot says
// where to go on.
Task<Result<void>> LogOpener::open_empty() {
    if (floor_ && floor_->offset > log_.log_start_) {
        Error refusal = refuse(fmt::format("{}: no segment files, but records {} to {} were promised.", log_.directory_,
                                           log_.log_start_.value, floor_->offset.value - 1));
        report_.lost = LostRange{log_.log_start_, floor_->offset};
        if (!accepts_) co_return refusal;
        CO_TRY_VOID(co_await give_up_all(floor_->offset));
    }
    std::optional<ProducersSnapshot> snapshot = co_await newest_snapshot();
    if (!has_marks_ && snapshot) {
        floor_ = snapshot->place;
        log_.log_start_ = floor_->offset;
        report_.problem = fmt::format("{}: no segment files and no marks: the log goes on with record {}.",
                                      log_.directory_, floor_->offset.value);
    }
    if (floor_) {
        log_.durable_place_ = *floor_;
        log_.chain_ = floor_->chain;
        log_.epoch_ = std::max(log_.epoch_, floor_->epoch);
        log_.frame_epoch_ = floor_->epoch;
        bool fits = snapshot && snapshot->place.offset == floor_->offset && snapshot->place.chain == floor_->chain;
        if (fits) take_snapshot(*std::move(snapshot));
    }
    // Where a log is to start anew, its first frame begins at the floor, or before the log's start.
    bool starts_anew = floor_ && floor_->segment_base == floor_->offset && floor_->position == block_size;
    set_end(starts_anew ? std::min(floor_->offset, log_.log_start_) : log_.log_start_);
    co_return Result<void>();
}

Task<std::optional<ProducersSnapshot>> LogOpener::newest_snapshot() {
    for (auto at = log_.snapshots_.rbegin(); at != log_.snapshots_.rend(); ++at) {
        Result<ProducersSnapshot> snapshot =
            co_await read_snapshot(&context_->world, log_.path_of(*at, producers_suffix), log_.identity_);
        if (snapshot.ok() && snapshot->place.offset == *at) co_return *std::move(snapshot);
    }
    co_return std::nullopt;
}

void LogOpener::take_snapshot(ProducersSnapshot snapshot) {
    log_.producers_ = std::move(snapshot.producers);
    log_.last_append_time_ = std::max(log_.last_append_time_, snapshot.last_append_time);
    log_.checkpoint_ = snapshot.place;
}

Task<Result<void>> LogOpener::read_heads() {
    log_.segments_.clear();
    for (size_t index = 0; index < bases_.size(); ++index) {
        CO_TRY(std::unique_ptr<Segment> segment, co_await read_head(bases_[index]));
        log_.segments_.push_back(std::move(segment));
    }
    for (size_t index = 0; index + 1 < log_.segments_.size(); ++index) {
        log_.segments_[index]->end = log_.segments_[index + 1]->head.base;
        log_.segments_[index]->max_append_time = log_.segments_[index + 1]->head.created;
    }
    log_.last_append_time_ = log_.segments_.back()->head.created;
    co_return Result<void>();
}

Task<Result<std::unique_ptr<Segment>>> LogOpener::read_head(Offset base) {
    const std::string path = log_.path_of(base, log_suffix);
    Result<std::unique_ptr<File>> file = co_await context_->world.disk.open(path, OpenMode::read_write, true);
    if (!file.ok()) {
        report_.problem = fmt::format("{}: cannot be opened: {}.", path, name(file.error().code));
        co_return file.error();
    }
    BufferSlice block(context_->world.buffers.take(block_size), 0, block_size);
    Result<size_t> count = co_await read_fully(**file, 0, block);
    Result<uint64_t> size = co_await (*file)->size();
    co_await (*file)->close();
    CO_TRY(uint64_t allocated, std::move(size));
    if (!count.ok()) co_return refuse(fmt::format("{}: its first block cannot be read.", path));
    Result<SegmentHead> head = decode_head(block.bytes().first(*count), log_.identity_, base);
    if (!head.ok()) co_return refuse(fmt::format("{}: {}.", path, head.error().text));
    auto segment = std::make_unique<Segment>();
    segment->head = *head;
    segment->end = base;
    segment->allocated = round_down(allocated, block_size);  // somebody may have shortened it
    segment->end_position = segment->allocated;
    segment->written_position = segment->allocated;
    segment->sealed = true;
    segment->index.start_at(base, head->chain_before);
    co_return std::move(segment);
}

// Their epoch ended before they begin.
Task<Result<void>> LogOpener::remove_cut_segments() {
    size_t kept = log_.segments_.size();
    for (; kept > 0; --kept) {
        const SegmentHead& head = log_.segments_[kept - 1]->head;
        if (head.base <= epoch_limit(log_.epoch_starts_, head.epoch_before)) break;
    }
    if (kept == 0) {
        co_return refuse(fmt::format("{}: every segment begins in an epoch that had ended.", log_.directory_));
    }
    while (log_.segments_.size() > kept) {
        const Offset base = log_.segments_.back()->head.base;
        CO_TRY_VOID(co_await context_->world.disk.remove(log_.path_of(base, log_suffix)));
        log_.segments_.pop_back();
        bases_.pop_back();
    }
    co_return Result<void>();
}

Result<void> LogOpener::check_heads() {
    const Offset first = log_.segments_.front()->head.base;
    if (!has_marks_) log_.log_start_ = first;
    if (first > log_.log_start_) {
        return refuse(fmt::format("{}: the segment that holds record {} is missing; the first one starts at {}.",
                                  log_.directory_, log_.log_start_.value, first.value));
    }
    for (size_t index = 1; index < log_.segments_.size(); ++index) {
        const SegmentHead& head = log_.segments_[index]->head;
        if (head.previous_base == log_.segments_[index - 1]->head.base) continue;
        return refuse(fmt::format("{}: the segment {} is missing.", log_.directory_,
                                  segment_file_name(head.previous_base, log_suffix)));
    }
    return {};
}

// The newest snapshot whose place is still part of this log tells where to start, and is itself a promise.
Task<void> LogOpener::load_snapshot() {
    const SegmentHead& first = log_.segments_.front()->head;
    start_ = {first.base, first.base, block_size, first.chain_before, first.epoch_before};
    std::vector<Offset> usable;
    for (Offset at : log_.snapshots_) {
        Result<ProducersSnapshot> snapshot =
            co_await read_snapshot(&context_->world, log_.path_of(at, producers_suffix), log_.identity_);
        if (!snapshot.ok() && snapshot.error().code == ErrorCode::corrupt_data) useless_.push_back(at);
        if (!snapshot.ok() || snapshot->place.offset != at) continue;
        const Floor& place = snapshot->place;
        if (place.offset > epoch_limit(log_.epoch_starts_, place.epoch)) {
            useless_.push_back(at);  // cut since
            continue;
        }
        promised_ = std::max(promised_, place.offset);
        usable.push_back(at);
        std::optional<Floor> start = log_.place_to_start(place);
        if (!start || (!has_marks_ && start->position != block_size)) continue;
        start_ = *start;
        take_snapshot(*std::move(snapshot));
    }
    log_.snapshots_ = std::move(usable);
}

// The index that was written with the snapshot. Another one would have to be made anew: later, if somebody asks.
Task<void> LogOpener::load_index() {
    Segment& segment = *log_.segment_at(start_.segment_base);
    Result<std::vector<uint8_t>> bytes =
        co_await read_file(context_->world, log_.path_of(start_.segment_base, index_suffix), index_file_size_max);
    if (!bytes.ok()) co_return;
    Result<SegmentIndex> index = SegmentIndex::decode(*bytes, log_.identity_, start_.segment_base);
    if (!index.ok() || index->covered_until() != start_.offset || index->chain() != start_.chain) co_return;
    segment.index = *std::move(index);
}

// Removes what belongs to no segment any more. Nobody reads it, so an error does no harm.
Task<void> LogOpener::tidy() {
    for (Offset base : indexes_) {
        if (log_.segment_at(base) != nullptr) continue;
        (void)co_await context_->world.disk.remove(log_.path_of(base, index_suffix));
    }
    for (Offset at : useless_) (void)co_await context_->world.disk.remove(log_.path_of(at, producers_suffix));
    co_await log_.remove_old_snapshots();
    log_.checkpoint_when_durable();
}

Task<Result<std::unique_ptr<Log>>> Log::open(LogContext* context,
                                             PartitionIdentity identity,
                                             LogSettings settings,
                                             RecoveryReport* report) {
    for (int attempts_left = open_attempts_max;;) {
        std::unique_ptr<Log> log(new Log(context, identity, settings));
        LogOpener opener(context, log.get(), report);
        Result<void> opened = co_await opener.open();
        if (opened.ok()) co_return std::move(log);
        co_await log->close();
        if (!opener.has_changed() || --attempts_left == 0) co_return opened.error();
        *report = RecoveryReport();
    }
}

}  // namespace ironbark::log
