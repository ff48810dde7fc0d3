#pragma once
// One leadership of a partition, from an appointment until it ends: what is known of the replicas, and who waits for
// them. Belongs to its partition; whoever waits keeps it alive.

#include "broker/controller/tiers.h"
#include "broker/replication/planned_move.h"
#include "broker/replication/replica_set.h"
#include "runtime/task/sync.h"

namespace ironbark::broker {

struct Leadership {
    Leadership(Executor& executor, Epoch leader_epoch, ReplicaSet known)
        : epoch(leader_epoch),
          replicas(std::move(known)),
          high(executor, replicas.high_watermark().value),
          durable(executor, replicas.durable_watermark().value) {}

    Epoch epoch;
    ReplicaSet replicas;
    PlannedMove move;
    Instant next_hold{};  // of appends, for somebody who is to join: not before
    Offset sync_to;       // somebody waits until everything below is durable everywhere
    Offset memory_to;     // ... or in memory
    Instant has_memory_readers_until{};
    // Of a planned move of replicas: who was added, and how many bytes a second each of them is given; 0: any.
    BrokerIds added;
    int64_t throttle = 0;

    void take(const PartitionRecord& record, int32_t min_in_sync, Instant now) {
        replicas.take(record, min_in_sync, now);
        take_plans(record, now);
    }
    void take_plans(const PartitionRecord& record, Instant now) {
        move.take(record, now);
        added = record.added;
        throttle = record.throttle;
    }
    // How many bytes a second this follower is given while it is far behind; 0: any.
    int64_t throttle_of(BrokerId follower) const { return contains(added, follower) ? throttle : 0; }
    Threshold high;  // the watermarks, for who waits; closed when the leadership ends
    Threshold durable;
};

}  // namespace ironbark::broker
