#include "client/admin_requests.h"

#include "runtime/rpc/convert.h"
#include "wire/client_generated.h"

namespace ironbark::client {
namespace {

using flatbuffers::FlatBufferBuilder;

std::string text(const flatbuffers::String* from) {
    return std::string(rpc::from_wire(from));
}
std::string text(const wire::Uuid* from) {
    return rpc::from_wire(from).to_string();
}

template <typename Number>
std::vector<Number> numbers(const flatbuffers::Vector<Number>* from) {
    return from == nullptr ? std::vector<Number>() : std::vector<Number>(from->begin(), from->end());
}

std::optional<Failure> failure(const wire::ErrorInfo* info) {
    if (info == nullptr) return std::nullopt;
    return failure_of(*info);
}

int32_t milliseconds(Milliseconds timeout) {
    return static_cast<int32_t>(std::clamp<int64_t>(timeout.count(), 0, INT32_MAX));
}

// The answer, or why there is none.
template <typename Response>
Expected<const Response*> answer_of(const rpc::CallResult& result) {
    if (!result.ok()) return failure_of(result);
    const auto& response = result.as<Response>();
    if (response.error() != nullptr) return failure_of(*response.error());
    return &response;
}

// What names a topic in a request: its id if it is written as one, else its name.
struct TopicName {
    TopicName(FlatBufferBuilder& builder, const std::string& topic) {
        if (std::optional<Uuid> id = Uuid::parse(topic)) {
            uuid = rpc::to_wire(*id);
            has_id = true;
        } else {
            name = builder.CreateString(topic);
        }
    }
    const wire::Uuid* id() const { return has_id ? &uuid : nullptr; }

