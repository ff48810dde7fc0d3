#include "log/data_directory.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <utility>

#include "log/marks.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

constexpr size_t identity_size_max = 4096;
constexpr std::string_view format_line = "ironbark data directory, format 1\n";
constexpr const char* marks_prefix = "marks-";

std::string encode_identity(const DirectoryIdentity& identity) {
    std::string text = fmt::format("{}directory {}\ncluster {}\n", format_line, identity.directory.to_string(),
                                   identity.cluster.to_string());
    return text + fmt::format("checksum {:016x}\n", xxh3(as_bytes(text), 0));
}

Result<DirectoryIdentity> decode_identity(std::string_view text) {
    static constexpr Error damaged(ErrorCode::corrupt_data, "the identity file is damaged");
    if (!text.starts_with("ironbark data directory, format ")) return damaged;
    if (!text.starts_with(format_line)) {
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

Task<Result<void>> write_identity(World* world, std::string path, DirectoryIdentity identity) {
    const std::string text = encode_identity(identity);
    std::vector<uint8_t> bytes(text.begin(), text.end());
    co_return co_await replace_file(*world, path + "/identity", std::move(bytes));
}

// Whether the directory has an identity; false: it is empty.
Task<Result<bool>> has_identity(World* world, std::string path, std::string* problem) {
    Result<std::vector<std::string>> names = co_await world->disk.list(path);
    if (!names.ok()) {
        *problem = fmt::format("cannot read the data directory {}: {}.", path, describe(names.error()));
        co_return names.error();
    }
    if (std::find(names->begin(), names->end(), "identity") != names->end()) co_return true;
    bool is_empty = std::all_of(names->begin(), names->end(), [](const std::string& entry) {
        return entry == "lock" || entry == "lost+found" || entry == "identity.new";
    });
    if (is_empty) co_return false;
    *problem = fmt::format(
        "{} is not a data directory of Ironbark: it has files but no `identity`. Nothing was changed. "
        "Choose an empty or a new directory with --data-dir.",
        path);
    co_return ErrorCode::foreign_data;
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
                               describe(made.error()));
        co_return made;
    }
    // Nothing is written into a directory that is not ours, and what is ours is only known for sure under the lock.
    CO_TRY(bool known, co_await has_identity(world, path_, problem));
    CO_TRY_VOID(co_await take_lock(world, problem));
    CO_TRY(known, co_await has_identity(world, path_, problem));
    Task<Result<void>> preparation = known ? load_identity(world, problem) : create(world);
    Result<void> ready = co_await std::move(preparation);
    if (!ready.ok() && problem->empty()) {
        *problem = fmt::format("cannot write to the data directory {}: {}.", path_, describe(ready.error()));
    }
    CO_TRY_VOID(ready);
    for (const char* name : {"/partitions", "/pool"}) CO_TRY_VOID(co_await world->disk.make_directory(path_ + name));
    // A process that was killed may have left names that we see and the disk does not have yet.
    CO_TRY_VOID(co_await world->disk.sync_directory(path_));
    co_return co_await world->disk.sync_directory(directory_of(path_));
}

Task<Result<void>> DataDirectory::take_lock(World* world, std::string* problem) {
    Result<std::unique_ptr<DirectoryLock>> lock = co_await world->disk.lock(path_ + "/lock");
    if (lock.ok()) {
        lock_ = std::move(lock).value();
        co_return Result<void>();
    }
    *problem = lock.error().code == ErrorCode::locked
                   ? fmt::format(
                         "{} is in use by another ironbarkd. Stop that one, or choose another directory "
                         "with --data-dir.",
                         path_)
                   : fmt::format(
                         "cannot write to the data directory {}: {}. Give this user the right, or choose "
                         "another with --data-dir.",
                         path_, describe(lock.error()));
    co_return lock.error();
}

Task<Result<DirectoryIdentity>> DataDirectory::read_identity(World* world, std::string path, std::string* problem) {
    CO_TRY(bool known, co_await has_identity(world, path, problem));
    if (!known) {
        *problem = path + " is empty.";
        co_return ErrorCode::not_found;
    }
    Result<std::vector<uint8_t>> bytes = co_await read_file(*world, path + "/identity", identity_size_max);
    Result<DirectoryIdentity> identity = bytes.ok() ? decode_identity(as_text(*bytes)) : bytes.error();
    if (identity.ok()) co_return identity;
    *problem = identity.error().code == ErrorCode::unsupported_version
                   ? fmt::format("{}: {}. Use the version that wrote it, or a newer one.", path, identity.error().text)
                   : fmt::format("{}/identity: {}. Restore it from a copy; the records are untouched.", path,
                                 describe(identity.error()));
    co_return identity;
}

