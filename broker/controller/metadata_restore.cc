// A snapshot read back. It comes from a disk or another machine, so whatever the rest of the state machine relies on is
// checked here.
#include "broker/controller/metadata.h"
#include "broker/controller/metadata_wire.h"
#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

using rpc::from_wire;

// Counters go on from here, one by one, and never get to their end.
constexpr int64_t counter_max = INT64_MAX / 2;
constexpr Error contradicts_itself(ErrorCode::corrupt_data, "a snapshot that contradicts itself");

PartitionRecord record_of(const wire::PartitionState& from) {
    PartitionRecord partition;
    partition.replicas = brokers_of(from.replicas());
    partition.in_sync = brokers_of(from.in_sync());
    partition.holders = brokers_of(from.holders());
    partition.durable = brokers_of(from.durable());
    partition.leader = BrokerId(from.leader());
    partition.leader_epoch = Epoch(from.leader_epoch());
    partition.partition_epoch = from.partition_epoch();
    partition.last_leader = BrokerId(from.last_leader());
    partition.target = BrokerId(from.target());
    partition.damaged = brokers_of(from.damaged());
    partition.moving_to = brokers_of(from.moving_to());
    partition.added = brokers_of(from.added());
    partition.throttle = from.throttle();
    if (from.memberships() != nullptr) {
        partition.memberships.assign(from.memberships()->begin(), from.memberships()->end());
    } else {
        partition.memberships.assign(partition.replicas.size(), 0);
    }
    return partition;
}

bool is_possible(const Metadata& state, const PartitionRecord& partition, int32_t min_in_sync) {
    const size_t count = partition.replicas.size();
    if (count == 0 || count > partition_replicas_max) return false;
    for (BrokerId replica : partition.replicas) {
        if (state.find(replica) == nullptr || state.find(replica)->is_controller_only) return false;
    }
    if (min_in_sync < 1 || static_cast<size_t>(min_in_sync) > count) return false;
    if (partition.leader.value != -1 && !state.is_alive(partition.leader)) return false;
    return is_consistent(partition, min_in_sync);
}

}  // namespace

Result<void> Metadata::apply_body(const wire::SnapshotCommand& command) {
    static constexpr Error misplaced(ErrorCode::corrupt_data, "a part of a snapshot without what comes before it");
    Metadata state;
    if (command.continues()) {
        if (command.version() != version_) return misplaced;
        state = *this;
    } else {
        if (command.version() < 0 || command.version() > counter_max || command.next_producer_id() < 0) {
            return contradicts_itself;
        }
        if (command.session_timeout_ms() < 0) return contradicts_itself;
        if (command.feature_level() < 1 || (command.controller() == -1) != (command.controller_term() == 0)) {
            return contradicts_itself;
        }
        state.version_ = command.version();
        state.next_producer_id_ = command.next_producer_id();
        state.controller_ = BrokerId(command.controller());
        state.controller_term_ = command.controller_term();
        state.feature_level_ = command.feature_level();
        state.is_failover_manual_ = command.is_failover_manual();
        state.session_timeout_ms_ = command.session_timeout_ms();
    }
    for (const wire::Uuid* id : Elements(command.deleted_topics())) state.deleted_.push_back(from_wire(id));
    const bool is_good = state.deleted_.size() <= deleted_topics_max && state.restore_brokers(command).ok() &&
                         state.restore_events(command).ok() && state.restore_topics(command).ok();
    if (!is_good) return contradicts_itself;
    *this = std::move(state);
    return {};
}

Result<void> Metadata::restore_brokers(const wire::SnapshotCommand& command) {
    for (const wire::BrokerState* from : Elements(command.brokers())) {
        BrokerRecord broker;
        broker.id = BrokerId(from->broker());
        broker.directory = from_wire(from->directory());
        broker.incarnation = Incarnation(from->incarnation());
        broker.host = text_of(from->host());
        broker.port = from->port();
        broker.peer_host = text_of(from->peer_host());
        broker.peer_port = from->peer_port();
        broker.replica_port = from->replica_port();
        broker.rack = text_of(from->rack());
        broker.version = text_of(from->version());
        broker.feature_level = from->feature_level();
        broker.is_controller_only = from->is_controller_only();
        broker.is_alive = from->is_alive();
        broker.is_clean = from->is_clean();
        broker.started_from = Incarnation(from->started_from());
        broker.since = Timestamp(from->since_ms());
        if (broker.id.value < 0 || broker.incarnation.value < 0 || brokers_.size() >= cluster_brokers_max) {
            return contradicts_itself;
        }
        if (broker.is_alive && broker.feature_level < feature_level_) return contradicts_itself;
        const bool was_before = broker.started_from >= Incarnation(-1) && broker.started_from < broker.incarnation;
        if (!was_before || (broker.started_from.value >= 0 && !broker.is_clean)) return contradicts_itself;
        if (!brokers_.emplace(broker.id, std::move(broker)).second) return contradicts_itself;
    }
    return {};
}

Result<void> Metadata::restore_events(const wire::SnapshotCommand& command) {
    for (const wire::EventState* from : Elements(command.events())) {
        ClusterEvent event;
        event.number = from->number();
        event.time = Timestamp(from->time_ms());
        event.kind = static_cast<EventKind>(from->kind());  // of a newer version, perhaps, and kept
        event.cause = static_cast<EventCause>(from->cause());
        event.broker = BrokerId(from->broker());
        event.value = from->value();
        event.count = from->count();
        for (const flatbuffers::String* name : Elements(from->names())) add_name(event, text_of(name));
        const bool follows = events_.empty() ? event.number >= 1 : event.number == events_.back().number + 1;
        if (!follows || event.number > counter_max || events_.size() >= events_max) return contradicts_itself;
        events_.push_back(std::move(event));
    }
    return {};
}

Result<void> Metadata::restore_topics(const wire::SnapshotCommand& command) {
    for (const wire::TopicState* from : Elements(command.topics())) TRY_VOID(restore_topic(*from));
    return {};
}

// A topic, or more partitions of one that an earlier part began.
Result<void> Metadata::restore_topic(const wire::TopicState& from) {
    auto topic = std::make_shared<TopicRecord>();
    if (from.first_partition() == 0) {
        topic->id = from_wire(from.topic());
        topic->name = text_of(from.name());
        topic->min_in_sync = from.min_in_sync();
        topic->settings_version = from.settings_version();
        topic->created = Timestamp(from.time_ms());
        topic->has_durable_floor = from.has_durable_floor();
        merge_settings(from.settings(), topic->settings);
        TRY_VOID(check_name(*topic));
        if (topic->settings_version < 0 || topic->settings_version > counter_max) return contradicts_itself;
    } else {
        std::shared_ptr<const TopicRecord> begun = find(from_wire(from.topic()));
        if (begun == nullptr) return contradicts_itself;
        if (from.first_partition() != static_cast<int32_t>(begun->partitions.size())) return contradicts_itself;
        *topic = *begun;
    }
    const size_t count = Elements(from.partitions()).size();
    if (count == 0) return contradicts_itself;
    TRY_VOID(check_room(*topic, count));
    for (const wire::PartitionState* partition : Elements(from.partitions())) {
        topic->partitions.push_back(record_of(*partition));
        if (!is_possible(*this, topic->partitions.back(), topic->min_in_sync)) return contradicts_itself;
    }
    partition_count_ += count;
    put(std::move(topic));
    return {};
}

}  // namespace ironbark::broker