    flatbuffers::Offset<flatbuffers::String> name = 0;
    wire::Uuid uuid;
    bool has_id = false;
};

auto encode_settings(FlatBufferBuilder& builder, const std::map<std::string, std::string>& settings) {
    std::vector<flatbuffers::Offset<wire::Setting>> list;
    for (const auto& [key, value] : settings) {
        list.push_back(wire::CreateSettingDirect(builder, key.c_str(), value.c_str()));
    }
    return builder.CreateVector(list);
}

std::vector<SettingValue> read_settings(
    const flatbuffers::Vector<flatbuffers::Offset<wire::SettingDescription>>* settings) {
    std::vector<SettingValue> values;
    if (settings == nullptr) return values;
    for (const wire::SettingDescription* setting : *settings) {
        auto source = setting->source() <= wire::SettingSource::MAX ? setting->source() : wire::SettingSource::MIN;
        values.push_back({text(setting->key()), text(setting->value()), text(setting->default_value()),
                          static_cast<SettingSource>(source)});
    }
    return values;
}

PartitionDescription read(const wire::PartitionDescription& from) {
    PartitionDescription partition;
    partition.partition = from.partition();
    partition.failure = failure(from.error());
    partition.leader = from.leader();
    partition.leader_epoch = from.leader_epoch();
    partition.replicas = numbers(from.replicas());
    partition.in_sync = numbers(from.in_sync());
    partition.log_start = from.log_start();
    partition.durable_watermark = from.durable_watermark();
    partition.high_watermark = from.high_watermark();
    partition.log_end = from.log_end();
    partition.bytes = from.bytes();
    partition.segments = from.segments();
    partition.state = text(from.state());
    partition.state_detail = text(from.state_detail());
    if (from.replica_ends() == nullptr) return partition;
    for (const wire::ReplicaDescription* each : *from.replica_ends()) {
        partition.replica_states.push_back({each->broker(), each->log_end(), each->durable_end(), each->behind_ms()});
    }
    return partition;
}

PartitionSummary read(const wire::PartitionMetadata& from) {
    return {from.partition(),         from.leader(),           from.leader_epoch(),
            numbers(from.replicas()), numbers(from.in_sync()), numbers(from.moving_to()),
            numbers(from.added()),    from.throttle(),         failure(from.error())};
}

TopicSummary read(const wire::TopicMetadata& from) {
    TopicSummary topic;
    topic.name = text(from.name());
    topic.id = text(from.id());
    topic.failure = failure(from.error());
    if (from.partitions() == nullptr) return topic;
    for (const wire::PartitionMetadata* partition : *from.partitions()) topic.partitions.push_back(read(*partition));
    return topic;
}

BrokerInfo read(const wire::ClusterBroker& from) {
    BrokerInfo broker;
    broker.id = from.id();
    broker.host = text(from.host());
    broker.port = from.port();
    broker.rack = text(from.rack());
    broker.is_alive = from.is_alive();
    broker.is_clean = from.is_clean();
    broker.incarnation = from.incarnation();
    broker.directory = text(from.directory());
    broker.version = text(from.version());
    broker.since = from.since();
    broker.partitions = from.partitions();
    broker.leads = from.leads();
    broker.is_controller_only = from.is_controller_only();
    return broker;
}

VoterInfo read(const wire::QuorumVoter& from) {
    return {from.id(),    text(from.directory()), text(from.host()), from.port(),
            from.match(), from.last_heard_ms(),   from.is_leaving()};
}

std::vector<OffsetAnswer> all_offsets_failed(size_t count, const Failure& reason) {
    OffsetAnswer answer;
    answer.failure = reason;
    return {count, answer};
}

// Reads one answer for each of `count` partitions, in order.
template <typename Response, typename Read>
std::vector<OffsetAnswer> read_each(const rpc::CallResult& result, size_t count, Read read_one) {
    Expected<const Response*> answer = answer_of<Response>(result);
    if (!answer.ok()) return all_offsets_failed(count, answer.error());
    const auto* partitions = (*answer)->partitions();
    if (partitions == nullptr || partitions->size() != count) {
        return all_offsets_failed(count, senseless_answer("it has another number of partitions than were asked for"));
    }
    std::vector<OffsetAnswer> answers;
    for (const auto* partition : *partitions) answers.push_back(read_one(*partition));
    return answers;
}

}  // namespace

rpc::Metadata encode_create_topic(const TopicSpecification& topic, Milliseconds timeout) {
    FlatBufferBuilder builder;
    auto settings = encode_settings(builder, topic.settings);
    auto name = builder.CreateString(topic.name);
    return rpc::finish(
        builder, wire::CreateCreateTopicRequest(builder, name, topic.partitions, topic.replicas, topic.min_in_sync,
                                                settings, topic.validate_only, milliseconds(timeout)));
}

Expected<CreatedTopic> decode_create_topic(const rpc::CallResult& result) {
    auto answer = answer_of<wire::CreateTopicResponse>(result);
    if (!answer.ok()) return answer.error();
    const wire::CreateTopicResponse& created = **answer;
    return CreatedTopic{text(created.topic()), created.partitions(), created.replicas(), created.min_in_sync()};
}

rpc::Metadata encode_delete_topic(const std::string& topic, Milliseconds timeout) {
    FlatBufferBuilder builder;
    TopicName name(builder, topic);
    return rpc::finish(builder, wire::CreateDeleteTopicRequest(builder, name.name, name.id(), milliseconds(timeout)));
}

Expected<void> decode_delete_topic(const rpc::CallResult& result) {
    auto answer = answer_of<wire::DeleteTopicResponse>(result);
    if (!answer.ok()) return answer.error();
    return {};
}

rpc::Metadata encode_alter_topic(const std::string& topic, const TopicChanges& changes, Milliseconds timeout) {
    FlatBufferBuilder builder;
    TopicName name(builder, topic);
    auto set = encode_settings(builder, changes.set);
    auto reset = builder.CreateVectorOfStrings(changes.reset);
    return rpc::finish(builder, wire::CreateAlterTopicRequest(builder, name.name, name.id(), set, reset,
                                                              changes.validate_only, milliseconds(timeout)));
}

Expected<void> decode_alter_topic(const rpc::CallResult& result) {
    auto answer = answer_of<wire::AlterTopicResponse>(result);
    if (!answer.ok()) return answer.error();
    return {};
}

rpc::Metadata encode_add_partitions(const std::string& topic,
                                    int32_t partitions,
                                    bool validate_only,
                                    Milliseconds timeout) {
    FlatBufferBuilder builder;
    TopicName name(builder, topic);
    return rpc::finish(builder, wire::CreateAddPartitionsRequest(builder, name.name, name.id(), partitions,
                                                                 validate_only, milliseconds(timeout)));
}

Expected<int32_t> decode_add_partitions(const rpc::CallResult& result) {
    auto answer = answer_of<wire::AddPartitionsResponse>(result);
    if (!answer.ok()) return answer.error();
    return (*answer)->partitions();
}

rpc::Metadata encode_describe_topic(const std::string& topic) {
    FlatBufferBuilder builder;
    TopicName name(builder, topic);
    return rpc::finish(builder, wire::CreateDescribeTopicRequest(builder, name.name, name.id()));
}

Expected<TopicDescription> decode_describe_topic(const rpc::CallResult& result) {
    auto answer = answer_of<wire::DescribeTopicResponse>(result);
    if (!answer.ok()) return answer.error();
    const wire::DescribeTopicResponse& from = **answer;
    TopicDescription topic;
    topic.name = text(from.name());
    topic.id = text(from.topic());
    topic.settings_version = from.settings_version();
    topic.min_in_sync = from.min_in_sync();
    topic.settings = read_settings(from.settings());
    if (from.partitions() == nullptr) return topic;
    for (const wire::PartitionDescription* partition : *from.partitions()) topic.partitions.push_back(read(*partition));
    return topic;
}

rpc::Metadata encode_topic_options() {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateTopicOptionsRequest(builder));
}

