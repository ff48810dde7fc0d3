// Brokers: their starts and their ends, and what these mean for the partitions that they hold.
#include <algorithm>
#include <fmt/format.h>

#include "broker/controller/metadata.h"
#include "broker/controller/metadata_wire.h"
#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

using rpc::from_wire;

void add_partition(ClusterEvent& event, const TopicRecord& topic, size_t partition) {
    ++event.count;
    if (event.names.size() < event_names_max) add_name(event, fmt::format("{}-{}", topic.name, partition));
}

// Replaces partitions of a topic, which is copied when the first one is.
class Draft {
  public:
    explicit Draft(const TopicRecord& topic) : topic_(topic) {}
    void replace(size_t partition, PartitionRecord record) {
        if (copy_ == nullptr) copy_ = std::make_shared<TopicRecord>(topic_);
        copy_->partitions[partition] = std::move(record);
    }
    std::shared_ptr<const TopicRecord> take() { return std::move(copy_); }

  private:
    const TopicRecord& topic_;
    std::shared_ptr<TopicRecord> copy_;
};

struct Effects {
    std::vector<std::shared_ptr<const TopicRecord>> topics;  // those that change
    ClusterEvent ended;
    ClusterEvent led;
};

// Applies a rule, which says whether it changed its copy of the record, to every partition that the broker holds.
template <typename Rule>
Result<void> for_each_partition(const Metadata& metadata, BrokerId broker, Effects* effects, Rule rule) {
    for (const auto& [name, topic] : metadata.topics()) {
        Draft draft(*topic);
        for (size_t index = 0; index < topic->partitions.size(); ++index) {
            const PartitionRecord& before = topic->partitions[index];
            if (!contains(before.replicas, broker)) continue;
            if (!has_epochs(before)) return no_epoch_left;
            PartitionRecord after = before;
            if (!rule(*topic, after)) continue;
            if (before.leader.value != -1 && after.leader.value == -1) add_partition(effects->ended, *topic, index);
            if (after.leader.value != -1 && after.leader_epoch != before.leader_epoch) {
                add_partition(effects->led, *topic, index);
            }
            draft.replace(index, std::move(after));
        }
        if (auto changed = draft.take()) effects->topics.push_back(std::move(changed));
    }
    return {};
}

ClusterEvent ended_event(const BrokerRecord& broker, EventCause cause, Timestamp time) {
    return event_of(EventKind::broker_ended, time, cause, broker.id, broker.incarnation.value);
}

ClusterEvent registered_event(const BrokerRecord& broker, EventCause cause) {
    ClusterEvent event =
        event_of(EventKind::broker_registered, broker.since, cause, broker.id, broker.incarnation.value);
    add_name(event, fmt::format("{}:{}", broker.host, broker.port));
    return event;
}

BrokerRecord record_of(const wire::RegisterBrokerCommand& command) {
    BrokerRecord broker;
    broker.id = BrokerId(command.broker());
    broker.directory = from_wire(command.directory());
    broker.incarnation = Incarnation(command.incarnation());
    broker.host = text_of(command.host());
    broker.port = command.port();
    broker.peer_host = text_of(command.peer_host());
    broker.peer_port = command.peer_port();
    broker.replica_port = command.replica_port();
    broker.rack = text_of(command.rack());
    broker.version = text_of(command.version());
    broker.feature_level = command.feature_level();
    broker.is_controller_only = command.is_controller_only();
    broker.is_alive = true;
    broker.since = Timestamp(command.time_ms());
    return broker;
}

// The verdict, which is never the broker's own.
EventCause verdict(const BrokerRecord* known, const BrokerRecord& broker, Incarnation stopped_cleanly) {
    if (known == nullptr) return EventCause::first_start;
    if (known->directory != broker.directory) return EventCause::other_directory;
    const bool is_repeat = stopped_cleanly.value >= 0 && stopped_cleanly == known->started_from;
    const bool is_clean = is_repeat || stopped_cleanly == known->incarnation;
    return is_clean ? EventCause::clean_start : EventCause::unclean_start;
}

}  // namespace

bool Metadata::keeps_partitions(BrokerId id) const {
    for (const auto& [name, topic] : by_name_) {
        for (const PartitionRecord& partition : topic->partitions) {
            if (contains(partition.replicas, id)) return true;
        }
    }
    return false;
}

