#pragma once
// The data directory of a broker: who it is, that nobody else uses it, and what lies where. Opened once per process,
// before the shards open their stores; holds the lock as long as it lives.
//
//     identity            what this directory is and which cluster it belongs to
//     lock                held by the process that uses it
//     controller/         what a voter of the controller quorum keeps (broker/voter)
//     marks-N             the marks journal of shard N
//     pool/               segment files for reuse
//     partitions/UUID-N/  one partition's log: segments, indexes, producers, graveyard/

#include <memory>
#include <string>
#include <vector>

#include "log/marks.h"
#include "runtime/base/ids.h"
#include "runtime/io/world.h"

namespace ironbark::log {

struct DirectoryIdentity {
    Uuid directory;
    Uuid cluster;  // zero: none yet
};

class DataDirectory {
  public:
    // Opens `path`, or makes it: a new directory gets a new identity, and belongs to no cluster yet. `problem` explains
    // an error to people. Errors: locked (another process), permission_denied, foreign_data (not ours, and not empty),
    // unsupported_version, corrupt_data.
    static Task<Result<std::unique_ptr<DataDirectory>>> open(World* world, std::string path, std::string* problem);

    // Who the directory is; changes nothing, also beside a process that has it open. Errors as above.
    static Task<Result<DirectoryIdentity>> read_identity(World* world, std::string path, std::string* problem);

    const std::string& path() const { return path_; }
    const DirectoryIdentity& identity() const { return identity_; }

    // From now on the directory belongs to this cluster, durably. foreign_data: it belongs to another one.
    Task<Result<void>> join_cluster(World* world, Uuid cluster, std::string* problem);
    // Gives every shard's journal the marks of its partitions, after the number of shards has changed.
    Task<Result<void>> spread_marks(World* world, size_t shard_count);
    // Files in the pool that the shard may use, so that no two use the same.
    Task<Result<std::vector<std::string>>> pool_files(World* world, size_t shard, size_t shard_count) const;
    std::string marks_path(size_t shard) const { return path_ + "/marks-" + std::to_string(shard); }

  private:
    DataDirectory(std::string path) : path_(std::move(path)) {}
    Task<Result<void>> prepare(World* world, std::string* problem);
    Task<Result<void>> take_lock(World* world, std::string* problem);
    Task<Result<void>> load_identity(World* world, std::string* problem);
    Task<Result<void>> create(World* world);
    struct ShardMarks {
        size_t shard;
        std::unique_ptr<Marks> marks;
        bool is_new;  // the shard had none
    };
    Task<Result<void>> open_all_marks(World* world, size_t shard_count, std::vector<ShardMarks>* all);
    static Task<Result<void>> move_marks(std::vector<ShardMarks>* all, size_t shard_count);

    std::string path_;
    DirectoryIdentity identity_;
    std::unique_ptr<DirectoryLock> lock_;
};

// Which shard of `shard_count` a partition belongs to.
size_t shard_of(const PartitionIdentity& identity, size_t shard_count);

}  // namespace ironbark::log
