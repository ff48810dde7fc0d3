// The state as commands that lead to it.
#include "broker/controller/metadata.h"
#include "broker/controller/metadata_wire.h"

namespace ironbark::broker {

using rpc::to_wire;

// Fills one part after the other: brokers before the topics that name them, a topic's partitions in as many parts as
// they need. What does not fit waits for the next part.
class Metadata::SnapshotParts {
  public:
    explicit SnapshotParts(const Metadata& state)
        : state_(state),
          next_broker_(state.brokers_.begin()),
          next_event_(state.events_.begin()),
          next_topic_(state.by_name_.begin()) {}

    bool has_more() const {
        return is_first_ || next_broker_ != state_.brokers_.end() || next_event_ != state_.events_.end() ||
               next_topic_ != state_.by_name_.end();
    }

    Command next() {
        builder_.Reset();
        std::vector<wire::Uuid> deleted;
        if (is_first_) {
            for (const Uuid& id : state_.deleted_) deleted.push_back(to_wire(id));
        }
        std::vector<flatbuffers::Offset<wire::BrokerState>> brokers;
        for (; next_broker_ != state_.brokers_.end() && !is_full(); ++next_broker_) {
            brokers.push_back(broker(next_broker_->second));
        }
        std::vector<flatbuffers::Offset<wire::EventState>> events;
        for (; next_event_ != state_.events_.end() && !is_full(); ++next_event_) events.push_back(event(*next_event_));
        std::vector<flatbuffers::Offset<wire::TopicState>> topics;
        while (next_topic_ != state_.by_name_.end() && !is_full()) {
            const TopicRecord& topic = *next_topic_->second;
            topics.push_back(topic_from(topic, next_partition_));
            if (next_partition_ < topic.partitions.size()) break;
            next_partition_ = 0;
            ++next_topic_;
        }
        auto body = wire::CreateSnapshotCommandDirect(builder_, state_.version_, state_.next_producer_id_, &brokers,
                                                      &topics, !is_first_, &deleted, &events, state_.controller_.value,
                                                      state_.controller_term_, state_.feature_level_,
                                                      state_.session_timeout_ms_, state_.is_failover_manual_);
        is_first_ = false;
        return finish(builder_, wire::CommandBody::SnapshotCommand, body);
    }

  private:
    bool is_full() const { return builder_.GetSize() >= snapshot_bytes_max - snapshot_bytes_max / 8; }

    flatbuffers::Offset<wire::BrokerState> broker(const BrokerRecord& broker) {
        wire::Uuid directory = to_wire(broker.directory);
        auto host = builder_.CreateString(broker.host);
        auto peer_host = builder_.CreateString(broker.peer_host);
        auto rack = builder_.CreateString(broker.rack);
        auto version = builder_.CreateString(broker.version);
        return wire::CreateBrokerState(builder_, broker.id.value, &directory, broker.incarnation.value, host,
                                       broker.port, peer_host, broker.peer_port, rack, version, broker.feature_level,
                                       broker.is_alive, broker.is_clean, broker.since.milliseconds, broker.replica_port,
                                       broker.started_from.value, broker.is_controller_only);
    }

    flatbuffers::Offset<wire::EventState> event(const ClusterEvent& event) {
        auto names = builder_.CreateVectorOfStrings(event.names);
        return wire::CreateEventState(builder_, event.number, event.time.milliseconds, static_cast<uint8_t>(event.kind),
                                      static_cast<uint8_t>(event.cause), event.broker.value, event.value, event.count,
                                      names);
    }

    flatbuffers::Offset<wire::PartitionState> partition(const PartitionRecord& partition) {
        auto replicas = builder_.CreateVector(numbers_of(partition.replicas));
        auto in_sync = builder_.CreateVector(numbers_of(partition.in_sync));
        auto holders = builder_.CreateVector(numbers_of(partition.holders));
        auto durable = builder_.CreateVector(numbers_of(partition.durable));
        auto damaged = builder_.CreateVector(numbers_of(partition.damaged));
        auto moving_to = builder_.CreateVector(numbers_of(partition.moving_to));
        auto added = builder_.CreateVector(numbers_of(partition.added));
        auto memberships = builder_.CreateVector(partition.memberships);
        return wire::CreatePartitionState(builder_, replicas, in_sync, partition.leader.value,
                                          partition.leader_epoch.value, partition.partition_epoch, holders, durable,
                                          partition.last_leader.value, partition.target.value, damaged, moving_to,
                                          added, memberships, partition.throttle);
    }

    // One partition at least, and as many more as fit; says where the next part goes on.
    flatbuffers::Offset<wire::TopicState> topic_from(const TopicRecord& topic, size_t first) {
        wire::Uuid id = to_wire(topic.id);
        std::vector<flatbuffers::Offset<wire::PartitionState>> partitions;
        flatbuffers::Offset<flatbuffers::String> name;
        flatbuffers::Offset<SettingsVector> settings;
        if (first == 0) {
            name = builder_.CreateString(topic.name);
            settings = settings_of(builder_, topic.settings);
        }
        do {
            partitions.push_back(partition(topic.partitions[next_partition_++]));
        } while (next_partition_ < topic.partitions.size() && !is_full());
        auto list = builder_.CreateVector(partitions);
        if (first > 0) {
            return wire::CreateTopicState(builder_, &id, 0, 1, 0, 0, 0, list, static_cast<int32_t>(first));
        }
        return wire::CreateTopicState(builder_, &id, name, topic.min_in_sync, settings, topic.settings_version,
                                      topic.created.milliseconds, list, 0, topic.has_durable_floor);
    }

    const Metadata& state_;
    flatbuffers::FlatBufferBuilder builder_;
    bool is_first_ = true;
    std::map<BrokerId, BrokerRecord>::const_iterator next_broker_;
    SharedList<ClusterEvent>::Iterator next_event_;
    SharedMap<std::string, std::shared_ptr<const TopicRecord>>::Iterator next_topic_;
    size_t next_partition_ = 0;
};

std::vector<Command> Metadata::snapshot() const {
    std::vector<Command> commands;
    SnapshotParts parts(*this);
    while (parts.has_more()) commands.push_back(parts.next());
    return commands;
}

}  // namespace ironbark::broker
