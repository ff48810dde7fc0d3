#include "broker/service/service.h"

#include <fmt/format.h>

#include "broker/control/control.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {

flatbuffers::Offset<wire::ErrorInfo> error_info(flatbuffers::FlatBufferBuilder& builder,
                                                const Error& error,
                                                Outcome outcome,
                                                std::string_view hint,
                                                KnownLeader leader) {
    if (error.code == ErrorCode::none) return 0;
    flatbuffers::Offset<flatbuffers::String> text;
    if (builder.GetSize() <= answer_hints_bytes_max) {
        text = builder.CreateString(hint.empty() ? std::string_view(error.text) : hint);
    }
    return wire::CreateErrorInfo(builder, static_cast<int16_t>(error.code), static_cast<wire::Outcome>(outcome), text,
                                 leader.broker.value, leader.epoch.value);
}

rpc::Response refuse(ErrorCode code, const std::string& hint, Outcome outcome) {
    flatbuffers::FlatBufferBuilder builder;
    rpc::Response response = rpc::respond(builder, error_info(builder, code, outcome, hint));
    response.is_error = true;
    return response;
}

rpc::Response refuse(const Executed& executed) {
    return refuse(executed.error.code, executed.hint.empty() ? describe(executed.error) : executed.hint,
                  executed.outcome);
}

rpc::Response pass_on(const rpc::CallResult& result) {
    return refuse(result.error.code, result.hint.empty() ? describe(result.error) : result.hint, result.outcome);
}

Error check_partition_count(size_t count) {
    if (count == 0) return {ErrorCode::invalid_request, "the request names no partitions"};
    if (count > request_partitions_max) {
        return {ErrorCode::invalid_request, "a request names at most 10000 partitions; send several"};
    }
    return ErrorCode::none;
}

Shard& ClientService::shard_of(const PartitionIdentity& identity) const {
    return *facts_.shards[log::shard_of(identity, facts_.shards.size())];
}

// With the incarnation of now: a broker that was given up while it lived has another one than at its start.
rpc::ServerIdentity ClientService::identity() const {
    rpc::ServerIdentity identity = facts_.identity;
    const BrokerRecord* self = shard_.metadata()->find(identity.broker);
    if (self != nullptr) identity.incarnation = self->incarnation;
    return identity;
}

Task<rpc::Response> ClientService::handle(rpc::Session& session, rpc::Request request) {
    const rpc::Method method = request.method;
    const Instant received = request.received;
    rpc::Response response = co_await dispatch(&session, std::move(request));
    ShardMetrics& metrics = shard_.metrics();
    if (method != rpc::Method::produce) {
        metrics.requests[static_cast<size_t>(method)].add(shard_.executor().now() - received);
    }
    if (response.is_error) ++metrics.errors[static_cast<size_t>(method)];
    co_return response;
}

Task<rpc::CallResult> ClientService::ask_controller(ControllerCall call, Instant deadline) {
    struct Ask {
        static Task<rpc::CallResult> run(Control* control, ControllerCall call, Instant deadline) {
            co_return co_await control->controllers().call(std::move(call), deadline);
        }
    };
    Control* control = facts_.control;
    auto make = [control, call = std::move(call), deadline] { return Ask::run(control, call, deadline); };
    co_return co_await run_on<rpc::CallResult>(shard_.executor(), control->executor(), control->scope(),
                                               std::move(make));
}

Task<rpc::Response> ClientService::dispatch(rpc::Session* session, rpc::Request request) {
    switch (request.method) {
        case rpc::Method::handshake: co_return rpc::answer_handshake(*session, request, identity());
        case rpc::Method::metadata: co_return co_await metadata(std::move(request));
        case rpc::Method::create_topic: co_return co_await create_topic(std::move(request));
        case rpc::Method::delete_topic: co_return co_await delete_topic(std::move(request));
        case rpc::Method::alter_topic: co_return co_await alter_topic(std::move(request));
        case rpc::Method::add_partitions: co_return co_await add_partitions(std::move(request));
        case rpc::Method::describe_topic: co_return co_await describe_topic(std::move(request));
        case rpc::Method::topic_options: co_return co_await topic_options(std::move(request));
        case rpc::Method::produce: co_return co_await produce(std::move(request));
        case rpc::Method::fetch: co_return co_await fetch(session, std::move(request));
        case rpc::Method::list_offsets: co_return co_await list_offsets(std::move(request));
        case rpc::Method::delete_records: co_return co_await delete_records(std::move(request));
        case rpc::Method::allocate_producer_id: co_return co_await allocate_producer_id(std::move(request));
        case rpc::Method::describe_node: co_return co_await describe_node(std::move(request));
        case rpc::Method::describe_cluster: co_return co_await describe_cluster(std::move(request));
        case rpc::Method::cluster_events: co_return co_await cluster_events(session, std::move(request));
        case rpc::Method::replace_voter: co_return co_await replace_voter(std::move(request));
        case rpc::Method::move_leaders: co_return co_await move_leaders(std::move(request));
        case rpc::Method::elect_leader: co_return co_await elect_leader(std::move(request));
        case rpc::Method::set_failover: co_return co_await set_failover(std::move(request));
        case rpc::Method::move_replicas: co_return co_await move_replicas(std::move(request));
        default: break;
    }
    Error error(ErrorCode::unsupported_version, "this broker does not know that request");
    co_return rpc::error_response(error, Outcome::not_written);
}

}  // namespace ironbark::broker
