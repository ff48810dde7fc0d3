#include "broker/control/controller_service.h"

#include <algorithm>
#include <fmt/format.h>

#include "runtime/rpc/convert.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

constexpr Duration register_time_max = 60s;
constexpr int32_t metadata_poll_max_ms = 60'000;
constexpr int32_t command_time_max_ms = 300'000;
constexpr size_t metadata_answer_bytes_max = size_t{4} << 20;  // of commands in one answer, beyond the first

constexpr Error speaks_for_another(ErrorCode::invalid_request, "a daemon speaks for its own broker only");
constexpr Error incarnation_is_over(
    ErrorCode::stale_broker_epoch,
    "this incarnation of the broker is over: it was given up, or another has registered");

using rpc::respond;

rpc::Response refuse_with(ErrorCode code, Outcome outcome, std::string_view hint, int32_t leader = -1) {
    flatbuffers::FlatBufferBuilder builder;
    auto text = builder.CreateString(hint);
    rpc::Response response = respond(builder, wire::CreateErrorInfo(builder, static_cast<int16_t>(code),
                                                                    static_cast<wire::Outcome>(outcome), text, leader));
    response.is_error = true;
    return response;
}

rpc::Response refuse_with(const Error& error) {
    return rpc::error_response(error, Outcome::not_written);
}

// Whoever is authenticated says who it is; this daemon's own broker needs no proof.
bool may_speak_for(const rpc::Session& session, int32_t broker) {
    const peer::PeerIdentity* who = peer::peer_of(session);
    return who == nullptr || who->node == broker;
}

}  // namespace

Task<rpc::Response> ControllerService::handle(rpc::Session& session, rpc::Request request) {
    return dispatch(&session, std::move(request));
}

void ControllerService::ended(rpc::Session& session) {
    const peer::PeerIdentity* who = peer::peer_of(session);
    if (who == nullptr || controller_ == nullptr) return;
    given_.erase(who->node);
    controller_->connection_ended(who->node);
}

Task<rpc::Response> ControllerService::dispatch(rpc::Session* session, rpc::Request request) {
    switch (request.method) {
        case rpc::Method::peer_challenge: co_return gate_->answer_challenge(*session, request);
        case rpc::Method::peer_proof: co_return gate_->answer_proof(*session, request);
        default: break;
    }
    if (controller_ == nullptr) {
        co_return refuse_with(ErrorCode::not_controller, Outcome::not_written, "this daemon is no controller");
    }
    switch (request.method) {
        case rpc::Method::quorum_message: co_return controller_->take_message(*session, request);
        case rpc::Method::voter_state: co_return controller_->voter_state();
        case rpc::Method::form_cluster: co_return controller_->form_cluster(*session, request);
        case rpc::Method::register_broker: co_return co_await register_broker(session, std::move(request));
        case rpc::Method::heartbeat: co_return co_await heartbeat(session, std::move(request));
        case rpc::Method::report_replicas: co_return report_replicas(*session, request);
        case rpc::Method::follow_metadata: co_return co_await follow_metadata(session, std::move(request));
        case rpc::Method::execute_command: co_return co_await execute_command(session, std::move(request));
        case rpc::Method::appoint_leader: co_return co_await appoint_leader(std::move(request));
        case rpc::Method::admit_voter: co_return co_await admit_voter(std::move(request));
        case rpc::Method::describe_quorum: co_return describe_quorum();
        default: break;
    }
    co_return refuse_with({ErrorCode::unsupported_version, "this daemon does not know that request"});
}

rpc::Response ControllerService::refuse_inactive() const {
    const int32_t active = controller_->active();
    if (const Error why = controller_->why_inactive(); why.code != ErrorCode::not_controller) return refuse_with(why);
    return refuse_with(ErrorCode::not_controller, Outcome::not_written,
                       active < 0 ? "no controller is active" : fmt::format("the active controller is {}", active),
                       active);
}

rpc::Response ControllerService::refuse(const Executed& executed) const {
    const std::string hint = executed.hint.empty() ? describe(executed.error) : executed.hint;
    const bool is_inactive = executed.error.code == ErrorCode::not_controller;
    return refuse_with(executed.error.code, executed.outcome, hint, is_inactive ? controller_->active() : -1);
}