Expected<std::vector<TopicOptionInfo>> decode_topic_options(const rpc::CallResult& result) {
    auto answer = answer_of<wire::TopicOptionsResponse>(result);
    if (!answer.ok()) return answer.error();
    std::vector<TopicOptionInfo> options;
    if ((*answer)->options() == nullptr) return options;
    for (const wire::TopicOption* option : *(*answer)->options()) {
        options.push_back({text(option->key()), text(option->type()), text(option->default_value()),
                           text(option->range()), text(option->description())});
    }
    return options;
}

rpc::Metadata encode_metadata(bool brokers_only) {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateMetadataRequest(builder, 0, 0, brokers_only));
}

Expected<std::vector<TopicSummary>> decode_topics(const rpc::CallResult& result) {
    auto answer = answer_of<wire::MetadataResponse>(result);
    if (!answer.ok()) return answer.error();
    std::vector<TopicSummary> topics;
    if ((*answer)->topics() == nullptr) return topics;
    for (const wire::TopicMetadata* topic : *(*answer)->topics()) topics.push_back(read(*topic));
    return topics;
}

rpc::Metadata encode_describe_cluster() {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateDescribeClusterRequest(builder));
}

Expected<ClusterInfo> decode_describe_cluster(const rpc::CallResult& result) {
    auto answer = answer_of<wire::DescribeClusterResponse>(result);
    if (!answer.ok()) return answer.error();
    const wire::DescribeClusterResponse& from = **answer;
    ClusterInfo cluster;
    cluster.id = text(from.cluster_id());
    cluster.metadata_version = from.metadata_version();
    cluster.controller = from.active_controller();
    cluster.quorum_failure = failure(from.quorum_error());
    cluster.term = from.term();
    cluster.committed = from.committed();
    cluster.log_bytes = from.log_bytes();
    cluster.snapshot = from.snapshot();
    cluster.feature_level = from.feature_level();
    cluster.is_failover_manual = from.is_failover_manual();
    if (from.brokers() != nullptr) {
        for (const wire::ClusterBroker* broker : *from.brokers()) cluster.brokers.push_back(read(*broker));
    }
    if (from.voters() != nullptr) {
        for (const wire::QuorumVoter* voter : *from.voters()) cluster.voters.push_back(read(*voter));
    }
    return cluster;
}

rpc::Metadata encode_cluster_events(int64_t after, Milliseconds max_wait) {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateClusterEventsRequest(builder, after, milliseconds(max_wait)));
}

Expected<std::vector<ClusterEvent>> decode_cluster_events(const rpc::CallResult& result) {
    auto answer = answer_of<wire::ClusterEventsResponse>(result);
    if (!answer.ok()) return answer.error();
    std::vector<ClusterEvent> events;
    if ((*answer)->events() == nullptr) return events;
    for (const wire::ClusterEvent* event : *(*answer)->events()) {
        events.push_back({event->number(), event->time_ms(), text(event->kind()), text(event->text())});
    }
    return events;
}

