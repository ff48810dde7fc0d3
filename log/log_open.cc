// Opening a log: what the directory holds, where to start reading, where the log ends, and what to do about what stands
// behind that end. The only code that repairs. The rules, each with a test of its own (tests/log/recovery_test.cc):
//
//   what is found                                     | decision
//   no files, nothing promised                        | a new log
//   a segment missing, foreign or with a damaged head | not opened, files left as they are
//   the scan ends below the durable floor, or below a | not opened: records that were promised are missing
//     promise found behind its end                    |
//   it ends clean or left over                        | the log ends there
//   it ends torn                                      | the log ends there; good records behind go to the graveyard
//   a newer segment that only a cut left behind       | removed: its records are in the graveyard already
//   the head of the newest segment was never written  | the file is removed: nothing was in it

#include <algorithm>
#include <fmt/format.h>

#include "log/graveyard.h"
#include "log/log.h"
#include "log/snapshot.h"

namespace ironbark::log {

namespace {

constexpr size_t snapshot_size_max = size_t{64} << 20;
constexpr const char* new_suffix = ".new";

}  // namespace

class LogOpener {
  public:
    LogOpener(LogContext* context, Log* log, RecoveryReport* report) : context_(context), log_(*log), report_(*report) {}

    Task<Result<void>> open() {
        const PartitionMarks* marks = context_->marks.find(log_.identity_);
        if (marks != nullptr) take_marks(*marks);
        CO_TRY_VOID(co_await list_files());
        if (bases_.empty()) co_return open_empty();
        CO_TRY_VOID(co_await read_heads());
        CO_TRY_VOID(co_await drop_stale_segments());
        if (log_.segments_.empty()) co_return open_empty();
        CO_TRY_VOID(check_heads());
        co_await load_snapshot();
        CO_TRY_VOID(co_await load_index());
        CO_TRY_VOID(co_await scan());
        CO_TRY_VOID(co_await settle());
        co_return Result<void>();
    }

  private:
    Error refuse(std::string problem) {
        report_.problem = std::move(problem);
        return {ErrorCode::corrupt_data, "the log cannot be opened without losing records that were promised"};
    }

    void take_marks(const PartitionMarks& marks) {
        log_.log_start_ = marks.log_start;
        log_.epoch_starts_ = marks.epoch_starts;
        floor_ = marks.floor;
        log_.note_watermarks(marks.high_watermark, marks.durable_watermark);
        if (!marks.epoch_starts.empty()) log_.epoch_ = marks.epoch_starts.back().epoch;
    }

    Task<Result<void>> list_files() {
        Result<std::vector<std::string>> names = co_await context_->world.disk.list(log_.directory_);
        if (!names.ok()) {
            if (names.error().code == ErrorCode::not_found) co_return Result<void>();
            co_return names.error();
        }
        log_.directory_exists_ = true;
        for (const std::string& name : *names) {
            if (std::optional<Offset> base = offset_of_file_name(name, log_suffix)) bases_.push_back(*base);
            if (std::optional<Offset> at = offset_of_file_name(name, producers_suffix)) snapshots_.push_back(*at);
            if (name.ends_with(new_suffix)) (void)co_await context_->world.disk.remove(log_.directory_ + "/" + name);
        }
        co_return Result<void>();
    }

    Result<void> open_empty() {
        if (floor_ && floor_->offset > log_.log_start_) {
            return refuse(fmt::format("{}: no segment files, but records {} to {} were promised. Restore the files from "
                                      "a copy, or delete the topic.",
                                      log_.directory_, log_.log_start_.value, floor_->offset.value - 1));
        }
        if (floor_) {
            log_.durable_place_ = *floor_;
            log_.chain_ = floor_->chain;
            log_.epoch_ = std::max(log_.epoch_, floor_->epoch);
        }
        Offset end = log_.log_start_;
        log_.durable_place_.offset = end;
        set_end(end);
        return {};
    }

    void set_end(Offset end) {
        log_.log_end_ = end;
        log_.note_watermarks(std::min(log_.high_watermark_, end), std::min(log_.durable_watermark_, end));
        log_.written_end_ = end;
        log_.durable_.advance(std::max(end.value, log_.durable_.value()));
        log_.flush_target_ = end;
    }

