#include "broker/controller/metadata.h"

#include <algorithm>

#include "runtime/rpc/convert.h"

namespace ironbark::broker {
namespace {

using rpc::from_wire;
using rpc::to_wire;

constexpr uint32_t tables_max = 1'000'000;  // of a snapshot with every partition that is allowed, several times over
constexpr uint32_t depth_max = 16;
constexpr size_t snapshot_partitions_max = 4096;  // of one command of a snapshot, beyond its first topic
constexpr size_t snapshot_bytes_max = size_t{1} << 20;

std::vector<BrokerId> brokers_of(const flatbuffers::Vector<int32_t>* ids) {
    std::vector<BrokerId> brokers;
    for (size_t index = 0; ids != nullptr && index < ids->size(); ++index) {
        brokers.push_back(BrokerId(ids->Get(static_cast<flatbuffers::uoffset_t>(index))));
    }
    return brokers;
}

using SettingsVector = flatbuffers::Vector<flatbuffers::Offset<wire::Setting>>;

void merge_settings(const SettingsVector* from, std::map<std::string, std::string>& into) {
    if (from == nullptr) return;
    for (const wire::Setting* setting : *from) {
        into[std::string(from_wire(setting->key()))] = std::string(from_wire(setting->value()));
    }
}

PartitionRecord new_partition(const std::vector<BrokerId>& replicas) {
    return {replicas, replicas, replicas.front(), Epoch(0), 0};
}

}  // namespace

bool is_topic_name(std::string_view name) {
    if (name.empty() || name.size() > topic_name_size_max || name == "." || name == "..") return false;
    return std::all_of(name.begin(), name.end(), [](char character) {
        return (character >= 'a' && character <= 'z') || (character >= 'A' && character <= 'Z') ||
               (character >= '0' && character <= '9') || character == '.' || character == '_' || character == '-';
    });
}

std::shared_ptr<const TopicRecord> Metadata::find(const std::string& name) const {
    auto found = by_name_.find(name);
    return found == by_name_.end() ? nullptr : found->second;
}

std::shared_ptr<const TopicRecord> Metadata::find(const Uuid& id) const {
    auto found = by_id_.find(id);
    return found == by_id_.end() ? nullptr : found->second;
}

bool Metadata::was_deleted(const Uuid& id) const {
    return std::find(deleted_.begin(), deleted_.end(), id) != deleted_.end();
}

void Metadata::put(std::shared_ptr<const TopicRecord> topic) {
    by_name_[topic->name] = topic;
    by_id_[topic->id] = std::move(topic);
}

Result<void> Metadata::apply(Bytes command) {
    static constexpr Error malformed(ErrorCode::corrupt_data, "not a metadata command of this version");
    flatbuffers::Verifier verifier(command.data(), command.size(), depth_max, tables_max);
    if (!wire::VerifyMetadataCommandBuffer(verifier)) return malformed;
    const wire::MetadataCommand& message = *wire::GetMetadataCommand(command.data());
    if (message.body() == nullptr) return malformed;
    Result<void> applied = malformed;
    switch (message.body_type()) {
        case wire::CommandBody::RegisterBrokerCommand:
            applied = apply_body(*message.body_as_RegisterBrokerCommand());
            break;
        case wire::CommandBody::CreateTopicCommand: applied = apply_body(*message.body_as_CreateTopicCommand()); break;
        case wire::CommandBody::DeleteTopicCommand: applied = apply_body(*message.body_as_DeleteTopicCommand()); break;
        case wire::CommandBody::AlterTopicCommand: applied = apply_body(*message.body_as_AlterTopicCommand()); break;
        case wire::CommandBody::AddPartitionsCommand:
            applied = apply_body(*message.body_as_AddPartitionsCommand());
            break;
        case wire::CommandBody::AllocateProducerIdsCommand:
            applied = apply_body(*message.body_as_AllocateProducerIdsCommand());
            break;
        case wire::CommandBody::SnapshotCommand:
            return apply_body(*message.body_as_SnapshotCommand());  // has a version
        case wire::CommandBody::NONE: break;
    }
    if (applied.ok()) ++version_;
    return applied;
}

Result<void> Metadata::apply_body(const wire::RegisterBrokerCommand& command) {
    BrokerRecord broker{BrokerId(command.broker()),
                        from_wire(command.directory()),
                        Incarnation(command.incarnation()),
                        std::string(from_wire(command.host())),
                        command.port(),
                        std::string(from_wire(command.rack()))};
    if (broker.id.value < 0 || broker.incarnation.value < 0) {
        return Error(ErrorCode::invalid_request, "a broker has an id and an incarnation");
    }
    auto known = brokers_.find(broker.id);
    if (known != brokers_.end() && broker.incarnation <= known->second.incarnation) {
        return Error(ErrorCode::invalid_request, "the broker's incarnation is not a new one");
    }
    const BrokerId id = broker.id;
    auto is_led = [id](const PartitionRecord& partition) { return partition.leader == id; };
    for (const auto& [name, topic] : by_name_) {
        for (const PartitionRecord& partition : topic->partitions) {
            bool is_last = partition.leader_epoch.value == INT32_MAX || partition.partition_epoch == INT32_MAX;
            if (is_led(partition) && is_last) return Error(ErrorCode::invalid_request, "a partition has no epoch left");
        }
    }
    brokers_[id] = std::move(broker);
    // Whatever it led, it leads anew.
    for (auto& [name, topic] : by_name_) {
        if (!std::any_of(topic->partitions.begin(), topic->partitions.end(), is_led)) continue;
        auto changed = std::make_shared<TopicRecord>(*topic);
        for (PartitionRecord& partition : changed->partitions) {
            if (!is_led(partition)) continue;
            partition.leader_epoch = Epoch(partition.leader_epoch.value + 1);
            ++partition.partition_epoch;
        }
        by_id_[changed->id] = changed;
        topic = std::move(changed);
    }
    return {};
}

Result<void> Metadata::apply_body(const wire::CreateTopicCommand& command) {
    auto topic = std::make_shared<TopicRecord>();
    topic->id = from_wire(command.topic());
    topic->name = std::string(from_wire(command.name()));
    topic->min_in_sync = command.min_in_sync();
    topic->created = Timestamp(command.time_ms());
    merge_settings(command.settings(), topic->settings);
    if (command.partitions() < 1 || command.partitions() > topic_partitions_max) {
        return Error(ErrorCode::invalid_partitions, "a topic has 1 to 10000 partitions");
    }
    std::vector<BrokerId> replicas = brokers_of(command.replicas());
    if (replicas.empty()) return Error(ErrorCode::invalid_replication_factor, "a partition has at least one replica");
    topic->partitions.assign(static_cast<size_t>(command.partitions()), new_partition(replicas));
    TRY_VOID(check_new(*topic));
    partition_count_ += topic->partitions.size();
    put(std::move(topic));
    return {};
}

// Whether the state may take this topic: from a command, or from a snapshot.
Result<void> Metadata::check_new(const TopicRecord& topic) const {
    if (!is_topic_name(topic.name)) {
        return Error(ErrorCode::invalid_topic, "a topic's name is 1 to 249 of a-z A-Z 0-9 . _ - and neither . nor ..");
    }
    if (find(topic.name) != nullptr) return Error(ErrorCode::topic_already_exists, "a topic of this name exists");
    if (topic.id.is_zero() || find(topic.id) != nullptr) return ErrorCode::invalid_request;
    if (by_name_.size() >= cluster_topics_max)
        return Error(ErrorCode::policy_violation, "a cluster has at most 10000 topics");
    if (topic.partitions.empty() || partition_count_ + topic.partitions.size() > cluster_partitions_max) {
        return Error(ErrorCode::invalid_partitions, "a cluster has at most 100000 partitions");
    }
    for (const PartitionRecord& partition : topic.partitions) {
        if (partition.replicas.empty()) {
            return Error(ErrorCode::invalid_replication_factor, "a partition has at least one replica");
        }
        if (topic.min_in_sync < 1 || topic.min_in_sync > static_cast<int32_t>(partition.replicas.size())) {
            return Error(ErrorCode::invalid_config, "min-in-sync is from 1 to the number of replicas");
        }
        if (partition.leader_epoch.value < 0 || partition.partition_epoch < 0) return ErrorCode::invalid_request;
    }
    return {};
}

Result<void> Metadata::apply_body(const wire::DeleteTopicCommand& command) {
    std::shared_ptr<const TopicRecord> topic = find(from_wire(command.topic()));
    if (topic == nullptr) return Error(ErrorCode::unknown_topic_id, "there is no topic with this id");
    partition_count_ -= topic->partitions.size();
    by_name_.erase(topic->name);
    by_id_.erase(topic->id);
    deleted_.push_back(topic->id);
    if (deleted_.size() > deleted_topics_max) deleted_.pop_front();
    return {};
}

Result<void> Metadata::apply_body(const wire::AlterTopicCommand& command) {
    std::shared_ptr<const TopicRecord> topic = find(from_wire(command.topic()));
    if (topic == nullptr) return Error(ErrorCode::unknown_topic_id, "there is no topic with this id");
    auto changed = std::make_shared<TopicRecord>(*topic);
    if (command.reset() != nullptr) {
        for (const flatbuffers::String* key : *command.reset()) changed->settings.erase(std::string(from_wire(key)));
    }
    merge_settings(command.set(), changed->settings);
    ++changed->settings_version;
    put(std::move(changed));
    return {};
}

Result<void> Metadata::apply_body(const wire::AddPartitionsCommand& command) {
    std::shared_ptr<const TopicRecord> topic = find(from_wire(command.topic()));
    if (topic == nullptr) return Error(ErrorCode::unknown_topic_id, "there is no topic with this id");
    auto count = static_cast<int32_t>(topic->partitions.size());
    if (command.partitions() <= count) {
        return Error(ErrorCode::invalid_partitions,
                     "partitions can only be added: name a higher number than there are");
    }
    size_t more = static_cast<size_t>(command.partitions() - count);
    if (command.partitions() > topic_partitions_max || partition_count_ + more > cluster_partitions_max) {
        return Error(ErrorCode::invalid_partitions, "a topic has at most 10000 partitions, a cluster at most 100000");
    }
    auto changed = std::make_shared<TopicRecord>(*topic);
    const std::vector<BrokerId> replicas = changed->partitions.front().replicas;
    changed->partitions.resize(static_cast<size_t>(command.partitions()), new_partition(replicas));
    partition_count_ += more;
    put(std::move(changed));
    return {};
}

Result<void> Metadata::apply_body(const wire::AllocateProducerIdsCommand& command) {
    if (command.count() < 1 || next_producer_id_ > INT64_MAX - command.count()) return ErrorCode::invalid_request;
    next_producer_id_ += command.count();
    return {};
}

Result<void> Metadata::apply_body(const wire::SnapshotCommand& command) {
    static constexpr Error misplaced(ErrorCode::corrupt_data, "a part of a snapshot without what comes before it");
    if (command.continues() && command.version() != version_) return misplaced;
    Metadata state;
    if (command.continues()) {
        state = *this;
    } else {
        if (command.version() < 0 || command.next_producer_id() < 0) return misplaced;
        state.version_ = command.version();
        state.next_producer_id_ = command.next_producer_id();
    }
    for (size_t index = 0; command.brokers() != nullptr && index < command.brokers()->size(); ++index) {
        const wire::BrokerState& from = *command.brokers()->Get(static_cast<flatbuffers::uoffset_t>(index));
        BrokerRecord broker{BrokerId(from.broker()),
                            from_wire(from.directory()),
                            Incarnation(from.incarnation()),
                            std::string(from_wire(from.host())),
                            from.port(),
                            std::string(from_wire(from.rack()))};
        state.brokers_[broker.id] = std::move(broker);
    }
    for (size_t index = 0; command.deleted_topics() != nullptr && index < command.deleted_topics()->size(); ++index) {
        state.deleted_.push_back(from_wire(command.deleted_topics()->Get(static_cast<flatbuffers::uoffset_t>(index))));
    }
    if (state.add_topics(command).ok()) {
        *this = std::move(state);
        return {};
    }
    return Error(ErrorCode::corrupt_data, "a snapshot that contradicts itself");
}

Result<void> Metadata::add_topics(const wire::SnapshotCommand& command) {
    for (size_t index = 0; command.topics() != nullptr && index < command.topics()->size(); ++index) {
        const wire::TopicState& from = *command.topics()->Get(static_cast<flatbuffers::uoffset_t>(index));
        auto topic = std::make_shared<TopicRecord>();
        topic->id = from_wire(from.topic());
        topic->name = std::string(from_wire(from.name()));
        topic->min_in_sync = from.min_in_sync();
        topic->settings_version = from.settings_version();
        topic->created = Timestamp(from.time_ms());
        merge_settings(from.settings(), topic->settings);
        if (from.partitions() == nullptr) return ErrorCode::corrupt_data;
        for (const wire::PartitionState* partition : *from.partitions()) {
            topic->partitions.push_back({brokers_of(partition->replicas()), brokers_of(partition->in_sync()),
                                         BrokerId(partition->leader()), Epoch(partition->leader_epoch()),
                                         partition->partition_epoch()});
        }
        TRY_VOID(check_new(*topic));
        partition_count_ += topic->partitions.size();
        put(std::move(topic));
    }
    return {};
}

bool operator==(const Metadata& left, const Metadata& right) {
    auto same_topics = [&] {
        return std::equal(left.by_name_.begin(), left.by_name_.end(), right.by_name_.begin(), right.by_name_.end(),
                          [](const auto& one, const auto& other) {
                              return one.second == other.second || *one.second == *other.second;
                          });
    };
    return left.version_ == right.version_ && left.next_producer_id_ == right.next_producer_id_ &&
           left.brokers_ == right.brokers_ && left.deleted_ == right.deleted_ &&
           left.partition_count_ == right.partition_count_ && left.by_id_.size() == right.by_id_.size() &&
           same_topics();
}

namespace {

template <typename Body>
Command finish(flatbuffers::FlatBufferBuilder& builder, wire::CommandBody type, flatbuffers::Offset<Body> body) {
    builder.Finish(wire::CreateMetadataCommand(builder, type, body.Union()));
    return {builder.GetBufferPointer(), builder.GetBufferPointer() + builder.GetSize()};
}

std::vector<int32_t> numbers_of(const std::vector<BrokerId>& brokers) {
    std::vector<int32_t> numbers;
    for (BrokerId broker : brokers) numbers.push_back(broker.value);
    return numbers;
}

auto settings_of(flatbuffers::FlatBufferBuilder& builder, const std::map<std::string, std::string>& settings) {
    std::vector<flatbuffers::Offset<wire::Setting>> entries;
    for (const auto& [key, value] : settings) {
        auto key_text = builder.CreateString(key);
        auto value_text = builder.CreateString(value);
        entries.push_back(wire::CreateSetting(builder, key_text, value_text));
    }
    return builder.CreateVector(entries);
}

}  // namespace

namespace {

flatbuffers::Offset<wire::TopicState> state_of(flatbuffers::FlatBufferBuilder& builder, const TopicRecord& topic) {
    std::vector<flatbuffers::Offset<wire::PartitionState>> partitions;
    for (const PartitionRecord& partition : topic.partitions) {
        std::vector<int32_t> replicas = numbers_of(partition.replicas);
        std::vector<int32_t> in_sync = numbers_of(partition.in_sync);
        partitions.push_back(wire::CreatePartitionStateDirect(builder, &replicas, &in_sync, partition.leader.value,
                                                              partition.leader_epoch.value, partition.partition_epoch));
    }
    wire::Uuid id = to_wire(topic.id);
    auto settings = settings_of(builder, topic.settings);
    auto name = builder.CreateString(topic.name);
    return wire::CreateTopicState(builder, &id, name, topic.min_in_sync, settings, topic.settings_version,
                                  topic.created.milliseconds, builder.CreateVector(partitions));
}

}  // namespace

std::vector<Command> Metadata::snapshot() const {
    std::vector<Command> commands;
    auto next = by_name_.begin();
    do {
        flatbuffers::FlatBufferBuilder builder;
        std::vector<flatbuffers::Offset<wire::BrokerState>> brokers;
        std::vector<wire::Uuid> deleted;
        if (commands.empty()) {
            for (const auto& [id, broker] : brokers_) {
                wire::Uuid directory = to_wire(broker.directory);
                auto host = builder.CreateString(broker.host);
                auto rack = builder.CreateString(broker.rack);
                brokers.push_back(wire::CreateBrokerState(builder, id.value, &directory, broker.incarnation.value, host,
                                                          broker.port, rack));
            }
            for (const Uuid& id : deleted_) deleted.push_back(to_wire(id));
        }
        std::vector<flatbuffers::Offset<wire::TopicState>> topics;
        size_t partitions = 0;
        for (; next != by_name_.end(); ++next) {
            partitions += next->second->partitions.size();
            bool is_full = partitions > snapshot_partitions_max || builder.GetSize() > snapshot_bytes_max;
            if (!topics.empty() && is_full) break;
            topics.push_back(state_of(builder, *next->second));
        }
        auto body = wire::CreateSnapshotCommandDirect(builder, version_, next_producer_id_, &brokers, &topics,
                                                      !commands.empty(), &deleted);
        commands.push_back(finish(builder, wire::CommandBody::SnapshotCommand, body));
    } while (next != by_name_.end());
    return commands;
}

Command register_broker(const BrokerRecord& broker, bool clean) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid directory = to_wire(broker.directory);
    auto body = wire::CreateRegisterBrokerCommandDirect(builder, broker.id.value, &directory, broker.incarnation.value,
                                                        clean, broker.host.c_str(), broker.port, broker.rack.c_str());
    return finish(builder, wire::CommandBody::RegisterBrokerCommand, body);
}

