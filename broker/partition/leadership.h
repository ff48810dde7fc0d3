#pragma once
// One leadership of a partition, from an appointment until it ends: what is known of the replicas, and who waits for
// them. Belongs to its partition; whoever waits keeps it alive.

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
    Offset sync_to;    // somebody waits until everything below is durable everywhere
    Offset memory_to;  // ... or in memory
    Instant has_memory_readers_until{};
    Threshold high;  // the watermarks, for who waits; closed when the leadership ends
    Threshold durable;
};

}  // namespace ironbark::broker