Result<void> Metadata::check_broker(const wire::RegisterBrokerCommand& command) const {
    if (command.broker() < 0 || command.incarnation() < 0) {
        return Error(ErrorCode::invalid_request, "a broker has an id and an incarnation");
    }
    for (const flatbuffers::String* text : {command.host(), command.peer_host(), command.rack(), command.version()}) {
        if (from_wire(text).size() > broker_text_size_max) {
            return Error(ErrorCode::invalid_request, "a broker's hosts, rack and version have at most 255 bytes each");
        }
    }
    if (command.feature_level() < feature_level_) {
        return Error(ErrorCode::unsupported_version, "the cluster's feature level is above this program's: upgrade it");
    }
    const BrokerRecord* known = find(BrokerId(command.broker()));
    if (known == nullptr && brokers_.size() >= cluster_brokers_max) {
        return Error(ErrorCode::policy_violation, "a cluster has at most 1000 brokers");
    }
    if (known != nullptr && command.incarnation() <= known->incarnation.value) {
        return Error(ErrorCode::invalid_request, "the broker's incarnation is not a new one");
    }
    if (command.is_controller_only() && known != nullptr && keeps_partitions(known->id)) {
        return Error(
            ErrorCode::policy_violation,
            "it is to be a controller only, and keeps partitions: start it as a broker, and move their replicas");
    }
    return {};
}

Result<void> Metadata::apply_body(const wire::RegisterBrokerCommand& command) {
    TRY_VOID(check_broker(command));
    BrokerRecord broker = record_of(command);
    const BrokerRecord* known = find(broker.id);
    const Incarnation stopped(command.stopped_cleanly());
    const EventCause cause = verdict(known, broker, stopped);
    if (cause == EventCause::clean_start) broker.started_from = stopped;
    broker.is_clean = cause == EventCause::first_start || cause == EventCause::clean_start;
    const bool was_alive = known != nullptr && known->is_alive;
    const Start start = broker.is_clean                        ? Start::clean
                        : cause == EventCause::other_directory ? Start::wiped
                                                               : Start::unclean;
    Effects effects;
    if (was_alive) effects.ended = ended_event(*known, EventCause::replaced, broker.since);
    effects.led = event_of(EventKind::leader_changed, broker.since, EventCause::only_replica, broker.id, 0);
    auto rule = [&](const TopicRecord& topic, PartitionRecord& partition) {
        return apply_start(partition, broker.id, start, partition.leader == broker.id, topic.min_in_sync);
    };
    TRY_VOID(for_each_partition(*this, broker.id, &effects, rule));
    for (auto& topic : effects.topics) put(std::move(topic));
    if (was_alive) happened(std::move(effects.ended));
    happened(registered_event(broker, cause));
    if (effects.led.count > 0) happened(std::move(effects.led));
    brokers_[broker.id] = std::move(broker);
    return {};
}

Result<void> Metadata::apply_body(const wire::EndBrokerCommand& command) {
    const BrokerId id(command.broker());
    auto found = brokers_.find(id);
    if (found == brokers_.end() || !found->second.is_alive ||
        found->second.incarnation.value != command.incarnation()) {
        return Error(ErrorCode::stale_broker_epoch, "this incarnation of the broker is not the one that lives");
    }
    if (command.reason() > wire::EndReason::replaced) {
        return Error(ErrorCode::invalid_request, "a broker does not end for that reason");
    }
    BrokerRecord& broker = found->second;
    const auto cause = static_cast<EventCause>(static_cast<uint8_t>(command.reason()) + 1);
    Effects effects;
    effects.ended = ended_event(broker, cause, Timestamp(command.time_ms()));
    auto rule = [&](const TopicRecord&, PartitionRecord& partition) {
        if (partition.leader != id) return false;
        end_leadership(partition);
        return true;
    };
    TRY_VOID(for_each_partition(*this, id, &effects, rule));
    for (auto& topic : effects.topics) put(std::move(topic));
    broker.is_alive = false;
    broker.since = Timestamp(command.time_ms());
    happened(std::move(effects.ended));
    return {};
}

}  // namespace ironbark::broker
