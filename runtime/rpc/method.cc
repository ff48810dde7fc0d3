#include "runtime/rpc/method.h"

#include <array>

#include "wire/client_generated.h"
#include "wire/controller_generated.h"
#include "wire/replica_generated.h"

namespace ironbark::rpc {

namespace {

template <typename Table>
bool verify_root(flatbuffers::Verifier& verifier) {
    return verifier.VerifyBuffer<Table>(nullptr);
}

// What fits the largest request that we mean to serve: 1 000 topics, 10 000 partitions with two tables each.
constexpr uint32_t small_size = 16 << 10;     // a few names and numbers
constexpr uint32_t settings_size = 64 << 10;  // names, and a topic's or a node's settings
constexpr uint32_t list_size = 2 << 20;       // an entry for each partition
constexpr uint32_t report_size = 12 << 20;    // text for each partition, or all topics and partitions of a cluster
constexpr uint32_t quorum_size = 256 << 10;   // as many entries as a message of the quorum may have
constexpr uint32_t small_tables = 32;
constexpr uint32_t quorum_tables = 9'000;  // an entry may hold a membership of six voters
constexpr uint32_t settings_tables = 1'000;
constexpr uint32_t list_tables = 21'000;
constexpr uint32_t report_tables = 150'000;

template <typename Table>
constexpr MessageLimits tiny() {
    return {2 << 10, 2, false, verify_root<Table>};  // a stranger's: a table, and an error in an answer
}
template <typename Table>
constexpr MessageLimits small() {
    return {small_size, small_tables, false, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits with_payload() {
    return {small_size, small_tables, true, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits message() {
    return {quorum_size, quorum_tables, true, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits settings() {
    return {settings_size, settings_tables, false, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits list(bool has_payload = false) {
    return {list_size, list_tables, has_payload, verify_root<Table>};
}
template <typename Table>
constexpr MessageLimits report() {
    return {report_size, report_tables, false, verify_root<Table>};
}

// Of its own, because it takes in all of `wire`: the table is unreadable with that repeated.
namespace method_table {

using namespace wire;  // NOLINT

constexpr Audience clients = Audience::clients;
constexpr Audience daemons = Audience::daemons;

constexpr MethodLimits rows[] = {
    {Method::handshake, "handshake", clients, true, small<HandshakeRequest>(), small<HandshakeResponse>()},
    {Method::metadata, "metadata", clients, false, list<MetadataRequest>(), report<MetadataResponse>()},
    {Method::create_topic, "create_topic", clients, false, settings<CreateTopicRequest>(),
     small<CreateTopicResponse>()},
    {Method::delete_topic, "delete_topic", clients, false, small<DeleteTopicRequest>(), small<DeleteTopicResponse>()},
    {Method::alter_topic, "alter_topic", clients, false, settings<AlterTopicRequest>(), small<AlterTopicResponse>()},
    {Method::add_partitions, "add_partitions", clients, false, small<AddPartitionsRequest>(),
     small<AddPartitionsResponse>()},
    {Method::describe_topic, "describe_topic", clients, false, small<DescribeTopicRequest>(),
     report<DescribeTopicResponse>()},
    {Method::topic_options, "topic_options", clients, false, small<TopicOptionsRequest>(),
     settings<TopicOptionsResponse>()},
    {Method::produce, "produce", clients, false, list<ProduceRequest>(true), list<ProduceResponse>()},
    {Method::fetch, "fetch", clients, false, list<FetchRequest>(), list<FetchResponse>(true)},
    {Method::list_offsets, "list_offsets", clients, false, list<ListOffsetsRequest>(), list<ListOffsetsResponse>()},
    {Method::delete_records, "delete_records", clients, false, list<DeleteRecordsRequest>(),
     list<DeleteRecordsResponse>()},
    {Method::allocate_producer_id, "allocate_producer_id", clients, false, small<AllocateProducerIdRequest>(),
     small<AllocateProducerIdResponse>()},
    {Method::describe_node, "describe_node", clients, false, small<DescribeNodeRequest>(),
     settings<DescribeNodeResponse>()},
    {Method::describe_cluster, "describe_cluster", clients, false, small<DescribeClusterRequest>(),
     report<DescribeClusterResponse>()},
    {Method::cluster_events, "cluster_events", clients, false, small<ClusterEventsRequest>(),
     report<ClusterEventsResponse>()},
    {Method::replace_voter, "replace_voter", clients, false, small<ReplaceVoterRequest>(),
     small<ReplaceVoterResponse>()},
    {Method::move_leaders, "move_leaders", clients, false, list<MoveLeadersRequest>(), list<MoveLeadersResponse>()},
    {Method::elect_leader, "elect_leader", clients, false, small<ElectLeaderRequest>(), small<ElectLeaderResponse>()},
    {Method::set_failover, "set_failover", clients, false, small<SetFailoverRequest>(), small<SetFailoverResponse>()},
    {Method::move_replicas, "move_replicas", clients, false, list<MoveReplicasRequest>(), list<MoveReplicasResponse>()},
    {Method::replicate, "replicate", daemons, false, list<ReplicateRequest>(), list<ReplicateResponse>(true)},
    {Method::replica_acks, "replica_acks", daemons, false, list<ReplicaAcksRequest>(), tiny<ReplicaAcksResponse>()},
    {Method::peer_challenge, "peer_challenge", daemons, true, tiny<PeerChallengeRequest>(),
     tiny<PeerChallengeResponse>()},
    {Method::peer_proof, "peer_proof", daemons, true, tiny<PeerProofRequest>(), tiny<PeerProofResponse>()},
    {Method::quorum_message, "quorum_message", daemons, false, message<QuorumMessage>(), tiny<TimeoutNow>()},
    {Method::voter_state, "voter_state", daemons, false, small<VoterStateRequest>(), small<VoterStateResponse>()},
    {Method::form_cluster, "form_cluster", daemons, false, small<FormClusterRequest>(), small<FormClusterResponse>()},
    {Method::register_broker, "register_broker", daemons, false, small<RegisterBrokerRequest>(),
     small<RegisterBrokerResponse>()},
    {Method::heartbeat, "heartbeat", daemons, false, settings<HeartbeatRequest>(), small<HeartbeatResponse>()},
    {Method::follow_metadata, "follow_metadata", daemons, false, small<FollowMetadataRequest>(),
     list<FollowMetadataResponse>(true)},
    {Method::execute_command, "execute_command", daemons, false, with_payload<ExecuteCommandRequest>(),
     small<ExecuteCommandResponse>()},
    {Method::describe_quorum, "describe_quorum", daemons, false, small<DescribeQuorumRequest>(),
     settings<DescribeQuorumResponse>()},
    {Method::appoint_leader, "appoint_leader", daemons, false, small<AppointLeaderRequest>(),
     small<AppointLeaderResponse>()},
    {Method::report_replicas, "report_replicas", daemons, false, report<ReportReplicasRequest>(),
     small<ReportReplicasResponse>()},
    {Method::admit_voter, "admit_voter", daemons, false, small<AdmitVoterRequest>(), small<AdmitVoterResponse>()},
};

}  // namespace method_table
using method_table::rows;

// Where a method's row is, and -1 for a number without one.
constexpr std::array<int8_t, method_count> make_index() {
    std::array<int8_t, method_count> index{};
    index.fill(-1);
    for (size_t row = 0; row < std::size(rows); ++row) {
        index[static_cast<size_t>(rows[row].method)] = static_cast<int8_t>(row);
    }
    return index;
}
constexpr std::array<int8_t, method_count> row_of = make_index();

}  // namespace

const MessageLimits error_limits{small_size, small_tables, false, verify_root<wire::ErrorInfo>};

const MethodLimits* find_method(uint16_t number) {
    if (number >= method_count || row_of[number] < 0) return nullptr;
    return &rows[row_of[number]];
}

std::span<const MethodLimits> all_methods() {
    return rows;
}

const char* name(Method method) {
    const MethodLimits* found = find_method(static_cast<uint16_t>(method));
    return found == nullptr ? "unknown" : found->name;
}

bool verify(const MessageLimits& limits, Bytes metadata) {
    ASSERT(reinterpret_cast<uintptr_t>(metadata.data()) % metadata_alignment == 0);
    // The verifier asserts on sizes of its own, so ours is checked before it is made.
    if (metadata.empty() || metadata.size() > limits.metadata_size_max) return false;
    flatbuffers::Verifier verifier(metadata.data(), metadata.size(), metadata_depth_max, limits.tables_max);
    return limits.verify(verifier);
}

}  // namespace ironbark::rpc
