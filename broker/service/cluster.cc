// The cluster as a whole: its brokers and controllers, what happened in it, and voters that are replaced.

#include <algorithm>
#include <fmt/format.h>

#include "broker/control/control.h"
#include "broker/service/service.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

constexpr Duration quorum_time_max = 3s;
constexpr int32_t events_wait_max_ms = 300'000;
constexpr int32_t replace_time_max_ms = 300'000;
constexpr Duration waiter_look_interval = 1s;  // whether anybody still waits for an answer

using rpc::respond;

struct Load {
    int32_t partitions = 0;
    int32_t leads = 0;
};

std::map<BrokerId, Load> load_of(const Metadata& metadata) {
    std::map<BrokerId, Load> loads;
    for (const auto& [name, topic] : metadata.topics()) {
        for (const PartitionRecord& partition : topic->partitions) {
            for (BrokerId replica : partition.replicas) ++loads[replica].partitions;
            if (partition.leader.value >= 0) ++loads[partition.leader].leads;
        }
    }
    return loads;
}

using QuorumVoters = std::vector<flatbuffers::Offset<wire::QuorumVoter>>;

QuorumVoters describe_voters(flatbuffers::FlatBufferBuilder& builder, const wire::DescribeQuorumResponse& quorum) {
    QuorumVoters voters;
    if (quorum.voters() == nullptr) return voters;
    for (const wire::VoterStatus* status : *quorum.voters()) {
        const wire::Voter* voter = status->voter();
        if (voter == nullptr) continue;
        const wire::Voter* leaving = quorum.leaving();
        const bool is_leaving = leaving != nullptr && leaving->id() == voter->id() &&
                                rpc::from_wire(leaving->directory()) == rpc::from_wire(voter->directory());
        auto host = builder.CreateString(rpc::from_wire(status->host()));
        voters.push_back(wire::CreateQuorumVoter(builder, voter->id(), voter->directory(), host, status->port(),
                                                 status->match(), status->last_heard_ms(), is_leaving));
    }
    return voters;
}

}  // namespace

Task<rpc::Response> ClientService::describe_cluster(rpc::Request) {
    struct Ask {
        static Task<rpc::CallResult> run(Control* control, Instant deadline) {
            co_return co_await control->describe_quorum(deadline);
        }
    };
    Control* control = facts_.control;
    auto make = [control, deadline = shard_.executor().now() + quorum_time_max] { return Ask::run(control, deadline); };
    rpc::CallResult asked =
        co_await run_on<rpc::CallResult>(shard_.executor(), control->executor(), control->scope(), std::move(make));
    const MetadataSnapshot metadata = shard_.metadata();
    const std::map<BrokerId, Load> loads = load_of(*metadata);
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ClusterBroker>> brokers;
    for (const auto& [id, broker] : metadata->brokers()) {
        auto load = loads.find(id);
        const Load mine = load == loads.end() ? Load() : load->second;
        const wire::Uuid directory = rpc::to_wire(broker.directory);
        brokers.push_back(wire::CreateClusterBrokerDirect(
            builder, id.value, broker.host.c_str(), broker.port, broker.rack.c_str(), broker.incarnation.value,
            &directory, broker.is_alive, broker.is_clean, broker.version.c_str(), broker.since.milliseconds,
            mine.partitions, mine.leads, broker.is_controller_only));
    }
    flatbuffers::Offset<wire::ErrorInfo> error;
    const wire::DescribeQuorumResponse* quorum = nullptr;
    if (asked.ok()) {
        quorum = &asked.as<wire::DescribeQuorumResponse>();
    } else {
        error = error_info(builder, asked.error, Outcome::not_written,
                           asked.hint.empty() ? describe(asked.error) : asked.hint);
    }
    QuorumVoters voters;
    if (quorum != nullptr) voters = describe_voters(builder, *quorum);
    const wire::Uuid cluster = rpc::to_wire(facts_.identity.cluster);
    co_return respond(
        builder, wire::CreateDescribeClusterResponseDirect(
                     builder, 0, &cluster, metadata->version(), &brokers, quorum == nullptr ? -1 : quorum->active(),
                     quorum == nullptr ? 0 : quorum->term(), quorum == nullptr ? 0 : quorum->committed(), &voters,
                     metadata->feature_level(), error, quorum == nullptr ? 0 : quorum->log_bytes(),
                     quorum == nullptr ? 0 : quorum->snapshot(), metadata->is_failover_manual()));
}

Task<rpc::Response> ClientService::cluster_events(rpc::Session* session, rpc::Request request) {
    const auto& message = request.as<wire::ClusterEventsRequest>();
    const int32_t wait_ms = std::clamp(message.max_wait_ms(), 0, events_wait_max_ms);
    const Instant until = request.received + std::chrono::milliseconds(wait_ms);
    auto has_news = [&] {
        const auto& events = shard_.metadata()->events();
        return !events.empty() && events.back().number > message.after();
    };
    while (!has_news() && shard_.executor().now() < until && !session->is_closed) {
        const Instant look = std::min(until, shard_.executor().now() + waiter_look_interval);
        const Wake wake = co_await shard_.wait_for_metadata(look);
        if (wake == Wake::closed) break;
    }
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::ClusterEvent>> events;
    const MetadataSnapshot metadata = shard_.metadata();
    for (const ClusterEvent& event : metadata->events()) {
        if (event.number <= message.after()) continue;
        events.push_back(wire::CreateClusterEventDirect(builder, event.number, event.time.milliseconds,
                                                        name(event.kind), text(event).c_str()));
    }
    co_return respond(builder, wire::CreateClusterEventsResponseDirect(builder, 0, &events));
}

Task<rpc::Response> ClientService::replace_voter(rpc::Request request) {
    const auto& message = request.as<wire::ReplaceVoterRequest>();
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, replace_time_max_ms);
    ControllerCall call;
    call.method = rpc::Method::admit_voter;
    call.make = [voter = message.voter(), timeout_ms] {
        flatbuffers::FlatBufferBuilder builder;
        return rpc::finish(builder, wire::CreateAdmitVoterRequest(builder, voter, timeout_ms));
    };
    const Instant deadline = shard_.executor().now() + std::chrono::milliseconds(timeout_ms);
    rpc::CallResult result = co_await ask_controller(std::move(call), deadline);
    if (!result.ok()) co_return pass_on(result);
    const auto& answer = result.as<wire::AdmitVoterResponse>();
    flatbuffers::FlatBufferBuilder builder;
    co_return respond(builder, wire::CreateReplaceVoterResponse(builder, 0, answer.before(), answer.now()));
}

}  // namespace ironbark::broker
