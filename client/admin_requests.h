#pragma once
// What administrators ask, as messages, and what the answers say. Each `encode_...` makes the request of one method,
// each `decode_...` reads the response of one, errors in it included.

#include "client/failures.h"
#include "client/topic_view.h"
#include "ironbark/admin.h"
#include "runtime/rpc/method.h"

namespace ironbark::client {

using Milliseconds = std::chrono::milliseconds;

// One partition of a topic whose id is known.
struct PartitionReference {
    Uuid topic;
    int32_t partition = -1;
    int32_t leader_epoch = -1;
};

rpc::Metadata encode_create_topic(const TopicSpecification& topic, Milliseconds timeout);
Expected<CreatedTopic> decode_create_topic(const rpc::CallResult& result);

rpc::Metadata encode_delete_topic(const std::string& topic, Milliseconds timeout);
Expected<void> decode_delete_topic(const rpc::CallResult& result);

rpc::Metadata encode_alter_topic(const std::string& topic, const TopicChanges& changes, Milliseconds timeout);
Expected<void> decode_alter_topic(const rpc::CallResult& result);

rpc::Metadata encode_add_partitions(const std::string& topic,
                                    int32_t partitions,
                                    bool validate_only,
                                    Milliseconds timeout);
Expected<int32_t> decode_add_partitions(const rpc::CallResult& result);

rpc::Metadata encode_describe_topic(const std::string& topic);
Expected<TopicDescription> decode_describe_topic(const rpc::CallResult& result);

rpc::Metadata encode_topic_options();
Expected<std::vector<TopicOptionInfo>> decode_topic_options(const rpc::CallResult& result);

rpc::Metadata encode_metadata(bool brokers_only);
Expected<std::vector<TopicSummary>> decode_topics(const rpc::CallResult& result);

rpc::Metadata encode_describe_cluster();
Expected<ClusterInfo> decode_describe_cluster(const rpc::CallResult& result);

rpc::Metadata encode_cluster_events(int64_t after, Milliseconds max_wait);
Expected<std::vector<ClusterEvent>> decode_cluster_events(const rpc::CallResult& result);

rpc::Metadata encode_replace_voter(int32_t voter, Milliseconds timeout);
Expected<ReplacedVoter> decode_replace_voter(const rpc::CallResult& result);

rpc::Metadata encode_move_leaders(const std::vector<LeaderMove>& moves, Milliseconds timeout);
Expected<std::vector<MovedLeader>> decode_move_leaders(const std::vector<LeaderMove>& moves,
                                                       const rpc::CallResult& result);

rpc::Metadata encode_move_replicas(const std::vector<ReplicaMove>& moves, Milliseconds timeout);
Expected<std::vector<PlannedReplicas>> decode_move_replicas(const std::vector<ReplicaMove>& moves,
                                                            const rpc::CallResult& result);

rpc::Metadata encode_elect_leader(const TopicPartition& partition,
                                  bool unclean,
                                  bool validate_only,
                                  Milliseconds timeout);
Expected<ElectedLeader> decode_elect_leader(const rpc::CallResult& result);

rpc::Metadata encode_set_failover(bool is_manual, Milliseconds timeout);
Expected<void> decode_set_failover(const rpc::CallResult& result);

rpc::Metadata encode_describe_node();
Expected<NodeDescription> decode_describe_node(const rpc::CallResult& result);

// Of several partitions that one broker leads; one answer for each, in their order, whatever the result of the call is.
struct OffsetRequest {
    PartitionReference partition;
    OffsetQuery::Place place = OffsetQuery::Place::end;
    int64_t timestamp = -1;
};
struct OffsetAnswer {
    std::optional<Failure> failure{};
    int64_t offset = -1;
    int64_t timestamp = -1;
    int32_t leader_epoch = -1;
};
rpc::Metadata encode_list_offsets(const std::vector<OffsetRequest>& requests, Visibility visibility);
std::vector<OffsetAnswer> decode_list_offsets(const rpc::CallResult& result, size_t count);

struct DeleteRequest {
    PartitionReference partition;
    int64_t before = -1;
};
rpc::Metadata encode_delete_records(const std::vector<DeleteRequest>& requests, Milliseconds timeout);
std::vector<OffsetAnswer> decode_delete_records(const rpc::CallResult& result, size_t count);  // offset: the log start

}  // namespace ironbark::client