// ---- brokers -------------------------------------------------------------------------------------------------------

std::string ControllerService::problem_with(const wire::RegisterBrokerRequest& request) const {
    if (request.broker() < 0) return "a broker has an id";
    const auto& brokers = controller_->machine().state().brokers();
    for (const auto& [id, broker] : brokers) {
        if (broker.directory != rpc::from_wire(request.directory()) || id.value == request.broker()) continue;
        return fmt::format("the data directory {} belongs to broker {}, and broker.id is {}. Set broker.id = {}",
                           broker.directory.to_string(), id.value, request.broker(), id.value);
    }
    const BrokerRecord* known = controller_->machine().state().find(BrokerId(request.broker()));
    if (known == nullptr) return {};
    const BrokerRecord& other = *known;
    if (!other.is_alive || other.directory == rpc::from_wire(request.directory())) return {};
    return fmt::format(
        "broker.id = {} is in use: the broker at {}:{} has it and lives (data directory {}, incarnation {}). Give this "
        "one another broker.id, or stop the other",
        other.id.value, other.host, other.port, other.directory.to_string(), other.incarnation.value);
}

Task<rpc::Response> ControllerService::register_broker(const rpc::Session* session, rpc::Request request) {
    const auto& message = request.as<wire::RegisterBrokerRequest>();
    if (!controller_->is_active()) co_return refuse_inactive();
    if (!may_speak_for(*session, message.broker())) co_return refuse_with(speaks_for_another);
    if (std::string problem = problem_with(message); !problem.empty()) {
        co_return refuse_with(ErrorCode::duplicate_broker, Outcome::not_written, problem);
    }
    const BrokerRecord* known = controller_->machine().state().find(BrokerId(message.broker()));
    RegisterBroker registration;
    registration.id = BrokerId(message.broker());
    registration.directory = rpc::from_wire(message.directory());
    registration.incarnation = known == nullptr ? Incarnation(1) : Incarnation(known->incarnation.value + 1);
    registration.stopped_cleanly = Incarnation(message.stopped_cleanly());
    registration.host = rpc::from_wire(message.host());
    registration.port = message.port();
    registration.peer_host = rpc::from_wire(message.peer_host());
    registration.peer_port = message.peer_port();
    registration.replica_port = message.replica_port();
    registration.rack = rpc::from_wire(message.rack());
    registration.feature_level = message.feature_level();
    registration.version = rpc::from_wire(message.version());
    registration.is_controller_only = message.is_controller_only();
    registration.time = Timestamp(world_.executor.wall_milliseconds());
    Executed executed =
        co_await controller_->execute(broker::register_broker(registration), world_.executor.now() + register_time_max);
    if (!executed.ok()) co_return refuse(executed);
    flatbuffers::FlatBufferBuilder builder;
    const wire::Uuid cluster = rpc::to_wire(controller_->cluster());
    const auto timeout_ms = static_cast<int32_t>(controller_->session_timeout() / 1ms);
    co_return respond(builder, wire::CreateRegisterBrokerResponse(builder, 0, registration.incarnation.value,
                                                                  executed.version, timeout_ms, &cluster));
}

bool ControllerService::is_current(BrokerId broker, Incarnation incarnation) const {
    const BrokerRecord* known = controller_->machine().state().find(broker);
    return known != nullptr && known->is_alive && known->incarnation == incarnation;
}