Command create_topic(const TopicRecord& topic, int32_t partitions, const std::vector<BrokerId>& replicas) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic.id);
    auto name = builder.CreateString(topic.name);
    auto brokers = builder.CreateVector(numbers_of(replicas));
    auto settings = settings_of(builder, topic.settings);
    auto body = wire::CreateCreateTopicCommand(builder, &id, name, partitions, brokers, topic.min_in_sync, settings,
                                               topic.created.milliseconds);
    return finish(builder, wire::CommandBody::CreateTopicCommand, body);
}

Command delete_topic(const Uuid& topic) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic);
    return finish(builder, wire::CommandBody::DeleteTopicCommand, wire::CreateDeleteTopicCommand(builder, &id));
}

Command alter_topic(const Uuid& topic,
                    const std::map<std::string, std::string>& set,
                    const std::vector<std::string>& reset) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic);
    auto settings = settings_of(builder, set);
    auto keys = builder.CreateVectorOfStrings(reset);
    return finish(builder, wire::CommandBody::AlterTopicCommand,
                  wire::CreateAlterTopicCommand(builder, &id, settings, keys));
}

Command add_partitions(const Uuid& topic, int32_t partitions) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid id = to_wire(topic);
    return finish(builder, wire::CommandBody::AddPartitionsCommand,
                  wire::CreateAddPartitionsCommand(builder, &id, partitions));
}

Command allocate_producer_ids(int64_t count) {
    flatbuffers::FlatBufferBuilder builder;
    return finish(builder, wire::CommandBody::AllocateProducerIdsCommand,
                  wire::CreateAllocateProducerIdsCommand(builder, count));
}

}  // namespace ironbark::broker
