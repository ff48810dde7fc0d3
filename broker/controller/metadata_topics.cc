// Topics: made, deleted, altered, given more partitions.
#include <algorithm>

#include "broker/controller/metadata.h"
#include "broker/controller/metadata_wire.h"
#include "broker/controller/tiers.h"

namespace ironbark::broker {
namespace {

using rpc::from_wire;

constexpr Error unknown_topic(ErrorCode::unknown_topic_id, "there is no topic with this id");

bool asks_for_disks(const TopicRecord& topic) {
    auto floor = topic.settings.find("min.acks");
    return floor != topic.settings.end() && floor->second == "isr_durable";
}

ClusterEvent topic_event(EventKind kind, int64_t time_ms, const TopicRecord& topic) {
    ClusterEvent event = event_of(kind, Timestamp(time_ms), EventCause::none, BrokerId(-1), 0);
    add_name(event, topic.name);
    return event;
}

}  // namespace

bool is_topic_name(std::string_view name) {
    if (name.empty() || name.size() > topic_name_size_max || name == "." || name == "..") return false;
    return std::all_of(name.begin(), name.end(), [](char character) {
        return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
               (character >= '0' && character <= '9') || character == '.' || character == '_' || character == '-';
    });
}

// Whether the state may take a topic of this name and id: from a command, or from a snapshot.
Result<void> Metadata::check_name(const TopicRecord& topic) const {
    if (!is_topic_name(topic.name)) {
        return Error(ErrorCode::invalid_topic, "a topic's name is 1 to 249 of a-z A-Z 0-9 . _ - and neither . nor ..");
    }
    if (find(topic.name) != nullptr) return Error(ErrorCode::topic_already_exists, "a topic of this name exists");
    if (topic.id.is_zero() || find(topic.id) != nullptr) return ErrorCode::invalid_request;
    if (by_name_.size() >= cluster_topics_max) {
        return Error(ErrorCode::policy_violation, "a cluster has at most 10000 topics");
    }
    return {};
}

// Whether so many more partitions find room in it.
Result<void> Metadata::check_room(const TopicRecord& topic, size_t more) const {
    constexpr auto most = static_cast<size_t>(topic_partitions_max);
    if (more > most || topic.partitions.size() + more > most) {
        return Error(ErrorCode::invalid_partitions, "a topic has 1 to 10000 partitions");
    }
    if (partition_count_ + more > cluster_partitions_max) {
        return Error(ErrorCode::invalid_partitions, "a cluster has at most 100000 partitions");
    }
    return {};
}

Result<std::vector<PartitionRecord>> Metadata::assigned(
    const flatbuffers::Vector<flatbuffers::Offset<wire::ReplicaList>>* lists, int32_t min_in_sync) const {
    std::vector<PartitionRecord> partitions;
    for (const wire::ReplicaList* list : Elements(lists)) {
        BrokerIds replicas = brokers_of(list->brokers());
        if (replicas.empty() || replicas.size() > partition_replicas_max) {
            return Error(ErrorCode::invalid_replication_factor, "a partition has 1 to 32 replicas");
        }
        if (!partitions.empty() && replicas.size() != partitions.front().replicas.size()) {
            return Error(ErrorCode::invalid_replication_factor, "every partition has the same number of replicas");
        }
        if (has_twice(replicas)) return Error(ErrorCode::invalid_request, "a broker holds a partition once");
        BrokerIds alive;
        for (BrokerId replica : replicas) {
            const BrokerRecord* broker = find(replica);
            if (broker == nullptr) return Error(ErrorCode::invalid_request, "a replica's broker was never there");
            if (broker->is_controller_only) return keeps_no_partitions;
            if (broker->is_alive) alive.push_back(replica);
        }
        if (min_in_sync < 1 || static_cast<size_t>(min_in_sync) > replicas.size()) {
            return Error(ErrorCode::invalid_config, "min-in-sync is from 1 to the number of replicas");
        }
        if (alive.empty()) {
            return Error(ErrorCode::not_enough_replicas, "of one partition's brokers none is alive");
        }
        partitions.push_back(new_partition(std::move(replicas), std::move(alive), min_in_sync));
    }
    return partitions;
}

Result<void> Metadata::apply_body(const wire::CreateTopicCommand& command) {
    auto topic = std::make_shared<TopicRecord>();
    topic->id = from_wire(command.topic());
    topic->name = text_of(command.name());
    topic->min_in_sync = command.min_in_sync();
    topic->created = Timestamp(command.time_ms());
    merge_settings(command.settings(), topic->settings);
    topic->has_durable_floor = asks_for_disks(*topic);
    const size_t count = Elements(command.assignment()).size();
    if (count == 0) return Error(ErrorCode::invalid_partitions, "a topic has 1 to 10000 partitions");
    TRY_VOID(check_room(*topic, count));
    TRY(topic->partitions, assigned(command.assignment(), topic->min_in_sync));
    TRY_VOID(check_name(*topic));
    if (was_deleted(topic->id)) return Error(ErrorCode::invalid_request, "this topic was created, and deleted since");
    ClusterEvent event = topic_event(EventKind::topic_created, command.time_ms(), *topic);
    event.count = static_cast<int64_t>(count);
    event.value = static_cast<int64_t>(topic->partitions.front().replicas.size());
    happened(std::move(event));
    partition_count_ += count;
    put(std::move(topic));
    return {};
}

Result<void> Metadata::apply_body(const wire::DeleteTopicCommand& command) {
    std::shared_ptr<const TopicRecord> topic = find(from_wire(command.topic()));
    if (topic == nullptr) return unknown_topic;
    happened(topic_event(EventKind::topic_deleted, command.time_ms(), *topic));
    partition_count_ -= topic->partitions.size();
    by_name_.erase(topic->name);
    by_id_.erase(topic->id);
    forget_moves(topic->id);
    deleted_.push_back(topic->id);
    if (deleted_.size() > deleted_topics_max) deleted_.pop_front();
    return {};
}

Result<void> Metadata::apply_body(const wire::AlterTopicCommand& command) {
    std::shared_ptr<const TopicRecord> topic = find(from_wire(command.topic()));
    if (topic == nullptr) return unknown_topic;
    if (command.settings_version() != -1 && command.settings_version() != topic->settings_version) {
        return Error(ErrorCode::already_exists, "the topic was altered meanwhile");
    }
    auto changed = std::make_shared<TopicRecord>(*topic);
    ClusterEvent event = topic_event(EventKind::topic_altered, command.time_ms(), *topic);
    for (const flatbuffers::String* key : Elements(command.reset())) {
        changed->settings.erase(text_of(key));
        add_name(event, text_of(key) + " reset");
    }
    merge_settings(command.set(), changed->settings);
    for (const wire::Setting* setting : Elements(command.set())) {
        add_name(event, text_of(setting->key()) + " = " + text_of(setting->value()));
    }
    changed->has_durable_floor = changed->has_durable_floor && asks_for_disks(*changed);
    event.count = static_cast<int64_t>(Elements(command.reset()).size() + Elements(command.set()).size());
    ++changed->settings_version;
    happened(std::move(event));
    put(std::move(changed));
    return {};
}

Result<void> Metadata::apply_body(const wire::AddPartitionsCommand& command) {
    std::shared_ptr<const TopicRecord> topic = find(from_wire(command.topic()));
    if (topic == nullptr) return unknown_topic;
    auto count = static_cast<int32_t>(topic->partitions.size());
    if (command.partitions() <= count) {
        return Error(ErrorCode::invalid_partitions,
                     "partitions can only be added: name a higher number than there are");
    }
    const size_t more = static_cast<size_t>(command.partitions() - count);
    TRY_VOID(check_room(*topic, more));
    if (Elements(command.assignment()).size() != more) {
        return Error(ErrorCode::invalid_partitions, "partitions were added meanwhile: ask again");
    }
    TRY(std::vector<PartitionRecord> added, assigned(command.assignment(), topic->min_in_sync));
    if (added.front().replicas.size() != replicas_to_be(topic->partitions.front()).size()) {
        return Error(ErrorCode::invalid_replication_factor, "every partition has the same number of replicas");
    }
    auto changed = std::make_shared<TopicRecord>(*topic);
    std::move(added.begin(), added.end(), std::back_inserter(changed->partitions));
    partition_count_ += more;
    ClusterEvent event = topic_event(EventKind::partitions_added, command.time_ms(), *topic);
    event.count = static_cast<int64_t>(more);
    event.value = command.partitions();
    happened(std::move(event));
    put(std::move(changed));
    return {};
}

}  // namespace ironbark::broker
