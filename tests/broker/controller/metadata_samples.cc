#include "tests/broker/controller/metadata_samples.h"

#include <algorithm>

namespace ironbark::broker {

Incarnation RandomCommands::incarnation_of(const Metadata& state, BrokerId id) {
    const BrokerRecord* broker = state.find(id);
    if (broker == nullptr || !often()) return Incarnation(number(9));
    return broker->incarnation;
}

BrokerIds RandomCommands::some_of(const BrokerIds& brokers) {
    BrokerIds some;
    for (BrokerId broker : brokers) {
        if (random_.below(4) != 0) some.push_back(broker);
    }
    if (!often()) some.push_back(some_broker());
    if (some.size() > 1 && random_.below(3) == 0) std::swap(some.front(), some.back());
    return some;
}

Assignment RandomCommands::assignment(size_t partitions) {
    const size_t replicas = random_.below(16) == 0 ? 0 : (often() ? 2 : 1) + random_.below(2);
    Assignment assignment;
    for (size_t partition = 0; partition < partitions; ++partition) {
        BrokerIds list;
        const int32_t first = number(4);
        for (size_t index = 0; index < replicas; ++index) {
            list.push_back(BrokerId(1 + (first + static_cast<int32_t>(index)) % 4));
        }
        if (random_.below(40) == 0) list.push_back(some_broker());
        assignment.push_back(std::move(list));
    }
    return assignment;
}

std::shared_ptr<const TopicRecord> RandomCommands::some_topic(const Metadata& state) {
    if (state.topics().empty() || !often()) {
        return std::make_shared<TopicRecord>(topic("t9", 1 + random_.below(ids_ + 2)));
    }
    return std::next(state.topics().begin(), static_cast<std::ptrdiff_t>(random_.below(state.topics().size())))->second;
}

Command RandomCommands::registration(const Metadata& state) {
    const BrokerId id = some_broker();
    const BrokerRecord* known = state.find(id);
    const int64_t last = known == nullptr ? 0 : known->incarnation.value;
    RegisterBroker broker = start(id.value, often() ? last + 1 + number(2) : last, random_.below(2) == 0 ? last : -1);
    if (known != nullptr) broker.directory = known->directory;
    if (!often()) broker.directory = uuid(7000 + random_.below(1000));
    broker.feature_level = often() ? 3 : 1 + number(3);
    return register_broker(broker);
}

Command RandomCommands::creation() {
    TopicRecord record = topic("t" + std::to_string(random_.below(8)), ++ids_, often() ? 1 + number(2) : number(4));
    if (random_.below(2) == 0) record.settings["retention.ms"] = std::to_string(random_.below(100));
    if (random_.below(4) == 0) record.settings["min.acks"] = "isr_durable";
    return create_topic(record, assignment(random_.below(6)));
}

Command RandomCommands::addition(const Metadata& state) {
    auto found = some_topic(state);
    const size_t now = found->partitions.size();
    const size_t more = random_.below(3);
    if (now == 0) return add_partitions(found->id, 3, assignment(3), Timestamp(4000));
    Assignment lists(often() ? more : more + 1, found->partitions[0].replicas);
    return add_partitions(found->id, static_cast<int32_t>(now + more), lists, Timestamp(4000));
}

Command RandomCommands::appointments(const Metadata& state) {
    std::vector<Appointment> batch;
    for (uint64_t count = random_.below(5); count > 0; --count) {
        auto found = some_topic(state);
        Appointment one;
        one.topic = found->id;
        one.partition = PartitionIndex(number(found->partitions.size() + 1));
        if (static_cast<size_t>(one.partition.value) < found->partitions.size()) {
            const PartitionRecord& partition = found->partitions[static_cast<size_t>(one.partition.value)];
            one.partition_epoch = partition.partition_epoch - (often() ? 0 : 1);
            BrokerIds candidates = random_.below(2) == 0 ? partition.in_sync : partition.replicas;
            if (candidates.empty()) candidates = partition.durable;
            if (!candidates.empty()) one.leader = candidates[random_.below(candidates.size())];
            one.in_sync = some_of(candidates);
            bool there = std::find(one.in_sync.begin(), one.in_sync.end(), one.leader) != one.in_sync.end();
            if (!there && often()) one.in_sync = {one.leader};
            if (random_.below(6) == 0) one.leader = BrokerId(-1);
        }
        one.incarnation = incarnation_of(state, one.leader);
        one.unclean = random_.below(4) == 0;
        batch.push_back(std::move(one));
    }
    return appoint_leaders(batch, Timestamp(5000));
}

Command RandomCommands::changes(const Metadata& state) {
    std::vector<InSyncChange> batch;
    for (uint64_t count = random_.below(5); count > 0; --count) {
        auto found = some_topic(state);
        InSyncChange one;
        one.topic = found->id;
        one.partition = PartitionIndex(number(found->partitions.size() + 1));
        if (static_cast<size_t>(one.partition.value) < found->partitions.size()) {
            const PartitionRecord& partition = found->partitions[static_cast<size_t>(one.partition.value)];
            one.leader = partition.leader;
            one.leader_epoch = Epoch(partition.leader_epoch.value - (often() ? 0 : 1));
            one.partition_epoch = partition.partition_epoch - (often() ? 0 : 1);
            one.in_sync = some_of(partition.replicas);
            bool there = std::find(one.in_sync.begin(), one.in_sync.end(), one.leader) != one.in_sync.end();
            if (!there && often()) one.in_sync.push_back(one.leader);
        }
        for (BrokerId member : one.in_sync) one.joining.push_back({member, incarnation_of(state, member)});
        batch.push_back(std::move(one));
    }
    return change_in_sync(batch);
}

Command RandomCommands::moves(const Metadata& state) {
    std::vector<LeaderMove> batch;
    for (uint64_t count = random_.below(5); count > 0; --count) {
        auto found = some_topic(state);
        LeaderMove one;
        one.topic = found->id;
        one.partition = PartitionIndex(number(found->partitions.size() + 1));
        if (static_cast<size_t>(one.partition.value) < found->partitions.size()) {
            const PartitionRecord& partition = found->partitions[static_cast<size_t>(one.partition.value)];
            one.partition_epoch = partition.partition_epoch - (often() ? 0 : 1);
            const BrokerIds& candidates =
                often() && !partition.in_sync.empty() ? partition.in_sync : partition.replicas;
            if (often()) one.target = candidates[random_.below(candidates.size())];
        }
        batch.push_back(one);
    }
    return move_leaders(batch);
}

Command RandomCommands::handovers(const Metadata& state) {
    std::vector<LeaderHandover> batch;
    for (const auto& [name, topic] : state.topics()) {
        for (size_t index = 0; index < topic->partitions.size(); ++index) {
            const PartitionRecord& partition = topic->partitions[index];
            if (partition.target.value < 0 && random_.below(8) != 0) continue;
            LeaderHandover one;
            one.topic = topic->id;
            one.partition = PartitionIndex(static_cast<int32_t>(index));
            one.leader = partition.leader;
            one.leader_epoch = Epoch(partition.leader_epoch.value - (often() ? 0 : 1));
            one.partition_epoch = partition.partition_epoch - (often() ? 0 : 1);
            one.target = partition.target;
            one.incarnation = incarnation_of(state, one.target);
            batch.push_back(one);
        }
    }
    if (random_.below(8) == 0) batch.clear();
    return hand_over_leaders(batch, Timestamp(5000));
}

Command RandomCommands::replica_moves(const Metadata& state) {
    std::vector<ReplicaMove> batch;
    for (const PartitionIdentity& each : state.moving()) {
        const int32_t epoch = state.find(each)->partition_epoch - (often() ? 0 : 1);
        batch.push_back({each.topic, each.partition, epoch, {}, 0});
    }
    for (uint64_t count = random_.below(4); count > 0; --count) {
        auto found = some_topic(state);
        ReplicaMove one{found->id, PartitionIndex(number(found->partitions.size() + 1)), 0, {}, 0};
        if (const PartitionRecord* partition = state.find(PartitionIdentity{one.topic, one.partition})) {
            one.partition_epoch = partition->partition_epoch - (often() ? 0 : 1);
            one.to = some_of(partition->replicas);
        }
        const BrokerId more = some_broker();
        if (often() && std::find(one.to.begin(), one.to.end(), more) == one.to.end()) one.to.push_back(more);
        if (often()) one.throttle = static_cast<int64_t>(random_.below(1000)) - 1;
        batch.push_back(std::move(one));
    }
    return move_replicas(batch, Timestamp(5000));
}

Command RandomCommands::of_kind(const Metadata& state, uint64_t kind) {
    auto value = [this] { return std::to_string(random_.below(100)); };
    switch (kind) {
        case 0: return creation();
        case 1: return random_.below(3) == 0 ? delete_topic(some_topic(state)->id, Timestamp(4000)) : creation();
        case 2:
            return alter_topic(some_topic(state)->id, {{"retention.ms", value()}, {"flush.bytes", value()}},
                               {"segment.bytes"}, Timestamp(4000));
        case 3:
            if (random_.below(4) == 0) {
                return alter_topic(some_topic(state)->id, {{"min.acks", "leader"}}, {}, Timestamp(4000));
            }
            return alter_topic(some_topic(state)->id, {}, {"retention.ms"}, Timestamp(4000));
        case 4: return addition(state);
        case 5: return allocate_producer_ids(state.next_producer_id() + (often() ? 0 : 1), number(5));
        case 6: {
            const BrokerId id = some_broker();
            return end_broker(id, incarnation_of(state, id), static_cast<EndReason>(random_.below(5)), Timestamp(3000));
        }
        case 7:
        case 8: return appointments(state);
        case 9:
        case 10: return changes(state);
        case 11: return controller_active(BrokerId(number(3)), random_.below(30), number(3) * 1000ms, Timestamp(6000));
        case 12:
            if (random_.below(4) == 0) return set_failover(random_.below(2) == 0, Timestamp(6000));
            return set_feature_level(number(4), Timestamp(6000));
        case 13:
        case 14: return moves(state);
        case 15: return handovers(state);
        case 16:
        case 17: return replica_moves(state);
        default: return registration(state);
    }
}

}  // namespace ironbark::broker
