#include "log/data_directory.h"

#include <fmt/format.h>

#include <charconv>
#include <cstring>

#include "log/marks.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

constexpr size_t identity_size_max = 4096;
constexpr const char* format_line = "ironbark data directory, format 1";
constexpr const char* marks_prefix = "marks-";

std::string encode_identity(const DirectoryIdentity& identity) {
    std::string text = fmt::format("{}\ndirectory {}\ncluster {}\n", format_line, identity.directory.to_string(),
                                   identity.cluster.to_string());
    return text + fmt::format("checksum {:016x}\n", xxh3(as_bytes(text), 0));
}

Result<DirectoryIdentity> decode_identity(std::string_view text) {
    static constexpr Error damaged(ErrorCode::corrupt_data, "the identity file is damaged");
    if (!text.starts_with("ironbark data directory, format ")) return damaged;
    if (!text.starts_with(std::string(format_line) + "\n")) {
        return Error(ErrorCode::unsupported_version, "the directory was written by a newer version");
    }
    constexpr size_t uuid_size = 36;
    size_t directory_at = text.find("\ndirectory ");
    size_t cluster_at = text.find("\ncluster ");
    if (directory_at == std::string_view::npos || cluster_at == std::string_view::npos) return damaged;
    std::optional<Uuid> directory = Uuid::parse(text.substr(directory_at + std::strlen("\ndirectory "), uuid_size));
    std::optional<Uuid> cluster = Uuid::parse(text.substr(cluster_at + std::strlen("\ncluster "), uuid_size));
    if (!directory || !cluster) return damaged;
    DirectoryIdentity identity{*directory, *cluster};
    if (encode_identity(identity) != text) return damaged;
    return identity;
}

}  // namespace

size_t shard_of(const PartitionIdentity& identity, size_t shard_count) {
    return static_cast<size_t>(identity.seed() % shard_count);
}

Task<Result<std::unique_ptr<DataDirectory>>> DataDirectory::open(World* world, std::string path, std::string* problem) {
    std::unique_ptr<DataDirectory> directory(new DataDirectory(std::move(path)));
    CO_TRY_VOID(co_await directory->prepare(world, problem));
    co_return std::move(directory);
}

Task<Result<void>> DataDirectory::prepare(World* world, std::string* problem) {
    Result<void> made = co_await world->disk.make_directory(path_);
    if (!made.ok()) {
        *problem = fmt::format("cannot make the data directory {}: {}. Choose another with --data-dir.", path_,
                               made.error().system_errno != 0 ? std::strerror(made.error().system_errno)
                                                              : name(made.error().code));
        co_return made;
    }
    Result<std::vector<std::string>> names = co_await world->disk.list(path_);
    if (!names.ok()) {
        *problem = fmt::format("cannot read the data directory {}: {}.", path_, name(names.error().code));
        co_return names.error();
    }
    bool has_identity = std::find(names->begin(), names->end(), "identity") != names->end();
    bool is_empty = std::all_of(names->begin(), names->end(), [](const std::string& entry) {
        return entry == "lock" || entry == "lost+found" || entry == "identity.new";
    });
    if (!has_identity && !is_empty) {
        *problem = fmt::format(
            "{} is not a data directory of Ironbark: it has files but no `identity`. Nothing was changed. "
            "Choose an empty or a new directory with --data-dir.",
            path_);
        co_return ErrorCode::foreign_data;
    }
    Result<std::unique_ptr<DirectoryLock>> lock = co_await world->disk.lock(path_ + "/lock");
    if (!lock.ok()) {
        *problem = lock.error().code == ErrorCode::locked
                       ? fmt::format("{} is in use by another ironbarkd. Stop that one, or choose another directory "
                                     "with --data-dir.",
                                     path_)
                       : fmt::format("cannot write to the data directory {}: {}. Give this user the right, or choose "
                                     "another with --data-dir.",
                                     path_, name(lock.error().code));
        co_return lock.error();
    }
    lock_ = std::move(lock).value();
    if (!has_identity) co_return co_await create(world);
    CO_TRY(std::vector<uint8_t> bytes, co_await read_file(*world, path_ + "/identity", identity_size_max));
    Result<DirectoryIdentity> identity = decode_identity(as_text(bytes));
    if (!identity.ok()) {
        *problem = fmt::format("{}/identity: {}. Restore it from a copy; the records are untouched.", path_,
                               identity.error().text);
        co_return identity.error();
    }
    identity_ = *identity;
    co_return Result<void>();
}

