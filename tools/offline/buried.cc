#include "tools/offline/buried.h"

#include <algorithm>
#include <fmt/format.h>

#include "tools/offline/continuity.h"
#include "tools/offline/places.h"

namespace ironbark::tools {
namespace {

constexpr const char* buried_time_mark = "-";  // in names: the time, this, an offset

std::string file_name_of(const std::string& path) {
    return path.substr(path.rfind('/') + 1);
}

std::string folder_of(const std::string& path) {
    const size_t slash = path.rfind('/');
    return slash == std::string::npos ? "." : path.substr(0, slash);
}

// All files of a burial begin with its time and the mark behind it; empty if the name is none of theirs.
std::string burial_of(const std::string& name) {
    const std::string front = name.substr(0, name.find(buried_time_mark) + 1);
    return log::offset_of_file_name(front, buried_time_mark) ? front : std::string();
}

Timestamp burial_time(const std::string& name) {
    const std::optional<Offset> time = log::offset_of_file_name(burial_of(name), buried_time_mark);
    return Timestamp(time ? time->value : -1);
}

BuriedFile unreadable_file(const std::string& path, const std::string& problem) {
    BuriedFile file;
    file.path = path;
    file.problem = problem;
    return file;
}

// Frames that are buried, and none of the others.
class BuriedFrames {
  public:
    BuriedFrames(BuriedFile* file, PieceVisitor visit) : file_(*file), visit_(std::move(visit)) {
        if (file_.segment) continuity_.emplace(*file_.segment);
    }

    bool take(const Piece& piece) {
        const bool is_frame = piece.kind == Piece::Kind::frame;
        if (!is_frame) has_hole_ = has_hole_ || piece.kind != Piece::Kind::pad;
        if (!is_frame) return true;
        if (!continuity_) {
            if (piece.frame.next_offset() <= file_.range.first) return true;
            return show(piece);
        }
        if (!continuity_->continues(piece.frame)) {
            if (!has_hole_ || !continuity_->may_follow(piece.frame)) return false;
            ++file_.gaps;
        }
        has_hole_ = false;
        continuity_->advance(piece.frame);
        file_.range.end = continuity_->next();
        file_.range.bytes = piece.position + piece.size - log::block_size;
        return show(piece);
    }

  private:
    bool show(const Piece& piece) {
        file_.records += static_cast<uint64_t>(piece.frame.batch.records_count);
        return visit_(piece);
    }