// A lease is as long as the session, less a fifth, from when the heartbeat was sent: whoever holds one has stopped to
// rely on it before this controller, or one after it, may give the broker up.
Task<rpc::Response> ControllerService::heartbeat(const rpc::Session* session, rpc::Request request) {
    const auto& message = request.as<wire::HeartbeatRequest>();
    if (!controller_->is_active()) co_return refuse_inactive();
    if (!may_speak_for(*session, message.broker())) co_return refuse_with(speaks_for_another);
    const BrokerId broker(message.broker());
    if (!is_current(broker, Incarnation(message.incarnation()))) co_return refuse_with(incarnation_is_over);
    controller_->broker_heard(broker, Incarnation(message.incarnation()));
    Result<void> confirmed = co_await controller_->confirm(world_.executor.now() + controller_->session_timeout());
    if (!confirmed.ok() || !controller_->is_active()) co_return refuse_inactive();
    // It may have been given up while the quorum was asked.
    if (!is_current(broker, Incarnation(message.incarnation()))) co_return refuse_with(incarnation_is_over);
    flatbuffers::FlatBufferBuilder builder;
    const auto lease_ms = static_cast<int32_t>(controller_->session_timeout() * 4 / 5 / 1ms);
    co_return respond(builder,
                      wire::CreateHeartbeatResponse(builder, 0, lease_ms, controller_->machine().state().version()));
}

rpc::Response ControllerService::report_replicas(const rpc::Session& session, const rpc::Request& request) {
    const auto& message = request.as<wire::ReportReplicasRequest>();
    if (!controller_->is_active()) return refuse_inactive();
    if (!may_speak_for(session, message.broker())) return refuse_with(speaks_for_another);
    const BrokerId broker(message.broker());
    const Incarnation incarnation(message.incarnation());
    if (!is_current(broker, incarnation)) return refuse_with(incarnation_is_over);
    std::vector<ReplicaReport> reports;
    for (flatbuffers::uoffset_t at = 0; message.replicas() != nullptr && at < message.replicas()->size(); ++at) {
        const wire::ReplicaState& state = *message.replicas()->Get(at);
        reports.push_back({{rpc::from_wire(state.topic()), PartitionIndex(state.partition())},
                           Epoch(state.leader_epoch()),
                           Epoch(state.last_epoch()),
                           Offset(state.log_end()),
                           Offset(state.durable_end())});
    }
    controller_->take_reports(broker, incarnation, reports);
    flatbuffers::FlatBufferBuilder builder;
    return respond(builder, wire::CreateReportReplicasResponse(builder));
}

Task<rpc::Response> ControllerService::execute_command(const rpc::Session* session, rpc::Request request) {
    const auto& message = request.as<wire::ExecuteCommandRequest>();
    if (!controller_->is_active()) co_return refuse_inactive();
    if (!may_speak_for(*session, message.broker())) co_return refuse_with(speaks_for_another);
    if (!is_current(BrokerId(message.broker()), Incarnation(message.incarnation()))) {
        co_return refuse_with(incarnation_is_over);
    }
    const Bytes bytes = request.payload.bytes();
    Command command(bytes.begin(), bytes.end());
    // What stands for a whole state is for who restores one.
    if (Metadata::is_snapshot_part(command))
        co_return refuse_with({ErrorCode::invalid_request, "a snapshot is no command"});
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, command_time_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout_ms);
    Executed executed = co_await controller_->execute(std::move(command), deadline);
    if (!executed.ok()) co_return refuse(executed);
    flatbuffers::FlatBufferBuilder builder;
    co_return respond(builder, wire::CreateExecuteCommandResponse(builder, 0, executed.version));
}

Task<rpc::Response> ControllerService::appoint_leader(rpc::Request request) {
    const auto& message = request.as<wire::AppointLeaderRequest>();
    if (!controller_->is_active()) co_return refuse_inactive();
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, command_time_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout_ms);
    const PartitionIdentity identity{rpc::from_wire(message.topic()), PartitionIndex(message.partition())};
    const Controller::Appointed appointed =
        co_await controller_->appoint(identity, message.unclean(), message.validate_only(), deadline);
    if (!appointed.executed.ok()) co_return refuse(appointed.executed);
    flatbuffers::FlatBufferBuilder builder;
    co_return respond(
        builder, wire::CreateAppointLeaderResponseDirect(builder, 0, appointed.leader.value, appointed.log_end.value,
                                                         appointed.loss.c_str(), appointed.executed.version));
}

// ---- the metadata --------------------------------------------------------------------------------------------------

