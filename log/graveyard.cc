#include "log/graveyard.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <tuple>
#include <utility>

#include "log/limits.h"
#include "log/segment.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

constexpr const char* time_end = "-";  // in names: the time, this, an offset
constexpr size_t copy_size = size_t{1} << 20;

std::string checksum_of(const nlohmann::json& head) {
    return fmt::format("{:016x}", xxh3(as_bytes(head.dump()), 0));
}

std::string encode_head(const BuriedRange& range) {
    nlohmann::json head = {{"ironbark", "graveyard 1"},
                           {"topic", range.identity.topic.to_string()},
                           {"partition", range.identity.partition.value},
                           {"first_offset", range.first.value},
                           {"end_offset", range.end.value},
                           {"new_epoch", range.epoch.value},
                           {"time_ms", range.time.milliseconds},
                           {"reason", range.reason},
                           {"bytes", range.bytes}};
    if (range.segments > 0) head["segments"] = range.segments;
    head["checksum"] = checksum_of(head);
    return head.dump() + "\n";
}

// A whole number that the type can hold. To the parser 4.5 and 1e300 are numbers, too.
template <typename Number>
bool read_number(const nlohmann::json& head, const char* key, Number least, Number* into) {
    const nlohmann::json& value = head.at(key);
    if (!value.is_number_integer()) return false;
    bool fits = value.is_number_unsigned() ? std::in_range<Number>(value.get<uint64_t>())
                                           : std::in_range<Number>(value.get<int64_t>());
    if (fits) *into = value.get<Number>();
    return fits && *into >= least;
}

Result<BuriedRange> decode_head_line(std::string_view line) try {
    static constexpr Error no_head(ErrorCode::corrupt_data, "not the head of a graveyard file");
    nlohmann::json head = nlohmann::json::parse(line);
    std::optional<Uuid> topic = Uuid::parse(head.at("topic").get<std::string>());
    if (!topic || head.at("ironbark") != "graveyard 1") return no_head;
    const std::string checksum = head.at("checksum").get<std::string>();
    head.erase("checksum");
    if (checksum != checksum_of(head)) return Error(ErrorCode::corrupt_data, "the graveyard file's head is damaged");
    BuriedRange range;
    range.identity.topic = *topic;
    range.reason = head.at("reason").get<std::string>();
    bool good = read_number(head, "partition", 0, &range.identity.partition.value) &&
                read_number(head, "first_offset", int64_t{0}, &range.first.value) &&
                read_number(head, "end_offset", range.first.value, &range.end.value) &&
                read_number(head, "new_epoch", -1, &range.epoch.value) &&
                read_number(head, "time_ms", int64_t{0}, &range.time.milliseconds) &&
                read_number(head, "bytes", uint64_t{0}, &range.bytes) &&
                (!head.contains("segments") || read_number(head, "segments", 0, &range.segments));
    if (!good) return no_head;
    return range;
} catch (const nlohmann::json::exception&) {
    return Error(ErrorCode::corrupt_data, "not the head of a graveyard file");
}

Task<Result<size_t>> read_part(const BuriedBytes* part, uint64_t at, BufferSlice into) {
    Result<size_t> count = co_await read_fully(*part->file, at, into);
    if (count.ok() || !part->tolerates_unreadable) co_return count;
    for (size_t done = 0; done < into.size; done += block_size) {
        BufferSlice block = into.part(done, block_size);
        Result<size_t> read = co_await read_fully(*part->file, at + done, block);
        const size_t good = read.ok() ? *read : 0;
        std::memset(block.data() + good, 0, block_size - good);
    }
    co_return into.size;
}

Task<Result<uint64_t>> copy_part(World* world, File* to, uint64_t position, BuriedBytes part) {
    for (uint64_t at = round_down(part.begin, block_size); at < part.end; at += copy_size) {
        size_t size = static_cast<size_t>(std::min<uint64_t>(copy_size, round_up(part.end, block_size) - at));
        BufferSlice into(world->buffers.take(size), 0, size);
        CO_TRY(size_t count, co_await read_part(&part, at, into));
        std::memset(into.data() + count, 0, size - count);
        std::vector<BufferSlice> slices;
        slices.push_back(std::move(into));
        CO_TRY_VOID(co_await write_fully(*to, position, std::move(slices), Sync::no));
        position += size;
    }
    co_return position;
}

Task<Result<void>> fill(World* world, File* file, BuriedRange range, std::vector<BuriedBytes> parts) {
    std::string text = encode_head(range);
    if (text.size() > block_size) co_return Error(ErrorCode::invalid_request, "the reason is too long");
    BufferSlice head(world->buffers.take(block_size), 0, block_size);
    std::memset(head.data(), 0, head.size);
    std::memcpy(head.data(), text.data(), text.size());
    std::vector<BufferSlice> slices;
    slices.push_back(std::move(head));
    CO_TRY_VOID(co_await write_fully(*file, 0, std::move(slices), Sync::no));
    uint64_t position = block_size;
    for (const BuriedBytes& part : parts) {
        CO_TRY(position, co_await copy_part(world, file, position, part));
    }
    co_return co_await file->sync();
}

std::string name_of(Timestamp time, Offset offset, const char* suffix) {
    return segment_file_name(Offset(time.milliseconds), time_end) + segment_file_name(offset, suffix);
}

std::optional<Timestamp> time_of(const std::string& name) {
    const size_t end = name.find(time_end);
    if (end == std::string::npos) return std::nullopt;
    std::optional<Offset> time = offset_of_file_name(name.substr(0, end + 1), time_end);
    return time ? std::optional(Timestamp(time->value)) : std::nullopt;
}