    Task<Result<void>> read_heads() {
        for (size_t index = 0; index < bases_.size(); ++index) {
            const Offset base = bases_[index];
            std::string path = log_.path_of(base, log_suffix);
            Result<std::unique_ptr<File>> opened = co_await context_->world.disk.open(path, OpenMode::read_write, true);
            if (!opened.ok()) co_return opened.error();
            std::unique_ptr<File> file = std::move(opened).value();
            BufferSlice block(context_->world.buffers.take(block_size), 0, block_size);
            Result<size_t> count = co_await read_fully(*file, 0, block);
            Result<uint64_t> size = co_await file->size();
            co_await file->close();
            if (!size.ok()) co_return size.error();
            Bytes bytes = count.ok() ? block.bytes().first(*count) : Bytes();
            Result<SegmentHead> head = decode_head(bytes, log_.identity_, base);
            if (!head.ok()) {
                co_return refuse(fmt::format("{}: {}. Restore the file from a copy, or delete the topic.", path,
                                             head.error().text));
            }
            auto segment = std::make_unique<Segment>();
            segment->head = *head;
            segment->end = base;
            log_.last_append_time_ = head->created;
            segment->allocated = *size;
            segment->sealed = true;
            log_.segments_.push_back(std::move(segment));
        }
        for (size_t index = 0; index + 1 < log_.segments_.size(); ++index) {
            log_.segments_[index]->end = log_.segments_[index + 1]->head.base;
            log_.segments_[index]->max_append_time = log_.segments_[index + 1]->head.created;
        }
        co_return Result<void>();
    }

    // A cut leaves later segments behind when a crash interrupts it: their records are of an epoch that ended before.
    Task<Result<void>> drop_stale_segments() {
        while (log_.segments_.size() > 1 || !log_.segments_.empty()) {
            const SegmentHead& head = log_.segments_.back()->head;
            bool stale = head.base > epoch_limit(log_.epoch_starts_, head.epoch_before);
            if (!stale) break;
            CO_TRY_VOID(co_await context_->world.disk.remove(log_.path_of(head.base, log_suffix)));
            (void)co_await context_->world.disk.remove(log_.path_of(head.base, index_suffix));
            log_.segments_.pop_back();
        }
        co_return Result<void>();
    }

    Result<void> check_heads() {
        const Offset first = log_.segments_.front()->head.base;
        if (first > log_.log_start_) {
            return refuse(fmt::format("{}: the segment that holds record {} is missing; the first one starts at {}. "
                                      "Restore it from a copy, or accept the loss with `ironbark topic delete-records`.",
                                      log_.directory_, log_.log_start_.value, first.value));
        }
        for (size_t index = 1; index < log_.segments_.size(); ++index) {
            const SegmentHead& head = log_.segments_[index]->head;
            if (head.previous_base == log_.segments_[index - 1]->head.base) continue;
            return refuse(fmt::format("{}: the segment {} is missing. Restore it from a copy, or delete the topic.",
                                      log_.directory_, segment_file_name(head.previous_base, log_suffix)));
        }
        return {};
    }

    // The newest snapshot whose place is still part of this log tells where to start, and is itself a promise.
    Task<void> load_snapshot() {
        const SegmentHead& first = log_.segments_.front()->head;
        start_ = {first.base, block_size, first.chain_before, first.epoch_before};
        for (auto at = snapshots_.rbegin(); at != snapshots_.rend(); ++at) {
            Result<std::vector<uint8_t>> bytes =
                co_await read_file(context_->world, log_.path_of(*at, producers_suffix), snapshot_size_max);
            if (!bytes.ok()) continue;
            Result<ProducersSnapshot> snapshot = decode_snapshot(*bytes, log_.identity_);
            if (!snapshot.ok()) continue;
            const Floor& place = snapshot->place;
            if (place.offset > epoch_limit(log_.epoch_starts_, place.epoch)) continue;  // cut since
            if (!index_of(place.segment_base)) continue;
            start_ = {place.offset, place.position, place.chain, place.epoch};
            start_base_ = place.segment_base;
            log_.producers_ = std::move(snapshot->producers);
            log_.checkpoint_ = place;
            log_.last_append_time_ = snapshot->last_append_time;
            promised_ = place.offset;
            co_return;
        }
    }

    std::optional<size_t> index_of(Offset base) const {
        for (size_t index = 0; index < log_.segments_.size(); ++index) {
            if (log_.segments_[index]->head.base == base) return index;
        }
        return std::nullopt;
    }

    Task<Result<void>> load_index() {
        if (!start_base_) co_return Result<void>();
        Segment& segment = *log_.segments_[*index_of(*start_base_)];
        Result<std::vector<uint8_t>> bytes =
            co_await read_file(context_->world, log_.path_of(*start_base_, index_suffix), snapshot_size_max);
        if (!bytes.ok()) co_return Result<void>();
        Result<SegmentIndex> index = SegmentIndex::decode(*bytes, log_.identity_, *start_base_);
        if (!index.ok() || index->covered_until() < start_.offset) co_return Result<void>();
        segment.index = *std::move(index);
        segment.index.cut(start_.offset);
        co_return Result<void>();
    }

