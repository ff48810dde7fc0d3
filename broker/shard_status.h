#pragma once
// A copy of what a shard knows of itself at one moment, to be carried to another thread: for describe-node, /metrics
// and `cluster status`.

#include <string>
#include <vector>

#include "broker/shard.h"

namespace ironbark::broker {

struct PoolStatus {
    std::string name;
    uint64_t used_bytes = 0;
    uint64_t limit_bytes = 0;
};

// A replica here that is not available, or not taken over from its leader.
struct ReplicaProblem {
    PartitionIdentity identity;
    std::string topic;
    std::string text;
};

// Of the partitions that are led here, and of what is taken over from other leaders.
struct ReplicationStatus {
    size_t led = 0;
    size_t not_all_in_sync = 0;
    size_t below_min_in_sync = 0;
    uint64_t records_on_no_disk = 0;
    uint64_t records_on_one_disk = 0;  // at most
    uint64_t lag_records_max = 0;
    ReplicationCounters counters;
};

struct ShardStatus {
    size_t partitions = 0;
    size_t partitions_failed = 0;
    ReplicationStatus replication;
    std::vector<ReplicaProblem> problems;  // the first ones
    size_t problem_count = 0;
    uint64_t unsynced_bytes = 0;
    Duration unsynced_age{};
    DiskSpace space;
    bool storage_full = false;
    bool marks_writable = true;
    std::vector<PoolStatus> pools;
    ShardMetrics metrics;
    IoCounters io;
    log::LogCounters logs;
    rpc::ServerCounters rpc;
    size_t connections = 0;
    Duration blocked_on_memory{};
};

constexpr size_t replica_problems_max = 100;  // that are told; all are counted

// On the shard's thread.
Task<ShardStatus> look_at_shard(Shard* shard);
// Sums, and the maxima of ages. Disk space is one directory's: the least that any saw.
ShardStatus merge(const std::vector<ShardStatus>& shards);

}  // namespace ironbark::broker