rpc::Metadata encode_replace_voter(int32_t voter, Milliseconds timeout) {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateReplaceVoterRequest(builder, voter, milliseconds(timeout)));
}

Expected<ReplacedVoter> decode_replace_voter(const rpc::CallResult& result) {
    auto answer = answer_of<wire::ReplaceVoterResponse>(result);
    if (!answer.ok()) return answer.error();
    return ReplacedVoter{text((*answer)->before()), text((*answer)->now())};
}

rpc::Metadata encode_move_leaders(const std::vector<LeaderMove>& moves, Milliseconds timeout) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::LeaderMoveRequest>> list;
    for (const LeaderMove& move : moves) {
        TopicName name(builder, move.partition.topic);
        list.push_back(wire::CreateLeaderMoveRequest(builder, name.name, name.id(), move.partition.partition, move.to));
    }
    return rpc::finish(builder, wire::CreateMoveLeadersRequestDirect(builder, &list, milliseconds(timeout)));
}

Expected<std::vector<MovedLeader>> decode_move_leaders(const std::vector<LeaderMove>& moves,
                                                       const rpc::CallResult& result) {
    auto answer = answer_of<wire::MoveLeadersResponse>(result);
    if (!answer.ok()) return answer.error();
    const auto* from = (*answer)->moved();
    if (from == nullptr || from->size() != moves.size()) return senseless_answer("it does not answer for each move");
    std::vector<MovedLeader> moved;
    for (size_t index = 0; index < moves.size(); ++index) {
        const wire::MovedLeader& each = *from->Get(static_cast<flatbuffers::uoffset_t>(index));
        moved.push_back({moves[index].partition, failure(each.error()), each.before(), each.leader(),
                         each.leader_epoch(), std::chrono::microseconds(each.outage_us())});
    }
    return moved;
}

rpc::Metadata encode_move_replicas(const std::vector<ReplicaMove>& moves, Milliseconds timeout) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ReplicaMoveRequest>> list;
    for (const ReplicaMove& move : moves) {
        TopicName name(builder, move.partition.topic);
        auto to = builder.CreateVector(move.to);
        list.push_back(
            wire::CreateReplicaMoveRequest(builder, name.name, name.id(), move.partition.partition, to, move.throttle));
    }
    return rpc::finish(builder, wire::CreateMoveReplicasRequestDirect(builder, &list, milliseconds(timeout)));
}

Expected<std::vector<PlannedReplicas>> decode_move_replicas(const std::vector<ReplicaMove>& moves,
                                                            const rpc::CallResult& result) {
    auto answer = answer_of<wire::MoveReplicasResponse>(result);
    if (!answer.ok()) return answer.error();
    const auto* from = (*answer)->planned();
    if (from == nullptr || from->size() != moves.size()) return senseless_answer("it does not answer for each move");
    std::vector<PlannedReplicas> planned;
    for (size_t index = 0; index < moves.size(); ++index) {
        const wire::PlannedReplicas& each = *from->Get(static_cast<flatbuffers::uoffset_t>(index));
        planned.push_back({moves[index].partition, failure(each.error()), numbers(each.before()), numbers(each.to())});
    }
    return planned;
}

rpc::Metadata encode_elect_leader(const TopicPartition& partition,
                                  bool unclean,
                                  bool validate_only,
                                  Milliseconds timeout) {
    FlatBufferBuilder builder;
    TopicName name(builder, partition.topic);
    return rpc::finish(builder, wire::CreateElectLeaderRequest(builder, name.name, name.id(), partition.partition,
                                                               unclean, validate_only, milliseconds(timeout)));
}

Expected<ElectedLeader> decode_elect_leader(const rpc::CallResult& result) {
    auto answer = answer_of<wire::ElectLeaderResponse>(result);
    if (!answer.ok()) return answer.error();
    return ElectedLeader{(*answer)->leader(), (*answer)->log_end(), text((*answer)->loss())};
}

