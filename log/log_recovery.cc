// Where a log ends, and what is done about what stands behind that end. Each rule has a test of its own
// (tests/log/recovery_test.cc):
//
//   the frames end (see scan.h)                       | decision
//   below the durable floor, a checkpoint, the start  | refused: records that were promised are missing
//     of a later segment, or a promise found behind   |
//   where the disk cannot read                        | refused: a crash does not do that
//   clean, or left over                               | the log ends there
//   torn                                              | the log ends there; good records behind go to the graveyard
//
// What is kept is on disk before anybody is told of it. What no later promise covers is written again first: a sync of
// the process before may have failed, and then what we read may be in a cache that has forgotten to keep it. If it is
// gone before we have written it, it was promised to nobody: the log is opened once more, and ends before it.

#include "log/log_recovery.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>

#include "log/graveyard.h"

namespace ironbark::log {

Task<Result<void>> LogOpener::scan() {
    end_.place = {start_.offset, start_.position, start_.chain, start_.epoch};
    if (floor_) promised_ = std::max(promised_, floor_->offset);
    for (size_t index = 0; index < log_.segments_.size(); ++index) {
        Segment* segment = log_.segments_[index].get();
        if (segment->head.base < start_.segment_base) continue;
        bool is_last = index + 1 == log_.segments_.size();
        Offset limit = is_last ? Offset(INT64_MAX) : log_.segments_[index + 1]->head.base;
        last_scanned_ = index;
        CO_TRY_VOID(co_await scan_one(segment, limit));
        if (is_last || end_.place.offset < limit) co_return Result<void>();
        // A checkpoint belongs at each boundary; the crash may have come before it was written.
        const ScanPlace& place = end_.place;
        const std::vector<Offset>& known = log_.snapshots_;
        bool is_known = std::find(known.begin(), known.end(), place.offset) != known.end();
        if (!is_known) log_.take_snapshot({place.offset, segment->head.base, place.position, place.chain, place.epoch});
        // In the next file the frames start behind its head.
        end_.place.position = block_size;
    }
    co_return Result<void>();
}

Task<Result<void>> LogOpener::scan_one(Segment* segment, Offset limit) {
    CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(segment));
    WindowReader reader(*file, context_->world.buffers, segment->written_position, read_size);
    ScanVisitor visit = [this, segment](const record::FrameView& frame, uint64_t position) {
        note_frame(*segment, frame, position);
    };
    const uint64_t begin = end_.place.position;
    CO_TRY(end_, co_await scan_segment(&reader, log_.seed_, end_.place, limit, log_.epoch_starts_, std::move(visit)));
    report_.frames_scanned += end_.frames;
    report_.bytes_scanned += end_.place.position - begin;
    segment->end = end_.place.offset;
    end_unreadable_ = reader.was_unreadable(end_.place.position, end_.place.position + round_size_max);
    co_return Result<void>();
}

void LogOpener::note_frame(Segment& segment, const record::FrameView& frame, uint64_t position) {
    segment.index.add(frame, position);
    segment.max_append_time = frame.header.append_time;
    log_.producers_.apply(frame);
    log_.last_append_time_ = std::max(log_.last_append_time_, frame.header.append_time);
    // Epochs whose beginning was lost with the marks, or not in them yet.
    Epoch epoch = frame.header.leader_epoch;
    if (log_.epoch_starts_.empty() || log_.epoch_starts_.back().epoch < epoch) {
        log_.epoch_starts_.push_back({epoch, frame.header.base_offset});
        ++log_.epochs_changed_;
    }
}

// The log ends at end_.place, in the segment last_scanned_: is that all right?
Task<Result<Beyond>> LogOpener::look_behind_end() {
    Segment& last = *log_.segments_[last_scanned_];
    const ScanPlace& place = end_.place;
    // A segment is only started when everything before it has been synced.
    if (last_scanned_ + 1 < log_.segments_.size()) {
        promised_ = std::max(promised_, log_.segments_[last_scanned_ + 1]->head.base);
    }
    promised_ = std::max(promised_, end_.promised);
    if (place.offset < promised_) co_return refuse_damaged(last, promised_);
    // A torn block can be read. The round that a crash interrupted is where it would be.
    if (end_unreadable_) co_return refuse_unreadable(last);
    CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&last));
    WindowReader reader(*file, context_->world.buffers, last.written_position, read_size);
    bool at_floor = floor_ && floor_->offset == place.offset;
    CO_TRY(Beyond beyond, co_await look_beyond(&reader, log_.seed_, place, log_.epoch_starts_,
                                               at_floor ? look_beyond_floor_bytes : unsynced_bytes_max));
    if (place.offset < beyond.promised) co_return refuse_damaged(last, beyond.promised);
    co_return beyond;
}

