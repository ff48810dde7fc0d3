#include "tools/offline/places.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstring>

namespace ironbark::tools {
namespace {

constexpr const char* graveyard_name = "graveyard";
constexpr const char* partitions_name = "partitions";

std::string without_slashes(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

bool contains(const std::vector<std::string>& names, const char* name) {
    return std::find(names.begin(), names.end(), name) != names.end();
}

// Where the head names its partition (log/segment.h).
constexpr size_t head_topic_at = 16;
constexpr size_t head_partition_at = 32;

PartitionIdentity identity_in_head(Bytes block) {
    PartitionIdentity identity;
    std::memcpy(identity.topic.bytes.data(), block.data() + head_topic_at, identity.topic.bytes.size());
    identity.partition = PartitionIndex(load_le<int32_t>(block.data() + head_partition_at));
    return identity;
}

}  // namespace

Failure disk_failure(const std::string& what, const std::string& path, const Error& error) {
    std::string reason = error.system_errno != 0 ? std::strerror(error.system_errno)
                         : *error.text != '\0'   ? error.text
                                                 : name(error.code);
    return {error.code, Outcome::not_written, fmt::format("cannot {} {}: {}", what, path, reason)};
}

Task<Expected<LogPlaces>> find_places(World* world, std::string directory) {
    LogPlaces places;
    places.path = without_slashes(std::move(directory));
    Result<std::vector<std::string>> names = co_await world->disk.list(places.path);
    if (!names.ok()) co_return disk_failure("read", places.path, names.error());
    if (std::optional<PartitionIdentity> identity = PartitionIdentity::parse(last_name(places.path))) {
        places.partitions.push_back({places.path, *identity});
        co_return places;
    }
    if (!contains(*names, partitions_name)) {
        co_return Failure{ErrorCode::foreign_data, Outcome::not_written,
                          fmt::format("{} is neither a data directory (it has no '{}') nor a partition's (which is named "
                                      "TOPIC-UUID-PARTITION)",
                                      places.path, partitions_name)};
    }
    places.is_data_directory = true;
    const std::string parent = places.path + "/" + partitions_name;
    Result<std::vector<std::string>> directories = co_await world->disk.list(parent);
    if (!directories.ok()) co_return disk_failure("read", parent, directories.error());
    for (const std::string& name : *directories) {
        std::optional<PartitionIdentity> identity = PartitionIdentity::parse(name);
        if (identity) {
            places.partitions.push_back({parent + "/" + name, *identity});
        } else {
            places.strangers.push_back(name);
        }
    }
    co_return places;
}

Task<Expected<PartitionFiles>> list_files(World* world, std::string directory) {
    Result<std::vector<std::string>> names = co_await world->disk.list(directory);
    if (!names.ok()) co_return disk_failure("read", directory, names.error());
    PartitionFiles files;
    for (const std::string& name : *names) {
        if (std::optional<Offset> base = log::offset_of_file_name(name, log::log_suffix)) {
            files.segments.push_back(*base);
        } else if (std::optional<Offset> index = log::offset_of_file_name(name, log::index_suffix)) {
            files.indexes.push_back(*index);
        } else if (std::optional<Offset> place = log::offset_of_file_name(name, log::producers_suffix)) {
            files.snapshots.push_back(*place);
        } else if (name != graveyard_name) {
            files.others.push_back(name);
        }
    }
    co_return files;
}

std::string path_of(const PartitionPlace& partition, Offset base, const char* suffix) {
    return partition.path + "/" + log::segment_file_name(base, suffix);
}

Task<Expected<SegmentFile>> read_segment_head(World* world, std::string path) {
    Result<std::unique_ptr<File>> opened = co_await world->disk.open(path, OpenMode::read, true);
    if (!opened.ok()) co_return disk_failure("open", path, opened.error());
    std::unique_ptr<File> file = std::move(opened).value();
    BufferSlice block(world->buffers.take(log::block_size), 0, log::block_size);
    Result<size_t> count = co_await read_fully(*file, 0, block);
    co_await file->close();
    if (!count.ok()) co_return disk_failure("read", path, count.error());
    std::optional<Offset> base = log::offset_of_file_name(last_name(path), log::log_suffix);
    Failure damaged{ErrorCode::corrupt_data, Outcome::not_written, ""};
    if (*count < log::block_size) {
        damaged.hint = fmt::format("{}: the file is shorter than the head of a segment", path);
        co_return damaged;
    }
    Bytes bytes = block.bytes();
    SegmentFile segment;
    segment.identity = identity_in_head(bytes);
    // A copy under another name is as good: then it is what it says it is.
    constexpr size_t head_base_at = 40;
    Offset named = base.value_or(Offset(load_le<int64_t>(bytes.data() + head_base_at)));
    Result<log::SegmentHead> head = log::decode_head(bytes, segment.identity, named);
    if (!head.ok()) {
        damaged.hint = fmt::format("{}: {}", path, head.error().text);
        co_return damaged;
    }
    segment.head = *head;
    co_return segment;
}

}  // namespace ironbark::tools