Task<rpc::Response> ControllerService::follow_metadata(const rpc::Session* session, rpc::Request request) {
    const auto& message = request.as<wire::FollowMetadataRequest>();
    if (!may_speak_for(*session, message.broker())) co_return refuse_with(speaks_for_another);
    const Instant until =
        request.received + std::chrono::milliseconds(std::clamp(message.max_wait_ms(), 0, metadata_poll_max_ms));
    while (controller_->is_active()) {
        const int64_t version = controller_->machine().state().version();
        if (message.version() < 0) co_return give_snapshot(message);
        if (version > message.version()) {
            std::optional<std::vector<SharedCommand>> commands = controller_->machine().since(message.version());
            if (!commands) co_return give_snapshot(message);
            given_.erase(message.broker());
            co_return give_commands(*commands);
        }
        const bool is_late = world_.executor.now() >= until || session->is_closed;
        if (is_late) {
            flatbuffers::FlatBufferBuilder builder;
            co_return respond(builder, wire::CreateFollowMetadataResponse(builder, 0, version));
        }
        const Wake wake = co_await controller_->wait_for_change(until);
        if (wake == Wake::closed) break;
    }
    given_.clear();
    co_return refuse_inactive();
}

rpc::Response ControllerService::give_commands(const std::vector<SharedCommand>& commands) const {
    rpc::Response response;
    std::vector<uint32_t> sizes;
    size_t bytes = 0;
    const int64_t first = controller_->machine().state().version() - static_cast<int64_t>(commands.size());
    for (const SharedCommand& command : commands) {
        if (!sizes.empty() && bytes + command->size() > metadata_answer_bytes_max) break;
        bytes += command->size();
        sizes.push_back(static_cast<uint32_t>(command->size()));
        response.payload.push_back(world_.buffers.copy_of(*command));
    }
    flatbuffers::FlatBufferBuilder builder;
    const int64_t version = first + static_cast<int64_t>(sizes.size());
    response.metadata =
        rpc::finish(builder, wire::CreateFollowMetadataResponseDirect(builder, 0, version, false, 0, &sizes));
    return response;
}

std::shared_ptr<const ControllerService::Snapshot> ControllerService::snapshot_for(int32_t broker) {
    std::shared_ptr<const Snapshot> snapshot = newest_.lock();
    // From one that is too old the commands do not lead on.
    if (snapshot == nullptr || !controller_->machine().since(snapshot->version)) {
        Snapshot made{controller_->machine().state().version(), {}};
        for (Command& part : controller_->machine().state().snapshot()) {
            made.parts.push_back(std::make_shared<const Command>(std::move(part)));
        }
        snapshot = std::make_shared<const Snapshot>(std::move(made));
        newest_ = snapshot;
    }
    given_[broker] = snapshot;
    return snapshot;
}

rpc::Response ControllerService::give_snapshot(const wire::FollowMetadataRequest& request) {
    auto given = given_.find(request.broker());
    const bool goes_on = given != given_.end() && given->second->version == request.snapshot_version() &&
                         request.snapshot_parts() < given->second->parts.size();
    const std::shared_ptr<const Snapshot> snapshot = goes_on ? given->second : snapshot_for(request.broker());
    rpc::Response response;
    std::vector<uint32_t> sizes;
    size_t bytes = 0;
    size_t at = goes_on ? request.snapshot_parts() : 0;
    for (; at < snapshot->parts.size(); ++at) {
        const Command& part = *snapshot->parts[at];
        if (!sizes.empty() && bytes + part.size() > metadata_answer_bytes_max) break;
        bytes += part.size();
        sizes.push_back(static_cast<uint32_t>(part.size()));
        response.payload.push_back(world_.buffers.copy_of(part));
    }
    const auto left = static_cast<uint32_t>(snapshot->parts.size() - at);
    flatbuffers::FlatBufferBuilder builder;
    response.metadata = rpc::finish(
        builder, wire::CreateFollowMetadataResponseDirect(builder, 0, snapshot->version, true, left, &sizes));
    if (left == 0) given_.erase(request.broker());
    return response;
}

// ---- the quorum ----------------------------------------------------------------------------------------------------