// What is to be done about it.
Task<Result<void>> LogOpener::settle() {
    Result<Beyond> looked = co_await look_behind_end();
    if (!looked.ok() && report_.lost && accepts_) {
        CO_TRY_VOID(co_await give_up_end());
        looked = Beyond();
    }
    CO_TRY(Beyond beyond, std::move(looked));
    Segment& last = *log_.segments_[last_scanned_];
    const ScanPlace& place = end_.place;
    CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&last));
    report_.end = end_.end;
    if (end_.end == ScanEnd::torn) ++context_->counters.torn_recoveries;
    if (beyond.stray_records > 0) CO_TRY_VOID(co_await bury_strays(file.get(), beyond));
    ScanPlace proven = end_.proven;
    const bool floor_is_here = floor_ && floor_->segment_base == last.head.base && floor_->offset <= place.offset;
    if (floor_is_here && floor_->position > proven.position) {
        proven = {floor_->offset, floor_->position, floor_->chain, floor_->epoch};
    }
    CO_TRY_VOID(co_await write_again(file.get(), proven.position, place.position));
    CO_TRY_VOID(co_await file->sync());
    CO_TRY_VOID(co_await read_again(file.get(), proven));
    last.sealed = false;
    last.max_append_time = log_.last_append_time_;
    last.end = place.offset;
    last.end_position = round_up(place.position, block_size);
    last.written_position = last.end_position;
    log_.chain_ = place.chain;
    log_.epoch_ = std::max(log_.epoch_, place.epoch);
    log_.frame_epoch_ = place.epoch;
    log_.durable_place_ = {place.offset, last.head.base, last.end_position, place.chain, place.epoch};
    set_end(place.offset);
    co_return Result<void>();
}

Error LogOpener::refuse_damaged(const Segment& last, Offset promised) {
    report_.end = ScanEnd::damaged;
    report_.lost = LostRange{end_.place.offset, promised};
    return refuse(fmt::format(
        "{} at byte {}: record {} is missing or damaged, and records up to {} were promised to be on disk.",
        log_.path_of(last.head.base, log_suffix), end_.place.position, end_.place.offset.value, promised.value - 1));
}

Error LogOpener::refuse_unreadable(const Segment& last) {
    report_.lost = LostRange{end_.place.offset, end_.place.offset};  // how many, nobody knows
    return refuse(fmt::format("{} at byte {}: the disk cannot read what stands behind record {}. Try again.",
                              log_.path_of(last.head.base, log_suffix), end_.place.position,
                              end_.place.offset.value - 1));
}

Task<Result<void>> LogOpener::bury_strays(File* file, const Beyond& beyond) {
    BuriedRange range;
    range.identity = log_.identity_;
    range.first = end_.place.offset;
    range.end = end_.place.offset + static_cast<int64_t>(beyond.stray_records);
    range.epoch = log_.epoch_;
    range.time = Timestamp(context_->world.executor.wall_milliseconds());
    range.reason = "torn by a crash: these records were never synced";
    std::vector<BuriedBytes> parts;
    parts.push_back({file, end_.place.position, beyond.stray_end});
    Result<Timestamp> buried = co_await bury(&context_->world, log_.directory_, std::move(range), std::move(parts),
                                             log_.settings_.graveyard_bytes);
    if (buried.ok()) report_.records_buried = beyond.stray_records;
    if (buried.ok()) co_return Result<void>();
    if (buried.error().code != ErrorCode::storage_full) co_return buried.error();
    // A full disk must not keep the log from opening: nobody was promised these records.
    report_.problem = fmt::format("{}: {} records that were never synced are lost: the disk is full.", log_.directory_,
                                  beyond.stray_records);
    co_return Result<void>();
}

// Writes the blocks of [begin, end) as they are, and zeros from there to the end of the block: what is left of a torn
// frame there looks like the next one to who reads only headers, as long as its epoch lasts.
Task<Result<void>> LogOpener::write_again(File* file, uint64_t begin, uint64_t end) {
    const uint64_t stop = std::min(round_up(end, block_size), log_.segments_[last_scanned_]->written_position);
    for (uint64_t at = round_down(begin, block_size); at < stop; at += read_size) {
        size_t size = static_cast<size_t>(std::min<uint64_t>(read_size, stop - at));
        BufferSlice bytes(context_->world.buffers.take(size), 0, size);
        CO_TRY(size_t count, co_await read_fully(*file, at, bytes));
        if (count < size) co_return Error(ErrorCode::corrupt_data, "the segment has become shorter");
        const size_t keep = static_cast<size_t>(std::min<uint64_t>(size, end - at));
        std::memset(bytes.data() + keep, 0, size - keep);
        std::vector<BufferSlice> slices;
        slices.push_back(std::move(bytes));
        CO_TRY_VOID(co_await write_fully(*file, at, std::move(slices), Sync::no));
    }
    co_return Result<void>();
}

// The cache may have forgotten between the scan and the write, which then kept nothing but zeros.
Task<Result<void>> LogOpener::read_again(File* file, ScanPlace proven) {
    if (proven.offset == end_.place.offset) co_return Result<void>();
    WindowReader reader(*file, context_->world.buffers, log_.segments_[last_scanned_]->written_position, read_size);
    CO_TRY(ScanResult found,
           co_await scan_segment(&reader, log_.seed_, proven, Offset(INT64_MAX), log_.epoch_starts_, {}));
    has_changed_ = found.place != end_.place;
    if (!has_changed_) co_return Result<void>();
    report_.problem = fmt::format("{}: the disk does not keep what was read from it. Try again.",
                                  log_.path_of(log_.segments_[last_scanned_]->head.base, log_suffix));
    co_return Error(ErrorCode::io_error, "the disk does not keep what was read from it");
}

void LogOpener::set_end(Offset end) {
    // Epochs that had begun behind it have lost their records.
    std::erase_if(log_.epoch_starts_, [end](const EpochStart& entry) { return entry.start > end; });
    log_.forget_epochs();
    log_.durable_place_.offset = end;
    log_.log_end_ = end;
    log_.note_watermarks(std::min(log_.high_watermark_, end), std::min(log_.durable_watermark_, end));
    log_.written_end_ = end;
    log_.durable_.advance(std::max(end.value, log_.durable_.value()));
    log_.flush_target_ = end;
}

}  // namespace ironbark::log
