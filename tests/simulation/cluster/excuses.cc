#include "tests/simulation/cluster/excuses.h"

#include <algorithm>
#include <set>

namespace ironbark::simulation {
namespace {

bool has(const std::vector<int32_t>& brokers, int32_t broker) {
    return std::find(brokers.begin(), brokers.end(), broker) != brokers.end();
}

}  // namespace

void Excuses::broker_ended(int32_t broker, bool in_order) {
    if (in_order && are_disks_good_) return;
    last_unclean_end_ = simulation_.now();
    unclean_ends_[broker] = simulation_.now();
    for (auto& [name, partition] : partitions_) {
        if (has(partition.replicas.all, broker)) partition.crashes.push_back({broker, simulation_.now()});
    }
}

void Excuses::replica_damaged(const PartitionIdentity& name, int32_t broker) {
    Partition& partition = partitions_[name];
    partition.damages[broker] = simulation_.now();
    partition.crashes.push_back({broker, simulation_.now()});
}

void Excuses::has_replicas(const PartitionIdentity& name, const Replicas& replicas) {
    Partition& partition = partitions_[name];
    if (replicas.partition_epoch <= partition.replicas.partition_epoch) return;
    partition.replicas = replicas;
    // Those that are in sync have everything, and are enough: who was let go is not missed any more.
    if (replicas.in_sync < static_cast<size_t>(replicas.min_in_sync)) return;
    for (Crash& crash : partition.crashes) {
        if (!has(replicas.all, crash.broker)) crash.back = std::min(crash.back, simulation_.now());
    }
}

bool Excuses::may_move(const Uuid& topic) {
    return topic.bytes.back() % 2 == 0;
}

void Excuses::leads(const PartitionIdentity& name, int32_t epoch, int32_t leader) {
    partitions_[name].leaders.emplace(epoch, leader);
    partitions_[name].begun.emplace(epoch, simulation_.now());
}

void Excuses::is_back_in_sync(const PartitionIdentity& name, int32_t broker) {
    for (Crash& crash : partitions_[name].crashes) {
        if (crash.broker == broker) crash.back = std::min(crash.back, simulation_.now());
    }
}

bool Excuses::is_followed(const PartitionIdentity& name, int32_t epoch, Instant then) const {
    auto found = partitions_.find(name);
    if (found == partitions_.end()) return false;
    auto next = found->second.begun.upper_bound(epoch);
    return std::any_of(next, found->second.begun.end(), [then](const auto& each) { return each.second < then; });
}

bool Excuses::is_single(const PartitionIdentity& name) const {
    auto found = partitions_.find(name);
    return found == partitions_.end() || (found->second.replicas.all.size() == 1 && !may_move(name.topic));
}

// A planned move raises the epoch by one; an appointment by two, because the end of the leadership before has one, too.
// Of a broker that keeps the partition alone a start raises it by one, and takes its memory if the end was not in
// order.
bool Excuses::was_appointed(const Partition& partition, int32_t after, Instant since) const {
    int32_t before = after;
    auto known = partition.leaders.find(after);
    int32_t leader = known == partition.leaders.end() ? -1 : known->second;
    for (auto next = partition.leaders.upper_bound(after); next != partition.leaders.end(); ++next) {
        if (next->first != before + 1) return true;
        auto end = unclean_ends_.find(leader);
        if (next->second == leader && end != unclean_ends_.end() && end->second >= since) return true;
        before = next->first;
        leader = next->second;
    }
    return false;
}

// Whether somebody has led since that epoch who may not have what its leader had on disk.
bool Excuses::may_lack(const Partition& partition, int32_t epoch, Instant since) const {
    auto has_its_disk = [&](int32_t broker) {
        auto wipe = wipes_.find(broker);
        auto damage = partition.damages.find(broker);
        return (wipe == wipes_.end() || wipe->second < since) &&
               (damage == partition.damages.end() || damage->second < since);
    };
    auto first = partition.leaders.find(epoch);
    std::set<int32_t> have;
    if (first != partition.leaders.end()) have.insert(first->second);
    int32_t before = epoch;
    int32_t leader = first == partition.leaders.end() ? -1 : first->second;
    for (auto next = partition.leaders.upper_bound(epoch); next != partition.leaders.end(); ++next) {
        bool is_move = next->first == before + 1 && next->second != leader;
        bool is_known = next->first <= before + 2;  // nobody has led in between
        const bool has_it = have.contains(next->second) && has_its_disk(next->second);
        if (!is_move && (!is_known || !has_it)) return true;
        have.insert(next->second);
        before = next->first;
        leader = next->second;
    }
    return false;
}

bool Excuses::has_lost_memories(const Partition& partition, Instant since) const {
    if (!are_disks_good_) return true;
    for (const Crash& last : partition.crashes) {
        std::set<int32_t> away;
        for (const Crash& crash : partition.crashes) {
            if (crash.at >= since && crash.at <= last.at && crash.back > last.at) away.insert(crash.broker);
        }
        if (away.size() >= static_cast<size_t>(partition.replicas.min_in_sync)) return true;
    }
    return false;
}

bool Excuses::may_be_lost(const PartitionIdentity& name, const Told& told, Instant sent) const {
    if (told.is_durable) return false;
    auto found = partitions_.find(name);
    if (!has_cluster_ || found == partitions_.end()) return last_unclean_end_ >= sent;
    const Partition& partition = found->second;
    if (is_single(name)) {
        auto end = unclean_ends_.find(partition.replicas.all.front());
        return end != unclean_ends_.end() && end->second >= sent;
    }
    if (!was_appointed(partition, told.epoch, sent)) return false;
    if (told.is_on_leaders_disk && !may_lack(partition, told.epoch, sent)) return false;
    return !told.is_replicated || has_lost_memories(partition, sent);
}

bool Excuses::may_be_undone(const PartitionIdentity& name) const {
    Told shown;
    shown.is_replicated = true;
    return may_be_lost(name, shown, Instant{} + 1ns);
}

}  // namespace ironbark::simulation