rpc::Response ControllerService::describe_quorum() {
    const consensus::Status status = controller_->driver().status();
    const int64_t now_ms = world_.executor.now().time_since_epoch() / 1ms;
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::VoterStatus>> voters;
    std::vector<consensus::Voter> everybody;
    if (status.membership != nullptr) everybody = status.membership->everybody();
    for (const consensus::Voter& voter : everybody) {
        Address address;
        for (const VoterAddress& each : controller_->settings().voters) {
            if (each.id == voter.id.value) address = each.address;
        }
        uint64_t match = 0;
        int64_t heard_ms = -1;
        if (voter == controller_->self()) {
            match = status.durable.value;
            heard_ms = 0;
        }
        for (const consensus::FollowerStatus& follower : status.followers) {
            if (follower.voter != voter) continue;
            match = follower.match.value;
            heard_ms = now_ms - follower.heard_ms;
        }
        const wire::Uuid directory = rpc::to_wire(voter.directory);
        auto described = wire::CreateVoter(builder, voter.id.value, &directory);
        voters.push_back(
            wire::CreateVoterStatusDirect(builder, described, address.host.c_str(), address.port, match, heard_ms));
    }
    flatbuffers::Offset<wire::Voter> leaving;
    if (status.membership != nullptr && status.membership->leaving) {
        const wire::Uuid directory = rpc::to_wire(status.membership->leaving->directory);
        leaving = wire::CreateVoter(builder, status.membership->leaving->id.value, &directory);
    }
    const wire::Uuid cluster = rpc::to_wire(status.cluster);
    return respond(builder, wire::CreateDescribeQuorumResponseDirect(
                                builder, 0, &cluster, controller_->self().id.value, consensus::name(status.role),
                                controller_->active(), status.term.value, status.last.value, status.commit.value,
                                status.applied.value, status.snapshot.value, status.log_bytes, &voters, leaving,
                                controller_->machine().state().version(), controller_->notice().c_str()));
}

Task<rpc::Response> ControllerService::admit_voter(rpc::Request request) {
    const auto& message = request.as<wire::AdmitVoterRequest>();
    if (!controller_->is_active()) co_return refuse_inactive();
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, command_time_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout_ms);
    const consensus::VoterId id(message.voter());
    const consensus::Status status = controller_->driver().status();
    const consensus::Voter* before = nullptr;
    for (const consensus::Voter& voter : status.membership->voters) {
        if (voter.id == id) before = &voter;
    }
    if (before == nullptr || links_ == nullptr || id == controller_->self().id) {
        co_return refuse_with(
            ErrorCode::invalid_request, Outcome::not_written,
            fmt::format("{} is no other voter of this cluster; `ironbark controller status` lists them",
                        message.voter()));
    }
    flatbuffers::FlatBufferBuilder question;
    rpc::Metadata ask = rpc::finish(question, wire::CreateVoterStateRequest(question));
    rpc::CallResult answer = co_await links_->call(id, rpc::Method::voter_state, std::move(ask), {}, deadline);
    if (!answer.ok()) {
        co_return refuse_with(answer.error.code, Outcome::not_written,
                              fmt::format("voter {} cannot be asked which directory it has now: {}. Start its daemon",
                                          message.voter(), describe(answer.error)));
    }
    const wire::Voter* present = answer.as<wire::VoterStateResponse>().voter();
    if (present == nullptr || present->id() != message.voter()) {
        co_return refuse_with({ErrorCode::invalid_request, "another daemon answers at that voter's address"});
    }
    const consensus::Voter incoming{id, rpc::from_wire(present->directory())};
    Executed executed{Outcome::written, ErrorCode::none, {}, -1};
    if (incoming != *before) executed = co_await controller_->replace_voter(incoming, deadline);
    if (!executed.ok()) co_return refuse(executed);
    flatbuffers::FlatBufferBuilder builder;
    const wire::Uuid old_directory = rpc::to_wire(before->directory);
    const wire::Uuid new_directory = rpc::to_wire(incoming.directory);
    co_return respond(builder, wire::CreateAdmitVoterResponse(builder, 0, &old_directory, &new_directory));
}

}  // namespace ironbark::broker