    BuriedFile& file_;
    PieceVisitor visit_;
    std::optional<Continuity> continuity_;
    bool has_hole_ = false;
};

Task<Expected<BuriedFile>> read_range(World* world, std::string path) {
    Result<log::BuriedRange> range = co_await log::read_buried_head(world, path);
    if (!range.ok()) co_return disk_failure("read", path, range.error());
    BuriedFile file;
    file.path = std::move(path);
    file.range = std::move(*range);
    co_return file;
}

Task<Expected<std::vector<std::string>>> names_in(World* world, std::string folder) {
    Result<std::vector<std::string>> names = co_await world->disk.list(folder);
    if (!names.ok() && names.error().code == ErrorCode::not_found) co_return std::vector<std::string>();
    if (!names.ok()) co_return disk_failure("read", folder, names.error());
    std::erase_if(*names, [](const std::string& name) {
        return !name.ends_with(log::buried_segment_suffix) && !name.ends_with(log::grave_suffix);
    });
    std::sort(names->begin(), names->end());
    co_return std::move(*names);
}

// Its reason is in the .grave file of its time, whose name has the lowest offset of the burial.
Task<Expected<BuriedFile>> read_segment(World* world, std::string path) {
    Expected<SegmentFile> head = co_await read_segment_head(world, path);
    if (!head.ok()) co_return head.error();
    BuriedFile file;
    file.path = path;
    file.segment = head->head;
    file.range.identity = head->identity;
    file.range.first = head->head.base;
    file.range.end = head->head.base;
    file.range.time = burial_time(file_name_of(path));
    file.range.reason = "not known: its .grave file is not there";
    Expected<std::vector<std::string>> names = co_await names_in(world, folder_of(path));
    const std::string burial = burial_of(file_name_of(path));
    if (!names.ok() || burial.empty()) co_return file;
    for (const std::string& name : *names) {
        if (!name.starts_with(burial) || !name.ends_with(log::grave_suffix)) continue;
        Result<log::BuriedRange> range = co_await log::read_buried_head(world, folder_of(path) + "/" + name);
        if (!range.ok()) continue;
        file.range.reason = range->reason;
        file.range.epoch = range->epoch;
    }
    co_return file;
}

bool names_a_segment(const std::vector<std::string>& names, const std::string& burial) {
    return std::any_of(names.begin(), names.end(), [&](const std::string& name) {
        return name.starts_with(burial) && name.ends_with(log::buried_segment_suffix);
    });
}

}  // namespace

bool is_buried_segment(const std::string& path) {
    return path.ends_with(log::buried_segment_suffix);
}

Task<Expected<BuriedFile>> read_buried(World* world, std::string path) {
    if (is_buried_segment(path)) return read_segment(world, std::move(path));
    return read_range(world, std::move(path));
}

Task<Expected<std::vector<BuriedFile>>> list_buried(World* world, std::string directory) {
    const std::string folder = directory + "/graveyard";
    Expected<std::vector<std::string>> names = co_await names_in(world, folder);
    if (!names.ok()) co_return names.error();
    std::vector<BuriedFile> files;
    for (const std::string& name : *names) {
        const std::string path = folder + "/" + name;
        Expected<BuriedFile> file = co_await read_buried(world, path);
        const std::string burial = burial_of(name);
        const bool only_tells = file.ok() && !file->segment && file->range.bytes == 0 && file->range.segments > 0;
        if (only_tells && !burial.empty() && names_a_segment(*names, burial)) continue;
        files.push_back(file.ok() ? std::move(*file) : unreadable_file(path, file.error().hint));
    }
    co_return files;
}

Task<Expected<std::vector<BuriedFile>>> find_burial(World* world, std::string path) {
    Expected<BuriedFile> file = co_await read_buried(world, path);
    if (!file.ok()) co_return file.error();
    std::vector<BuriedFile> files;
    const bool has_segments = file->range.segments > 0;
    files.push_back(std::move(*file));
    const std::string burial = burial_of(file_name_of(path));
    if (!has_segments || burial.empty()) co_return files;
    Expected<std::vector<std::string>> names = co_await names_in(world, folder_of(path));
    if (!names.ok()) co_return names.error();
    for (const std::string& name : *names) {
        if (!name.starts_with(burial) || !name.ends_with(log::buried_segment_suffix)) continue;
        const std::string segment = folder_of(path) + "/" + name;
        Expected<BuriedFile> next = co_await read_buried(world, segment);
        files.push_back(next.ok() ? std::move(*next) : unreadable_file(segment, next.error().hint));
    }
    co_return files;
}

Task<Expected<void>> walk_buried(World* world, BuriedFile* file, PieceVisitor visit) {
    Result<std::unique_ptr<File>> opened = co_await world->disk.open(file->path, OpenMode::read, false);
    if (!opened.ok()) co_return disk_failure("open", file->path, opened.error());
    std::unique_ptr<File> bytes = std::move(opened).value();
    Result<uint64_t> size = co_await bytes->size();
    Result<void> walked = size.ok() ? Result<void>() : Result<void>(size.error());
    if (size.ok()) {
        BuriedFrames frames(file, std::move(visit));
        log::WindowReader reader(*bytes, world->buffers, *size, log::read_size);
        PieceVisitor visitor = [&frames](const Piece& piece) { return frames.take(piece); };
        walked = co_await walk_pieces(&reader, file->range.identity.seed(), log::block_size, std::move(visitor));
    }
    co_await bytes->close();
    if (!walked.ok()) co_return disk_failure("read", file->path, walked.error());
    co_return Expected<void>();
}

}  // namespace ironbark::tools
