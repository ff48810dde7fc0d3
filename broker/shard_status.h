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

struct ShardStatus {
    size_t partitions = 0;
    size_t partitions_failed = 0;
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

// On the shard's thread.
Task<ShardStatus> look_at_shard(Shard* shard);
// Sums, and the maxima of ages. Disk space is one directory's: the least that any saw.
ShardStatus merge(const std::vector<ShardStatus>& shards);

}  // namespace ironbark::broker
