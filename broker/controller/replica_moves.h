#pragma once
// What the active controller has to do next for replicas that are moved. Pure.

#include <vector>

#include "broker/controller/commands.h"
#include "broker/controller/metadata.h"

namespace ironbark::broker {

struct MoveSteps {
    std::vector<LeaderMove> leaders;  // to a broker that stays, in place of one that goes
    std::vector<ReplicaMove> ends;    // of moves, whose new replicas are in sync
};
// At most a batch of each. A move without a step waits: for a leader, or for replicas that are not in sync.
MoveSteps next_steps(const Metadata& metadata);

}  // namespace ironbark::broker
