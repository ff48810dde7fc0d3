#include "broker/controller/replica_moves.h"

#include <algorithm>

#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

// The most preferred of those that stay and could lead at once; -1: none could.
BrokerId next_leader(const Metadata& metadata, const PartitionRecord& partition) {
    for (BrokerId each : partition.moving_to) {
        if (contains(partition.in_sync, each) && metadata.is_alive(each)) return each;
    }
    return BrokerId(-1);
}

// Who was added is there before the leader goes: else it would have to lead with fewer than before.
bool has_its_new_ones(const PartitionRecord& partition) {
    return std::all_of(partition.added.begin(), partition.added.end(), [&](BrokerId each) {
        return !contains(partition.moving_to, each) || contains(partition.in_sync, each);
    });
}

}  // namespace

MoveSteps next_steps(const Metadata& metadata) {
    MoveSteps steps;
    for (const PartitionIdentity& identity : metadata.moving()) {
        const auto topic = metadata.find(identity.topic);
        const PartitionRecord& partition = *metadata.find(identity);
        if (partition.leader.value == -1 || !has_its_new_ones(partition)) continue;
        if (can_end_move(partition, topic->min_in_sync)) {
            if (steps.ends.size() == batch_partitions) continue;
            steps.ends.push_back({identity.topic, identity.partition, partition.partition_epoch, {}, 0});
        } else if (!contains(partition.moving_to, partition.leader) && partition.target.value == -1) {
            const BrokerId target = next_leader(metadata, partition);
            if (target.value == -1 || steps.leaders.size() == batch_partitions) continue;
            steps.leaders.push_back({identity.topic, identity.partition, partition.partition_epoch, target});
        }
    }
    return steps;
}

}  // namespace ironbark::broker