Task<Result<void>> DataDirectory::create(World* world) {
    identity_ = {world->random.uuid(), world->random.uuid()};
    CO_TRY_VOID(co_await world->disk.make_directory(path_ + "/partitions"));
    CO_TRY_VOID(co_await world->disk.make_directory(path_ + "/pool"));
    std::string text = encode_identity(identity_);
    std::vector<uint8_t> bytes(text.begin(), text.end());
    CO_TRY_VOID(co_await replace_file(*world, path_ + "/identity", std::move(bytes)));
    co_return co_await world->disk.sync_directory(directory_of(path_));
}

// Copies first, removes afterwards: a crash in between leaves equal copies, and the next start goes on.
Task<Result<void>> DataDirectory::spread_marks(World* world, size_t shard_count) {
    CO_TRY(std::vector<std::string> names, co_await world->disk.list(path_));
    std::vector<std::string> surplus;
    std::vector<std::unique_ptr<Marks>> open;
    Result<void> result;
    std::vector<std::vector<PartitionMarks>> missing(shard_count);
    std::vector<std::pair<size_t, PartitionIdentity>> moved;  // from which of `open`
    for (const std::string& entry : names) {
        if (!entry.starts_with(marks_prefix) || entry.ends_with(".new")) continue;
        size_t shard = 0;
        const char* digits = entry.data() + std::strlen(marks_prefix);
        auto [end, error] = std::from_chars(digits, entry.data() + entry.size(), shard);
        if (error != std::errc{} || end != entry.data() + entry.size()) continue;
        Result<std::unique_ptr<Marks>> marks = co_await Marks::open(*world, path_ + "/" + entry, identity_.directory);
        if (!marks.ok()) {
            result = marks.error();
            break;
        }
        for (const auto& [identity, values] : (*marks)->all()) {
            size_t home = shard_of(identity, shard_count);
            if (home == shard) continue;
            missing[home].push_back(values);
            moved.emplace_back(open.size(), identity);
        }
        if (shard >= shard_count) surplus.push_back(path_ + "/" + entry);
        open.push_back(std::move(marks).value());
    }
    for (size_t shard = 0; result.ok() && shard < shard_count; ++shard) {
        if (missing[shard].empty()) continue;
        std::string path = marks_path(shard);
        Result<std::unique_ptr<Marks>> home = co_await Marks::open(*world, path, identity_.directory);
        if (!home.ok()) {
            result = home.error();
            break;
        }
        for (PartitionMarks& marks : missing[shard]) {
            if ((*home)->find(marks.identity) == nullptr) (*home)->set(std::move(marks));
        }
        result = co_await (*home)->commit();
        co_await (*home)->close();
    }
    if (result.ok()) {
        for (const auto& [index, identity] : moved) open[index]->remove(identity);
    }
    for (std::unique_ptr<Marks>& marks : open) {
        if (result.ok() && !moved.empty()) result = co_await marks->commit();
        co_await marks->close();
    }
    for (const std::string& path : surplus) {
        if (result.ok()) result = co_await world->disk.remove(path);
    }
    co_return result;
}

Task<Result<std::vector<std::string>>> DataDirectory::pool_files(World* world, size_t shard, size_t shard_count) const {
    CO_TRY(std::vector<std::string> names, co_await world->disk.list(path_ + "/pool"));
    std::vector<std::string> mine;
    for (const std::string& entry : names) {
        if (xxh3(as_bytes(entry), 0) % shard_count == shard) mine.push_back(entry);
    }
    co_return mine;
}

}  // namespace ironbark::log