    Task<Result<void>> scan() {
        size_t index = start_base_ ? *index_of(*start_base_) : 0;
        end_.place = start_;
        if (floor_) promised_ = std::max(promised_, floor_->offset);
        for (; index < log_.segments_.size(); ++index) {
            Segment& segment = *log_.segments_[index];
            bool is_last = index + 1 == log_.segments_.size();
            Offset limit = is_last ? Offset(INT64_MAX) : log_.segments_[index + 1]->head.base;
            if (!start_base_ || segment.head.base != *start_base_) segment.index.start_at(segment.head.base);
            CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&segment));
            WindowReader reader(*file, context_->world.buffers, segment.allocated, read_size);
            ScanVisitor visit = [this, &segment](const record::FrameView& frame, uint64_t position) {
                segment.index.add(frame, position);
                segment.max_append_time = frame.header.append_time;
                log_.producers_.apply(frame);
                log_.last_append_time_ = std::max(log_.last_append_time_, frame.header.append_time);
            };
            const uint64_t begin = end_.place.position;
            CO_TRY(end_, co_await scan_segment(&reader, log_.seed_, end_.place, limit, log_.epoch_starts_,
                                               std::move(visit)));
            report_.frames_scanned += end_.frames;
            report_.bytes_scanned += end_.place.position - begin;
            last_scanned_ = index;
            segment.end = end_.place.offset;
            if (end_.place.offset < limit) break;
            // In the next file the frames start behind its head.
            end_.place.position = block_size;
        }
        co_return Result<void>();
    }

    // The log ends at end_.place, in the segment last_scanned_: is that all right, and what is to be done?
    Task<Result<void>> settle() {
        Segment& last = *log_.segments_[last_scanned_];
        const ScanPlace& place = end_.place;
        bool later_segments = last_scanned_ + 1 < log_.segments_.size();
        Offset promised = std::max(promised_, end_.promised);
        // A segment is only started when everything before it has been synced.
        if (later_segments) promised = std::max(promised, log_.segments_[last_scanned_ + 1]->head.base);
        if (place.offset < promised) {
            report_.end = ScanEnd::damaged;
            co_return refuse(fmt::format(
                "{} at byte {}: record {} is missing or damaged, and records up to {} were promised to be on disk. "
                "Restore the file from a copy, or delete the topic.",
                log_.path_of(last.head.base, log_suffix), place.position, place.offset.value, promised.value - 1));
        }
        report_.end = end_.end;
        CO_TRY(std::shared_ptr<File> file, co_await log_.open_segment(&last));
        if (end_.end == ScanEnd::torn) {
            ++context_->counters.torn_recoveries;
            report_.records_buried = end_.stray_records;
        }
        if (end_.stray_end > place.position) CO_TRY_VOID(co_await bury_strays(file.get()));
        // What was found is made durable before anybody is told of it.
        CO_TRY_VOID(co_await file->sync());
        last.sealed = false;
        last.max_append_time = log_.last_append_time_;
        last.end = place.offset;
        last.end_position = round_up(place.position, block_size);
        last.written_position = last.end_position;
        log_.chain_ = place.chain;
        log_.epoch_ = std::max(log_.epoch_, place.epoch);
        std::erase_if(log_.epoch_starts_, [&](const EpochStart& entry) { return entry.start > place.offset; });
        log_.durable_place_ = {place.offset, last.head.base, last.end_position, place.chain, place.epoch};
        set_end(place.offset);
        co_return Result<void>();
    }

    Task<Result<void>> bury_strays(File* file) {
        BuriedRange range;
        range.identity = log_.identity_;
        range.first = end_.place.offset;
        range.end = end_.place.offset + static_cast<int64_t>(end_.stray_records);
        range.epoch = log_.epoch_;
        range.time = Timestamp(context_->world.executor.wall_milliseconds());
        range.reason = "torn by a crash: these records were never synced";
        std::vector<BuriedBytes> parts;
        parts.push_back({file, end_.place.position, end_.stray_end});
        co_return co_await bury(&context_->world, log_.directory_, std::move(range), std::move(parts),
                                log_.settings_.graveyard_bytes);
    }

    LogContext* context_;
    Log& log_;
    RecoveryReport& report_;
    std::optional<Floor> floor_;
    Offset promised_;
    std::vector<Offset> bases_;
    std::vector<Offset> snapshots_;
    std::optional<Offset> start_base_;
    ScanPlace start_;
    ScanResult end_;
    size_t last_scanned_ = 0;
};

Task<Result<std::unique_ptr<Log>>> Log::open(LogContext* context, PartitionIdentity identity, LogSettings settings,
                                             RecoveryReport* report) {
    std::unique_ptr<Log> log(new Log(context, identity, settings));
    LogOpener opener(context, log.get(), report);
    Result<void> opened = co_await opener.open();
    if (!opened.ok()) {
        co_await log->close();
        co_return opened.error();
    }
    co_return std::move(log);
}

}  // namespace ironbark::log
