#include "broker/controller/tiers.h"

#include <algorithm>
#include <utility>

namespace ironbark::broker {
namespace {

bool erase(BrokerIds& brokers, BrokerId broker) {
    auto found = std::find(brokers.begin(), brokers.end(), broker);
    if (found == brokers.end()) return false;
    brokers.erase(found);
    return true;
}

bool is_full(const BrokerIds& in_sync, int32_t min_in_sync) {
    return in_sync.size() >= static_cast<size_t>(min_in_sync);
}

// Members of either set, in the order of the replicas.
BrokerIds united(const PartitionRecord& partition, const BrokerIds& one, const BrokerIds& other) {
    BrokerIds both;
    for (BrokerId replica : partition.replicas) {
        if (contains(one, replica) || contains(other, replica)) both.push_back(replica);
    }
    return both;
}

BrokerIds clean_tier(const PartitionRecord& partition) {
    return united(partition, partition.in_sync, partition.holders);
}

// Below min-in-sync nothing is acknowledged at an isr level, so who leaves then keeps everything that was; and the
// durable tier stays what it was. From min-in-sync on, records are acknowledged that only the new set has.
void set_in_sync(PartitionRecord& partition, BrokerIds in_sync, int32_t min_in_sync) {
    if (is_full(in_sync, min_in_sync)) {
        partition.holders.clear();
        partition.durable = in_sync;
    } else {
        partition.holders = united(partition, partition.holders, partition.in_sync);
        for (BrokerId member : in_sync) erase(partition.holders, member);
    }
    partition.in_sync = std::move(in_sync);
    if (!contains(partition.in_sync, partition.target)) partition.target = BrokerId(-1);
}

void raise(Epoch& epoch) {
    epoch = Epoch(epoch.value + 1);
}

void set_leader(PartitionRecord& partition, BrokerId leader) {
    partition.leader = leader;
    partition.last_leader = BrokerId(-1);
    partition.target = BrokerId(-1);
}

void unset_leader(PartitionRecord& partition) {
    partition.last_leader = partition.leader;
    partition.leader = BrokerId(-1);
    partition.target = BrokerId(-1);
}

// (A topic whose floor `min.acks` is isr_durable could keep a broker whose recovery reached the recorded durable end in
// the clean tier here: everything that was acknowledged is on its disk.)
bool leave_tiers(PartitionRecord& partition, BrokerId broker, Start start, int32_t min_in_sync) {
    bool changed = erase(partition.in_sync, broker);
    if (partition.target == broker) partition.target = BrokerId(-1);
    changed = erase(partition.holders, broker) || changed;
    // Under a leader records go on to be acknowledged as durable by the rest alone. Without one nothing is, and who
    // returns from a power loss must not close the door behind itself.
    if (changed && partition.leader.value != -1 && is_full(partition.in_sync, min_in_sync)) {
        partition.durable = partition.in_sync;
    }
    if (start == Start::wiped) changed = erase(partition.durable, broker) || changed;
    return changed;
}

}  // namespace

bool contains(const BrokerIds& brokers, BrokerId broker) {
    return std::find(brokers.begin(), brokers.end(), broker) != brokers.end();
}

std::optional<BrokerIds> in_replica_order(const BrokerIds& replicas, const BrokerIds& set) {
    BrokerIds ordered;
    for (BrokerId replica : replicas) {
        if (contains(set, replica)) ordered.push_back(replica);
    }
    if (ordered.size() != set.size()) return std::nullopt;
    return ordered;
}

bool has_epochs(const PartitionRecord& partition) {
    return partition.leader_epoch.value < INT32_MAX && partition.partition_epoch < INT32_MAX;
}

bool has_twice(const BrokerIds& brokers) {
    for (auto broker = brokers.begin(); broker != brokers.end(); ++broker) {
        if (std::find(std::next(broker), brokers.end(), *broker) != brokers.end()) return true;
    }
    return false;
}

bool is_consistent(const PartitionRecord& partition, int32_t min_in_sync) {
    if (has_twice(partition.replicas) || partition.memberships.size() != partition.replicas.size()) return false;
    for (int32_t membership : partition.memberships) {
        if (membership < 0 || membership > partition.partition_epoch) return false;
    }
    if (!in_replica_order(partition.replicas, partition.moving_to)) return false;
    if (partition.moving_to.empty() && (!partition.added.empty() || partition.throttle != 0)) return false;
    if (partition.throttle < 0) return false;
    if (!partition.moving_to.empty() && partition.moving_to.size() < static_cast<size_t>(min_in_sync)) return false;
    for (const BrokerIds* set :
         {&partition.in_sync, &partition.holders, &partition.durable, &partition.damaged, &partition.added}) {
        if (in_replica_order(partition.replicas, *set) != *set) return false;
    }
    for (BrokerId damaged : partition.damaged) {
        if (contains(partition.in_sync, damaged) || contains(partition.holders, damaged)) return false;
        if (contains(partition.durable, damaged)) return false;
    }
    for (BrokerId holder : partition.holders) {
        if (contains(partition.in_sync, holder)) return false;
    }
    if (!partition.holders.empty() && is_full(partition.in_sync, min_in_sync)) return false;
    if (partition.leader.value != -1 && !contains(partition.in_sync, partition.leader)) return false;
    if (partition.last_leader.value != -1) {
        if (partition.leader.value != -1 || !contains(partition.replicas, partition.last_leader)) return false;
    }
    if (partition.target.value != -1) {
        const bool is_other = partition.leader.value != -1 && partition.target != partition.leader;
        if (!is_other || !contains(partition.in_sync, partition.target)) return false;
    }
    return partition.leader_epoch.value >= 0 && partition.partition_epoch >= 0;
}

PartitionRecord new_partition(BrokerIds replicas, BrokerIds in_sync, int32_t min_in_sync) {
    PartitionRecord partition;
    partition.memberships.assign(replicas.size(), 0);
    partition.replicas = std::move(replicas);
    // Nothing was acknowledged, so whoever is away has all of it.
    partition.in_sync = partition.durable = partition.replicas;
    const BrokerId leader = in_sync.front();
    set_in_sync(partition, std::move(in_sync), min_in_sync);
    partition.leader = leader;
    return partition;
}

void end_leadership(PartitionRecord& partition) {
    unset_leader(partition);
    raise(partition.leader_epoch);
    ++partition.partition_epoch;
}

bool apply_start(PartitionRecord& partition, BrokerId broker, Start start, bool led, int32_t min_in_sync) {
    if (led) {
        unset_leader(partition);
        raise(partition.leader_epoch);
    }
    bool changed = led;
    if (partition.replicas.size() == 1 && start != Start::wiped && contains(partition.durable, broker)) {
        // Nobody could answer but itself. One raise stands for the end and for the appointment: between them nobody
        // led.
        if (!led) raise(partition.leader_epoch);
        set_leader(partition, broker);
        set_in_sync(partition, {broker}, min_in_sync);
        changed = true;
    } else if (start != Start::clean) {
        changed = leave_tiers(partition, broker, start, min_in_sync) || changed;
    }
    if (changed) ++partition.partition_epoch;
    return changed;
}

BrokerIds electable(const PartitionRecord& partition, bool has_durable_floor) {
    if (has_durable_floor) return united(partition, clean_tier(partition), partition.durable);
    BrokerIds clean = clean_tier(partition);
    // Silence of a clean member opens nothing.
    return clean.empty() ? partition.durable : clean;
}

Tier tier_of(const PartitionRecord& partition, BrokerId broker, bool has_durable_floor) {
    if (contains(clean_tier(partition), broker)) return Tier::clean;
    return contains(electable(partition, has_durable_floor), broker) ? Tier::durable : Tier::none;
}

void appoint(PartitionRecord& partition, BrokerId leader, BrokerIds in_sync, Tier tier, int32_t min_in_sync) {
    if (tier == Tier::none) {
        // From here on the leader's log is what happened: whoever had more must not be appointed over it later.
        partition.holders.clear();
        partition.in_sync = in_sync;
        partition.durable = std::move(in_sync);
        erase(partition.damaged, leader);
    } else {
        set_in_sync(partition, std::move(in_sync), min_in_sync);
    }
    set_leader(partition, leader);
    raise(partition.leader_epoch);
    ++partition.partition_epoch;
}

void plan_move(PartitionRecord& partition, BrokerId target) {
    partition.target = target;
    ++partition.partition_epoch;
}

void hand_over(PartitionRecord& partition, bool leaves, int32_t min_in_sync) {
    const BrokerId before = partition.leader;
    set_leader(partition, partition.target);
    if (leaves) {
        BrokerIds in_sync = partition.in_sync;
        erase(in_sync, before);
        set_in_sync(partition, std::move(in_sync), min_in_sync);
    }
    raise(partition.leader_epoch);
    ++partition.partition_epoch;
}

bool mark_damaged(PartitionRecord& partition, BrokerId broker, int32_t min_in_sync) {
    PartitionRecord without = partition;
    leave_tiers(without, broker, Start::wiped, min_in_sync);
    if (clean_tier(without).empty() && without.durable.empty()) return false;
    without.damaged = united(partition, partition.damaged, {broker});
    ++without.partition_epoch;
    partition = std::move(without);
    return true;
}

void mark_emptied(PartitionRecord& partition, BrokerId broker) {
    erase(partition.damaged, broker);
    ++partition.partition_epoch;
    const auto place = std::find(partition.replicas.begin(), partition.replicas.end(), broker);
    partition.memberships[static_cast<size_t>(place - partition.replicas.begin())] = partition.partition_epoch;
}

const BrokerIds& replicas_to_be(const PartitionRecord& partition) {
    return partition.moving_to.empty() ? partition.replicas : partition.moving_to;
}

bool is_planned(const PartitionRecord& partition, const BrokerIds& to, int64_t throttle) {
    return to == replicas_to_be(partition) && (partition.moving_to.empty() || throttle == partition.throttle);
}

int32_t membership_of(const PartitionRecord& partition, BrokerId broker) {
    const auto place = std::find(partition.replicas.begin(), partition.replicas.end(), broker);
    if (place == partition.replicas.end()) return -1;
    return partition.memberships[static_cast<size_t>(place - partition.replicas.begin())];
}

void plan_replicas(PartitionRecord& partition, BrokerIds to, int64_t throttle) {
    ++partition.partition_epoch;
    for (BrokerId broker : to) {
        if (contains(partition.replicas, broker)) continue;
        partition.replicas.push_back(broker);
        partition.memberships.push_back(partition.partition_epoch);
        partition.added.push_back(broker);
    }
    partition.moving_to = std::move(to);
    partition.throttle = throttle;
}

bool can_end_move(const PartitionRecord& partition, int32_t min_in_sync) {
    const BrokerIds& to = partition.moving_to;
    if (to.empty() || !contains(to, partition.leader)) return false;
    for (BrokerId broker : partition.added) {
        if (contains(to, broker) && !contains(partition.in_sync, broker)) return false;
    }
    const auto keeps_enough = [&](const BrokerIds& set) {
        const auto kept = static_cast<size_t>(
            std::count_if(set.begin(), set.end(), [&](BrokerId member) { return contains(to, member); }));
        return kept == set.size() || kept >= static_cast<size_t>(min_in_sync);
    };
    return keeps_enough(partition.in_sync) && keeps_enough(partition.durable);
}

void end_move(PartitionRecord& partition, int32_t min_in_sync) {
    std::vector<int32_t> memberships;
    for (BrokerId broker : partition.moving_to) memberships.push_back(membership_of(partition, broker));
    partition.memberships = std::move(memberships);
    partition.replicas = std::exchange(partition.moving_to, {});
    partition.added.clear();
    partition.throttle = 0;
    // In the new order, without those that are gone.
    for (BrokerIds* set : {&partition.holders, &partition.durable, &partition.damaged}) {
        *set = united(partition, *set, {});
    }
    set_in_sync(partition, united(partition, partition.in_sync, {}), min_in_sync);
    ++partition.partition_epoch;
}

void change_in_sync(PartitionRecord& partition, BrokerIds in_sync, int32_t min_in_sync) {
    set_in_sync(partition, std::move(in_sync), min_in_sync);
    ++partition.partition_epoch;
}

void refuse_change(PartitionRecord& partition) {
    ++partition.partition_epoch;
}

}  // namespace ironbark::broker