Task<Result<void>> DataDirectory::load_identity(World* world, std::string* problem) {
    CO_TRY(identity_, co_await read_identity(world, path_, problem));
    co_return Result<void>();
}

// The identity first: a directory that has anything else without it is not ours.
Task<Result<void>> DataDirectory::create(World* world) {
    identity_ = {world->random.uuid(), Uuid()};
    return write_identity(world, path_, identity_);
}

Task<Result<void>> DataDirectory::join_cluster(World* world, Uuid cluster, std::string* problem) {
    if (identity_.cluster == cluster) co_return Result<void>();
    if (!identity_.cluster.is_zero()) {
        *problem = fmt::format(
            "{} belongs to the cluster {}, and the controllers to {}. Use the data directory of this cluster, or the "
            "controllers of that one; nothing was changed.",
            path_, identity_.cluster.to_string(), cluster.to_string());
        co_return ErrorCode::foreign_data;
    }
    const DirectoryIdentity joined{identity_.directory, cluster};
    Result<void> written = co_await write_identity(world, path_, joined);
    if (written.ok()) {
        identity_ = joined;
    } else {
        *problem = fmt::format("cannot write to the data directory {}: {}.", path_, describe(written.error()));
    }
    co_return written;
}

// Copies first, removes afterwards: a crash in between leaves equal copies, and the next start goes on.
Task<Result<void>> DataDirectory::spread_marks(World* world, size_t shard_count) {
    std::vector<ShardMarks> all;
    Result<void> result = co_await open_all_marks(world, shard_count, &all);
    if (result.ok()) result = co_await move_marks(&all, shard_count);
    for (ShardMarks& entry : all) {
        co_await entry.marks->close();
        if (result.ok() && entry.shard >= shard_count) result = co_await world->disk.remove(marks_path(entry.shard));
    }
    co_return result;
}

Task<Result<void>> DataDirectory::open_all_marks(World* world, size_t shard_count, std::vector<ShardMarks>* all) {
    CO_TRY(std::vector<std::string> names, co_await world->disk.list(path_));
    std::vector<size_t> shards;
    for (const std::string& entry : names) {
        if (!entry.starts_with(marks_prefix)) continue;
        size_t shard = 0;
        const char* digits = entry.data() + std::strlen(marks_prefix);
        const char* last = entry.data() + entry.size();
        auto [end, error] = std::from_chars(digits, last, shard);
        if (error == std::errc{} && end == last) shards.push_back(shard);
    }
    const size_t known = shards.size();
    for (size_t shard = 0; shard < shard_count; ++shard) {
        if (std::find(shards.begin(), shards.end(), shard) == shards.end()) shards.push_back(shard);
    }
    for (size_t shard : shards) {
        CO_TRY(std::unique_ptr<Marks> marks, co_await Marks::open(*world, marks_path(shard), identity_.directory));
        all->push_back({shard, std::move(marks), all->size() >= known});
    }
    co_return Result<void>();
}

Task<Result<void>> DataDirectory::move_marks(std::vector<ShardMarks>* all, size_t shard_count) {
    auto marks_of = [all](size_t shard) {
        return std::find_if(all->begin(), all->end(), [shard](const ShardMarks& entry) { return entry.shard == shard; })
            ->marks.get();
    };
    // The stop before was clean if it was for every shard of then; so it is for every shard of now.
    std::optional<Incarnation> clean = all->front().is_new ? std::nullopt : all->front().marks->clean_stop();
    for (const ShardMarks& entry : *all) {
        if (!entry.is_new && entry.marks->clean_stop() != clean) clean.reset();
    }
    for (ShardMarks& entry : *all) {
        if (entry.marks->clean_stop() != clean) entry.marks->set_clean_stop(clean);
    }
    std::vector<std::pair<Marks*, PartitionIdentity>> moved;
    for (ShardMarks& entry : *all) {
        for (const auto& [identity, values] : entry.marks->all()) {
            if (shard_of(identity, shard_count) != entry.shard) moved.emplace_back(entry.marks.get(), identity);
        }
    }
    for (const auto& [from, identity] : moved) {
        Marks* home = marks_of(shard_of(identity, shard_count));
        if (home->find(identity) == nullptr) home->set(*from->find(identity));
    }
    for (ShardMarks& entry : *all) CO_TRY_VOID(co_await entry.marks->commit());
    for (const auto& [from, identity] : moved) from->remove(identity);
    for (ShardMarks& entry : *all) CO_TRY_VOID(co_await entry.marks->commit());
    co_return Result<void>();
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
