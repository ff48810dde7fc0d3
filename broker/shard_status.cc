#include "broker/shard_status.h"

#include <algorithm>

namespace ironbark::broker {

namespace {

void add_problem(const Shard& shard, const PartitionIdentity& identity, std::string text, ShardStatus& status) {
    if (text.empty()) return;
    ++status.problem_count;
    if (status.problems.size() >= replica_problems_max) return;
    const auto topic = shard.metadata()->find(identity.topic);
    status.problems.push_back({identity, topic == nullptr ? std::string() : topic->name, std::move(text)});
}

void look_at_leadership(const ReplicaSet& replicas, Instant now, ReplicationStatus& status) {
    ++status.led;
    const std::vector<ReplicaSet::Replica> all = replicas.replicas(now);
    if (replicas.in_sync().size() < all.size()) ++status.not_all_in_sync;
    if (!replicas.has_enough()) ++status.below_min_in_sync;
    const ReplicaSet::AtRisk risk = replicas.at_risk();
    status.records_on_no_disk += static_cast<uint64_t>(risk.on_no_disk);
    status.records_on_one_disk += static_cast<uint64_t>(risk.on_one_disk);
    status.lag_records_max = std::max(status.lag_records_max, static_cast<uint64_t>(replicas.lag_max()));
}

void look_at_partition(const Shard& shard, const Partition& partition, ShardStatus& status) {
    ++status.partitions;
    if (partition.state() == PartitionState::failed) {
        ++status.partitions_failed;
        add_problem(shard, partition.identity(), partition.detail(), status);
    } else {
        add_problem(shard, partition.identity(), shard.replicator().problem_of(partition.identity()), status);
    }
    if (const Leadership* leadership = partition.leadership()) {
        look_at_leadership(leadership->replicas, shard.executor().now(), status.replication);
    }
}

}  // namespace

Task<ShardStatus> look_at_shard(Shard* shard) {
    ShardStatus status;
    status.metrics = shard->metrics();
    if (shard->io_counters) status.io = shard->io_counters();
    status.replication.counters = shard->replicator().counters();
    for (const auto& [identity, partition] : shard->partitions()) look_at_partition(*shard, *partition, status);
    if (log::LogStore* store = shard->store()) {
        for (const auto& [identity, log] : store->logs()) {
            status.unsynced_bytes += log->unsynced_bytes();
            status.unsynced_age = std::max(status.unsynced_age, log->unsynced_age());
        }
        const log::LogContext& context = store->context();
        status.space = store->space();
        status.storage_full = context.is_storage_full();
        status.marks_writable = store->marks_state().ok();
        status.logs = context.counters;
        status.pools.push_back({"tail", context.tail_bytes, context.tail_bytes_max});
        status.pools.push_back({"unwritten", static_cast<uint64_t>(context.unwritten.used()),
                                static_cast<uint64_t>(context.unwritten.capacity())});
    }
    if (rpc::Server* server = shard->server()) {
        status.rpc = server->counters();
        status.connections = server->connections();
        status.blocked_on_memory = server->time_blocked_on_memory();
        status.pools.push_back({"requests", server->memory_used(), shard->request_bytes_max()});
    }
    status.pools.push_back({"buffers", shard->world().buffers.bytes_in_use(), 0});
    co_return status;
}

namespace {

void add(log::LogCounters& sum, const log::LogCounters& part) {
    sum.appended_frames += part.appended_frames;
    sum.appended_bytes += part.appended_bytes;
    sum.rounds += part.rounds;
    sum.rounds_synced += part.rounds_synced;
    sum.written_bytes += part.written_bytes;
    sum.pad_bytes += part.pad_bytes;
    sum.reads_memory_bytes += part.reads_memory_bytes;
    sum.reads_disk_bytes += part.reads_disk_bytes;
    sum.segments_created += part.segments_created;
    sum.segments_reused += part.segments_reused;
    sum.segments_removed += part.segments_removed;
    sum.corrupt_reads += part.corrupt_reads;
    sum.torn_recoveries += part.torn_recoveries;
    sum.cut_records += part.cut_records;
    sum.logs_failed += part.logs_failed;
}

void add(IoCounters& sum, const IoCounters& part) {
    sum.submits += part.submits;
    sum.operations += part.operations;
    sum.waits += part.waits;
    sum.syncs += part.syncs;
    sum.punts += part.punts;
    sum.short_reads += part.short_reads;
    sum.short_writes += part.short_writes;
    sum.retries += part.retries;
    sum.overflows += part.overflows;
}

void add(ShardMetrics& sum, const ShardMetrics& part) {
    for (size_t level = 0; level < level_count; ++level) sum.produce[level].merge(part.produce[level]);
    for (size_t method = 0; method < method_count; ++method) {
        sum.requests[method].merge(part.requests[method]);
        sum.errors[method] += part.errors[method];
    }
    sum.write.merge(part.write);
    sum.sync.merge(part.sync);
    sum.records_in += part.records_in;
    sum.bytes_in += part.bytes_in;
    sum.bytes_out += part.bytes_out;
    sum.batches_refused += part.batches_refused;
    sum.duplicates += part.duplicates;
    sum.behind_gap += part.behind_gap;
    sum.leaderships_begun += part.leaderships_begun;
    sum.replicas_joined += part.replicas_joined;
    sum.replicas_left += part.replicas_left;
    sum.replication_bytes_out += part.replication_bytes_out;
}

void add(ReplicationStatus& sum, const ReplicationStatus& part) {
    sum.led += part.led;
    sum.not_all_in_sync += part.not_all_in_sync;
    sum.below_min_in_sync += part.below_min_in_sync;
    sum.records_on_no_disk += part.records_on_no_disk;
    sum.records_on_one_disk += part.records_on_one_disk;
    sum.lag_records_max = std::max(sum.lag_records_max, part.lag_records_max);
    sum.counters.bytes_in += part.counters.bytes_in;
    sum.counters.cuts += part.counters.cuts;
    sum.counters.records_cut += part.counters.records_cut;
    sum.counters.restarts += part.counters.restarts;
    sum.counters.catch_ups += part.counters.catch_ups;
    sum.counters.sessions_lost += part.counters.sessions_lost;
}

void add(std::vector<ReplicaProblem>& sum, const std::vector<ReplicaProblem>& part) {
    const size_t room = replica_problems_max - std::min(replica_problems_max, sum.size());
    sum.insert(sum.end(), part.begin(), part.begin() + static_cast<ptrdiff_t>(std::min(room, part.size())));
}

void add(std::vector<PoolStatus>& sum, const std::vector<PoolStatus>& part) {
    for (const PoolStatus& pool : part) {
        auto known =
            std::find_if(sum.begin(), sum.end(), [&](const PoolStatus& entry) { return entry.name == pool.name; });
        if (known == sum.end()) {
            sum.push_back(pool);
        } else {
            known->used_bytes += pool.used_bytes;
            known->limit_bytes += pool.limit_bytes;
        }
    }
}

}  // namespace

ShardStatus merge(const std::vector<ShardStatus>& shards) {
    ShardStatus sum;
    for (const ShardStatus& shard : shards) {
        bool is_first = &shard == &shards.front();
        sum.partitions += shard.partitions;
        sum.partitions_failed += shard.partitions_failed;
        sum.unsynced_bytes += shard.unsynced_bytes;
        sum.unsynced_age = std::max(sum.unsynced_age, shard.unsynced_age);
        if (is_first || shard.space.free_bytes < sum.space.free_bytes) sum.space = shard.space;
        sum.storage_full = sum.storage_full || shard.storage_full;
        sum.marks_writable = sum.marks_writable && shard.marks_writable;
        add(sum.pools, shard.pools);
        add(sum.metrics, shard.metrics);
        add(sum.replication, shard.replication);
        add(sum.problems, shard.problems);
        sum.problem_count += shard.problem_count;
        add(sum.logs, shard.logs);
        add(sum.io, shard.io);
        for (size_t method = 0; method < sum.rpc.requests.size(); ++method) {
            sum.rpc.requests[method] += shard.rpc.requests[method];
        }
        for (size_t reason = 0; reason < sum.rpc.refused.size(); ++reason) {
            sum.rpc.refused[reason] += shard.rpc.refused[reason];
        }
        sum.rpc.connections_accepted += shard.rpc.connections_accepted;
        sum.rpc.accept_errors += shard.rpc.accept_errors;
        sum.connections += shard.connections;
        sum.blocked_on_memory += shard.blocked_on_memory;
    }
    return sum;
}

}  // namespace ironbark::broker