struct GraveFile {
    Timestamp time;
    bool is_segment = false;
    std::string name;
    uint64_t size = 0;
    auto order() const { return std::tuple(time, !is_segment, std::string_view(name)); }
};

Task<uint64_t> size_of(World* world, std::string path) {
    Result<std::unique_ptr<File>> file = co_await world->disk.open(std::move(path), OpenMode::read, false);
    if (!file.ok()) co_return 0;
    Result<uint64_t> size = co_await (*file)->size();
    co_await (*file)->close();
    co_return size.ok() ? *size : 0;
}

// What is in the graveyard, oldest first: of each burial its segments before the file that tells of them. Files that a
// burial left which a crash interrupted are removed.
Task<std::vector<GraveFile>> list_files(World* world, std::string graveyard) {
    std::vector<GraveFile> files;
    Result<std::vector<std::string>> names = co_await world->disk.list(graveyard);
    if (!names.ok()) co_return files;
    for (const std::string& name : *names) {
        const bool is_segment = name.ends_with(buried_segment_suffix);
        if (!is_segment && !name.ends_with(grave_suffix)) {
            (void)co_await world->disk.remove(graveyard + "/" + name);
            continue;
        }
        const uint64_t size = co_await size_of(world, graveyard + "/" + name);
        files.push_back({time_of(name).value_or(Timestamp()), is_segment, name, size});
    }
    std::sort(files.begin(), files.end(),
              [](const GraveFile& left, const GraveFile& right) { return left.order() < right.order(); });
    co_return files;
}

std::string graveyard_of(const std::string& directory) {
    return directory + "/graveyard";
}

}  // namespace

Task<void> make_room_in_graveyard(World* world, std::string directory, uint64_t bytes_max) {
    const std::string graveyard = graveyard_of(directory);
    const std::vector<GraveFile> files = co_await list_files(world, graveyard);
    uint64_t sum = 0;
    for (const GraveFile& file : files) sum += file.size;
    size_t kept = std::min<size_t>(files.size(), 1);
    const size_t count = files.size();
    if (count > 1 && files[count - 2].is_segment && files[count - 2].time == files[count - 1].time) kept = 2;
    for (size_t index = 0; index + kept < count && sum > bytes_max; ++index) {
        (void)co_await world->disk.remove(graveyard + "/" + files[index].name);
        sum -= files[index].size;
    }
}

Task<Result<std::optional<Timestamp>>> newest_burial(World* world, std::string directory) {
    Result<std::vector<std::string>> names = co_await world->disk.list(graveyard_of(directory));
    if (!names.ok() && names.error().code == ErrorCode::not_found) co_return std::optional<Timestamp>();
    if (!names.ok()) co_return names.error();
    std::optional<Timestamp> newest;
    for (const std::string& name : *names) {
        std::optional<Timestamp> time = name.ends_with(grave_suffix) ? time_of(name) : std::nullopt;
        if (time && (!newest || *newest < *time)) newest = time;
    }
    co_return newest;
}

Task<Result<void>> bury_segment(World* world, std::string directory, Timestamp time, Offset base) {
    std::string from = directory + "/" + segment_file_name(base, log_suffix);
    std::string to = graveyard_of(directory) + "/" + name_of(time, base, buried_segment_suffix);
    return world->disk.rename(std::move(from), std::move(to));
}

Task<Result<Timestamp>> bury(
    World* world, std::string directory, BuriedRange range, std::vector<BuriedBytes> parts, uint64_t bytes_max) {
    const std::string graveyard = graveyard_of(directory);
    CO_TRY_VOID(co_await world->disk.make_directory(graveyard));
    CO_TRY_VOID(co_await world->disk.sync_directory(directory));
    for (const BuriedBytes& part : parts) {
        range.bytes += round_up(part.end, block_size) - round_down(part.begin, block_size);
    }
    // Names sort by time, and each burial has a time of its own.
    CO_TRY(std::optional<Timestamp> newest, co_await newest_burial(world, directory));
    if (newest && *newest >= range.time) range.time = Timestamp(std::min(newest->milliseconds, INT64_MAX - 1) + 1);
    std::string path = graveyard + "/" + name_of(range.time, range.first, grave_suffix);
    std::string temporary = path + new_suffix;
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(temporary, OpenMode::open_or_create, false));
    Result<void> filled = co_await fill(world, file.get(), range, std::move(parts));
    co_await file->close();
    if (filled.ok()) filled = co_await world->disk.rename(temporary, path);
    if (!filled.ok()) {
        (void)co_await world->disk.remove(temporary);
        co_return filled.error();
    }
    CO_TRY_VOID(co_await world->disk.sync_directory(graveyard));
    co_await make_room_in_graveyard(world, directory, bytes_max);
    co_return range.time;
}

Task<Result<BuriedRange>> read_buried_head(World* world, std::string path) {
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(std::move(path), OpenMode::read, false));
    BufferSlice into(world->buffers.take(block_size), 0, block_size);
    Result<size_t> count = co_await read_fully(*file, 0, into);
    co_await file->close();
    CO_TRY(size_t size, std::move(count));
    std::string_view text = as_text(into.bytes().first(size));
    co_return decode_head_line(text.substr(0, text.find('\n')));
}

Task<Result<std::vector<std::string>>> list_graveyard(World* world, std::string directory) {
    Result<std::vector<std::string>> names = co_await world->disk.list(graveyard_of(directory));
    if (!names.ok() && names.error().code == ErrorCode::not_found) co_return std::vector<std::string>();
    CO_TRY_VOID(names.ok() ? Result<void>() : Result<void>(names.error()));
    std::erase_if(*names, [](const std::string& name) { return !name.ends_with(grave_suffix); });
    co_return names;
}

}  // namespace ironbark::log