rpc::Metadata encode_set_failover(bool is_manual, Milliseconds timeout) {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateSetFailoverRequest(builder, is_manual, milliseconds(timeout)));
}

Expected<void> decode_set_failover(const rpc::CallResult& result) {
    auto answer = answer_of<wire::SetFailoverResponse>(result);
    if (!answer.ok()) return answer.error();
    return {};
}

rpc::Metadata encode_describe_node() {
    FlatBufferBuilder builder;
    return rpc::finish(builder, wire::CreateDescribeNodeRequest(builder));
}

Expected<NodeDescription> decode_describe_node(const rpc::CallResult& result) {
    auto answer = answer_of<wire::DescribeNodeResponse>(result);
    if (!answer.ok()) return answer.error();
    const wire::DescribeNodeResponse& from = **answer;
    NodeDescription node;
    node.broker_id = from.broker_id();
    node.cluster_id = text(from.cluster_id());
    node.version = text(from.version());
    node.incarnation = from.incarnation();
    node.start_time = from.start_time();
    node.io_world = text(from.io_world());
    node.io_reason = text(from.io_reason());
    node.shards = from.shards();
    node.partitions = from.partitions();
    node.unsynced_bytes = from.unsynced_bytes();
    node.unsynced_age_ms = from.unsynced_age_ms();
    node.settings = read_settings(from.settings());
    if (from.directories() != nullptr) {
        for (const wire::DataDirectory* directory : *from.directories()) {
            node.directories.push_back({text(directory->path()), text(directory->id()), directory->free_bytes(),
                                        directory->total_bytes(), text(directory->state()),
                                        text(directory->state_detail()), directory->direct_io()});
        }
    }
    if (from.memory() != nullptr) {
        for (const wire::MemoryPool* pool : *from.memory()) {
            node.memory.push_back({text(pool->name()), pool->used_bytes(), pool->limit_bytes()});
        }
    }
    node.replica_problem_count = from.replica_problem_count();
    if (from.replica_problems() != nullptr) {
        for (const wire::ReplicaProblem* each : *from.replica_problems()) {
            std::string topic = text(each->topic());
            if (topic.empty()) topic = text(each->topic_id());
            node.replica_problems.push_back({std::move(topic), each->partition(), text(each->problem())});
        }
    }
    return node;
}

rpc::Metadata encode_list_offsets(const std::vector<OffsetRequest>& requests, Visibility visibility) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ListOffsetsPartition>> partitions;
    for (const OffsetRequest& request : requests) {
        wire::Uuid topic = rpc::to_wire(request.partition.topic);
        auto place = static_cast<wire::OffsetPlace>(request.place);
        partitions.push_back(wire::CreateListOffsetsPartition(
            builder, &topic, request.partition.partition, request.partition.leader_epoch, place, request.timestamp));
    }
    auto list = builder.CreateVector(partitions);
    return rpc::finish(builder,
                       wire::CreateListOffsetsRequest(builder, static_cast<wire::Visibility>(visibility), list));
}

std::vector<OffsetAnswer> decode_list_offsets(const rpc::CallResult& result, size_t count) {
    return read_each<wire::ListOffsetsResponse>(result, count, [](const wire::ListedOffset& from) {
        return OffsetAnswer{failure(from.error()), from.offset(), from.timestamp(), from.leader_epoch()};
    });
}

rpc::Metadata encode_delete_records(const std::vector<DeleteRequest>& requests, Milliseconds timeout) {
    FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::DeleteRecordsPartition>> partitions;
    for (const DeleteRequest& request : requests) {
        wire::Uuid topic = rpc::to_wire(request.partition.topic);
        partitions.push_back(
            wire::CreateDeleteRecordsPartition(builder, &topic, request.partition.partition, request.before));
    }
    auto list = builder.CreateVector(partitions);
    return rpc::finish(builder, wire::CreateDeleteRecordsRequest(builder, milliseconds(timeout), list));
}

std::vector<OffsetAnswer> decode_delete_records(const rpc::CallResult& result, size_t count) {
    return read_each<wire::DeleteRecordsResponse>(result, count, [](const wire::DeletedRecords& from) {
        return OffsetAnswer{failure(from.error()), from.log_start()};
    });
}

}  // namespace ironbark::client
