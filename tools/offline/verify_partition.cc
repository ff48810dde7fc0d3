#include "tools/offline/verify_partition.h"

#include <algorithm>
#include <fmt/format.h>

#include "log/graveyard.h"
#include "log/snapshot.h"
#include "tools/offline/frame_walk.h"

namespace ironbark::tools {
namespace {

constexpr size_t small_file_size_max = size_t{64} << 20;  // snapshots and indexes are far below
// A daemon that writes while it is read: as long as a second look finds more than the first, it was no damage.
constexpr int looks_max = 8;

bool is_sound(const log::ScanResult& result) {
    return result.end == log::ScanEnd::clean || result.end == log::ScanEnd::left_over;
}

}  // namespace

Task<void> PartitionVerifier::run() {
    summary_.partition = place_.identity.to_string();
    const size_t before = report_.problem_count;
    Expected<PartitionFiles> files = co_await list_files(&world_, place_.path);
    if (files.ok()) {
        files_ = *files;
        for (const std::string& name : files_.others) {
            report_.note(place_.path + "/" + name, std::nullopt,
                         "not a file of a log; left by work that was interrupted?");
        }
        if (marks_ != nullptr) summary_.log_start = marks_->log_start.value;
        if (marks_ != nullptr && marks_->unfinished != log::Unfinished::nothing) {
            report_.note(place_.path, std::nullopt,
                         "a cut or a new start of this log is under way, or was interrupted: then the next start of "
                         "the daemon finishes it; until then nothing can be verified");
            report_.partitions.push_back(std::move(summary_));
            co_return;
        }
        co_await read_heads();
        check_heads();
        add_floor();
        co_await read_snapshots();
        for (size_t index = 0; index < heads_.size(); ++index) {
            SegmentState segment;
            segment.head = heads_[index];
            segment.path = path_of(place_, segment.head.head.base, log::log_suffix);
            segment.next = index + 1 < heads_.size() ? &heads_[index + 1] : nullptr;
            segment.limit = segment.next != nullptr ? segment.next->head.base : Offset(INT64_MAX);
            co_await check_segment(&segment);
        }
        check_end();
        co_await check_graveyard();
    } else {
        report_.problem(place_.path, std::nullopt, files.error().hint);
    }
    summary_.log_end = end_.offset.value;
    summary_.problems = report_.problem_count - before;
    report_.partitions.push_back(std::move(summary_));
}

Task<void> PartitionVerifier::read_heads() {
    for (Offset base : files_.segments) {
        const std::string path = path_of(place_, base, log::log_suffix);
        Expected<SegmentFile> segment = co_await read_segment_head(&world_, path);
        Head head;
        head.head.base = base;
        if (segment.ok() && segment->identity == place_.identity) {
            head.head = segment->head;
        } else if (segment.ok()) {
            report_.problem(path, 0, "the segment belongs to another partition: " + segment->identity.to_string());
            continue;
        } else if (segment.error().code == ErrorCode::not_found) {
            report_.note(path, std::nullopt, "it was removed while this command ran");  // retention goes on beside us
            continue;
        } else {
            report_.problem(path, 0, segment.error().hint);
            head.is_good = false;
        }
        heads_.push_back(head);
    }
    summary_.segments = heads_.size();
}

void PartitionVerifier::check_heads() {
    if (heads_.empty()) return;
    end_.offset = heads_.front().head.base;
    const bool all_listed = heads_.size() == files_.segments.size();
    if (marks_ != nullptr && all_listed && heads_.front().head.base > marks_->log_start) {
        report_.problem(place_.path, std::nullopt,
                        fmt::format("the log starts at offset {}, but the first segment at {}: files are missing",
                                    marks_->log_start.value, heads_.front().head.base.value));
    }
    for (size_t index = 1; index < heads_.size(); ++index) {
        const log::SegmentHead& head = heads_[index].head;
        if (!heads_[index].is_good || head.previous_base == heads_[index - 1].head.base) continue;
        report_.problem(path_of(place_, head.base, log::log_suffix), 0,
                        fmt::format("the segment before it, {}, is missing",
                                    log::segment_file_name(head.previous_base, log::log_suffix)));
        has_holes_ = true;
    }
}

void PartitionVerifier::add_anchor(Offset offset, Anchor anchor) {
    promised_ = std::max(promised_, offset);
    anchors_.emplace(offset, std::move(anchor));
}

void PartitionVerifier::add_floor() {
    if (marks_ == nullptr) return;
    if (marks_->floor)
        add_anchor(marks_->floor->offset, {place_.path, "the durable floor of the marks", marks_->floor->chain});
    // The high watermark is no promise: what was acknowledged without a sync may be lost with the power.
    promised_ = std::max(promised_, marks_->durable_watermark);
}

Task<void> PartitionVerifier::read_snapshots() {
    for (Offset at : files_.snapshots) {
        const std::string path = path_of(place_, at, log::producers_suffix);
        Result<std::vector<uint8_t>> bytes = co_await read_file(world_, path, small_file_size_max);
        if (!bytes.ok() && bytes.error().code == ErrorCode::not_found) continue;  // replaced meanwhile
        if (!bytes.ok()) {
            report_.problem(path, std::nullopt, disk_failure("read", path, bytes.error()).hint);
            continue;
        }
        Result<log::ProducersSnapshot> snapshot = log::decode_snapshot(*bytes, place_.identity);
        if (!snapshot.ok()) {
            report_.problem(path, 0, snapshot.error().text);
            continue;
        }
        const log::Floor& floor = snapshot->place;
        if (floor.offset != at) report_.problem(path, 0, "its name is not the offset that it was made at");
        const std::vector<log::EpochStart>* starts = marks_ != nullptr ? &marks_->epoch_starts : nullptr;
        bool was_cut = starts != nullptr && floor.offset > log::epoch_limit(*starts, floor.epoch);
        bool has_segment = std::any_of(heads_.begin(), heads_.end(),
                                       [&](const Head& head) { return head.head.base == floor.segment_base; });
        if (was_cut || !has_segment) {
            report_.note(path, std::nullopt, "the place it was made at is not part of the log any more");
            continue;
        }
        add_anchor(floor.offset, {path, "the place it was made at", floor.chain});
    }
}

void PartitionVerifier::reach(Offset offset, uint64_t chain, uint64_t position, const std::string& path) {
    auto [from, to] = anchors_.equal_range(offset);
    for (auto entry = from; entry != to; ++entry) {
        Anchor& anchor = entry->second;
        if (!anchor.met && anchor.chain != chain) {
            report_.problem(anchor.file, std::nullopt,
                            fmt::format("{} (offset {}) has another chain value than the log at byte {} of {}",
                                        anchor.what, offset.value, position, path));
        }
        anchor.met = true;
    }
}

void PartitionVerifier::visit(const record::FrameView& frame, uint64_t position, const std::string& path) {
    ++summary_.frames;
    summary_.records += static_cast<uint64_t>(frame.batch.records_count);
    summary_.bytes += frame.header.length;
    if (record::batch_crc(frame.batch_bytes()) != frame.batch.crc) {
        report_.problem(
            path, position,
            fmt::format("the CRC-32C of the batch at offset {} does not match", frame.header.base_offset.value));
    }
    check_hint(frame, position);
    reach(frame.next_offset(), frame.header.checksum, position + frame.header.length, path);
}

Task<Expected<log::ScanResult>> PartitionVerifier::scan_once(const SegmentState* segment, log::ScanPlace from) {
    Result<std::unique_ptr<File>> opened = co_await world_.disk.open(segment->path, OpenMode::read, true);
    if (!opened.ok()) co_return disk_failure("open", segment->path, opened.error());
    std::unique_ptr<File> file = std::move(opened).value();
    Result<uint64_t> size = co_await file->size();
    if (!size.ok()) {
        co_await file->close();
        co_return disk_failure("read", segment->path, size.error());
    }
    std::vector<log::EpochStart> starts;
    if (marks_ != nullptr) starts = marks_->epoch_starts;
    log::WindowReader reader(*file, world_.buffers, *size, log::read_size);
    log::ScanVisitor visitor = [this, segment](const record::FrameView& frame, uint64_t position) {
        visit(frame, position, segment->path);
    };
    Result<log::ScanResult> result =
        co_await log::scan_segment(&reader, seed_, from, segment->limit, starts, std::move(visitor));
    if (result.ok() && segment->next == nullptr) {
        // Behind the end of the log a promise may stand, which says that it is not the end.
        Result<log::Beyond> beyond =
            co_await log::look_beyond(&reader, seed_, result->place, std::move(starts), log::unsynced_bytes_max);
        if (beyond.ok()) result->promised = std::max(result->promised, beyond->promised);
        if (!beyond.ok()) result = beyond.error();
    }
    if (reader.unreadable_blocks() > 0) {
        report_.problem(segment->path, std::nullopt,
                        fmt::format("the disk cannot read {} of its blocks", reader.unreadable_blocks()));
    }
    co_await file->close();
    if (!result.ok()) co_return disk_failure("read", segment->path, result.error());
    co_return *result;
}

// Looks again from where the frames end, as long as there are more of them than at the last look.
Task<Expected<log::ScanResult>> PartitionVerifier::scan(const SegmentState* segment, log::ScanPlace from) {
    Expected<log::ScanResult> result = co_await scan_once(segment, from);
    for (int look = 1; look < looks_max; ++look) {
        if (!result.ok() || segment->next != nullptr) break;
        if (is_sound(*result) && result->promised <= result->place.offset) break;
        const log::ScanPlace place = result->place;
        result = co_await scan_once(segment, place);
        if (result.ok() && result->place.position == place.position) break;
    }
    co_return result;
}

Task<std::string> PartitionVerifier::fault_at(const SegmentState* segment, uint64_t position) {
    Result<std::unique_ptr<File>> opened = co_await world_.disk.open(segment->path, OpenMode::read, true);
    if (!opened.ok()) co_return std::string("the file cannot be opened");
    std::unique_ptr<File> file = std::move(opened).value();
    Result<uint64_t> size = co_await file->size();
    std::string fault = "not the frame that belongs here";
    if (size.ok()) {
        log::WindowReader reader(*file, world_.buffers, *size, log::read_size);
        PieceVisitor first = [&fault](const Piece& piece) {
            if (piece.fault != nullptr) fault = piece.fault;
            if (piece.kind == Piece::Kind::zeros) fault = "there are zeros";
            return false;
        };
        (void)co_await walk_pieces(&reader, seed_, position, std::move(first));
    }
    co_await file->close();
    co_return fault;
}

// Finds the next good frame of this log with an offset from `from` on, behind a damaged place, and takes its word for
// what came before it.
Task<bool> PartitionVerifier::resume_at(const SegmentState* segment, Offset from, log::ScanPlace* place) {
    Result<std::unique_ptr<File>> opened = co_await world_.disk.open(segment->path, OpenMode::read, true);
    if (!opened.ok()) co_return false;
    std::unique_ptr<File> file = std::move(opened).value();
    Result<uint64_t> size = co_await file->size();
    bool found = false;
    if (size.ok()) {
        log::WindowReader reader(*file, world_.buffers, *size, log::read_size);
        const log::ScanPlace damaged = *place;
        PieceVisitor look = [&](const Piece& piece) {
            if (piece.kind != Piece::Kind::frame || piece.fault != nullptr) return true;
            const record::FrameHeader& header = piece.frame.header;
            if (header.base_offset < from || header.base_offset >= segment->limit) return true;
            if (header.leader_epoch < damaged.epoch) return true;
            *place = {header.base_offset, piece.position, header.chain, header.leader_epoch};
            found = true;
            return false;
        };
        (void)co_await walk_pieces(&reader, seed_, damaged.position, std::move(look));
    }
    co_await file->close();
    co_return found;
}

// Where the frames of a segment begin: its head says so. Without the head the first good frame has to be believed.
Task<std::optional<log::ScanPlace>> PartitionVerifier::begin_segment(const SegmentState* segment) {
    const log::SegmentHead& head = segment->head.head;
    log::ScanPlace place{head.base, log::block_size, head.chain_before, head.epoch_before};
    if (!segment->head.is_good) {
        has_holes_ = true;
        bool found = co_await resume_at(segment, head.base, &place);
        if (!found) co_return std::nullopt;
    }
    reach(place.offset, place.chain, place.position, segment->path);
    co_return place;
}

Task<void> PartitionVerifier::check_segment(const SegmentState* segment) {
    co_await load_index(segment->head.head.base);
    std::optional<log::ScanPlace> begin = co_await begin_segment(segment);
    if (!begin) co_return;
    log::ScanPlace place = *begin;
    while (true) {
        Expected<log::ScanResult> scanned = co_await scan(segment, place);
        if (!scanned.ok()) {
            bool is_gone = scanned.error().code == ErrorCode::not_found;
            if (is_gone) report_.note(segment->path, std::nullopt, "it was removed while this command ran");
            if (!is_gone) report_.problem(segment->path, std::nullopt, scanned.error().hint);
            has_holes_ = true;
            co_return;
        }
        place = scanned->place;
        end_ = place;
        promised_ = std::max(promised_, scanned->promised);
        const Offset wanted = segment->next != nullptr ? segment->limit : promised_;
        if (place.offset >= wanted) {
            if (segment->next == nullptr && !is_sound(*scanned)) {
                report_.note(
                    segment->path, place.position,
                    "the log ends torn: what stands behind was never promised, and is dropped at the next start");
            }
            end_segment(segment);
            co_return;
        }
        has_holes_ = true;
        const Offset missing = place.offset;
        const uint64_t position = place.position;
        std::string fault = co_await fault_at(segment, position);
        bool goes_on = co_await resume_at(segment, missing + 1, &place);
        const Offset until = goes_on ? place.offset : wanted;
        report_.problem(
            segment->path, position,
            fmt::format("records {} to {} are missing or damaged: {}", missing.value, until.value - 1, fault));
        if (!goes_on) {
            end_.offset = wanted;
            co_return;
        }
    }
}

// All frames of the segment are there: the next one must go on from the last of them, and the index must be of them.
void PartitionVerifier::end_segment(const SegmentState* segment) {
    if (segment->next != nullptr && segment->next->is_good) {
        const log::SegmentHead& next = segment->next->head;
        if (next.chain_before != end_.chain || next.epoch_before < end_.epoch) {
            report_.problem(path_of(place_, next.base, log::log_suffix), 0,
                            fmt::format("its head does not continue segment {}: chain {:016x} where the last frame has "
                                        "{:016x}",
                                        segment->head.head.base.value, next.chain_before, end_.chain));
        }
    }
    check_index_end(segment);
}

Task<void> PartitionVerifier::load_index(Offset base) {
    index_.reset();
    last_hint_ = log::block_size;
    bool has_file = std::find(files_.indexes.begin(), files_.indexes.end(), base) != files_.indexes.end();
    if (!has_file) co_return;
    const std::string path = path_of(place_, base, log::index_suffix);
    index_path_ = path;
    Result<std::vector<uint8_t>> bytes = co_await read_file(world_, path, small_file_size_max);
    if (!bytes.ok() && bytes.error().code == ErrorCode::not_found) co_return;  // replaced meanwhile
    if (!bytes.ok()) {
        report_.problem(path, std::nullopt, disk_failure("read", path, bytes.error()).hint);
        co_return;
    }
    Result<log::SegmentIndex> index = log::SegmentIndex::decode(*bytes, place_.identity, base);
    if (!index.ok()) {
        report_.problem(path, 0, index.error().text);
        co_return;
    }
    index_ = *index;
}

// An entry changes what the index says for the first frame that it covers: that must be the frame it points to.
void PartitionVerifier::check_hint(const record::FrameView& frame, uint64_t position) {
    if (!index_) return;
    const Offset offset = frame.header.base_offset;
    const log::IndexEntry* entry = index_->entry_before(offset);
    const uint64_t hint = entry == nullptr ? log::block_size : entry->position;
    if (hint != last_hint_ && hint != position && offset < index_->covered_until()) {
        report_.problem(
            index_path_, std::nullopt,
            fmt::format("it names byte {} for offset {}, which stands at byte {}", hint, offset.value, position));
    }
    last_hint_ = hint;
}

void PartitionVerifier::check_index_end(const SegmentState* segment) {
    if (!index_ || index_->covered_until() <= end_.offset) return;
    std::string what = fmt::format("it covers records up to {}, the segment ends before {}",
                                   index_->covered_until().value - 1, end_.offset.value);
    // An index is written beside a log that goes on: after a crash it may know of records that never reached the disk.
    if (segment->next == nullptr) {
        report_.note(index_path_, std::nullopt, what + "; the rest is dropped at the next start");
    } else {
        report_.problem(index_path_, std::nullopt, what);
    }
}

// What somebody names must have been met; behind holes that were reported already nobody can tell.
void PartitionVerifier::check_end() {
    if (heads_.empty()) {
        end_.offset = marks_ != nullptr ? marks_->log_start : Offset();
        if (promised_ > end_.offset) {
            report_.problem(
                place_.path, std::nullopt,
                fmt::format("there are no segments, but records up to {} were promised", promised_.value - 1));
        }
        return;
    }
    if (has_holes_) return;
    for (const auto& [offset, anchor] : anchors_) {
        if (anchor.met || offset < heads_.front().head.base) continue;
        report_.problem(anchor.file, std::nullopt,
                        fmt::format("{} (offset {}) is not where a frame ends", anchor.what, offset.value));
    }
}

Task<void> PartitionVerifier::check_graveyard() {
    Result<std::vector<std::string>> names = co_await log::list_graveyard(&world_, place_.path);
    if (!names.ok()) {
        report_.problem(place_.path + "/graveyard", std::nullopt, disk_failure("read", "it", names.error()).hint);
        co_return;
    }
    for (const std::string& name : *names) {
        const std::string path = place_.path + "/graveyard/" + name;
        Result<log::BuriedRange> range = co_await log::read_buried_head(&world_, path);
        if (!range.ok() && range.error().code == ErrorCode::not_found) continue;  // made room meanwhile
        if (!range.ok()) {
            report_.problem(path, 0, disk_failure("read", path, range.error()).hint);
            continue;
        }
        if (range->identity != place_.identity) report_.problem(path, 0, "it belongs to another partition");
        Result<std::unique_ptr<File>> opened = co_await world_.disk.open(path, OpenMode::read, false);
        if (!opened.ok()) continue;
        std::unique_ptr<File> file = std::move(opened).value();
        Result<uint64_t> size = co_await file->size();
        co_await file->close();
        if (size.ok() && *size != log::block_size + range->bytes) {
            report_.problem(
                path, *size,
                fmt::format("the file has {} bytes, its head says {}", *size, log::block_size + range->bytes));
        }
    }
}

}  // namespace ironbark::tools
