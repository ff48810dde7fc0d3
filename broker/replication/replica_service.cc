#include "broker/replication/replica_service.h"

#include <algorithm>

#include "runtime/rpc/convert.h"
#include "wire/replica_generated.h"

namespace ironbark::broker {
namespace {

constexpr int32_t records_poll_max_ms = 60'000;
constexpr size_t records_answer_bytes_max = size_t{8} << 20;

constexpr Error no_such_shard(ErrorCode::invalid_request, "this broker has no shard of that number");

ReplicaAck from_wire(const wire::ReplicaAck& ack) {
    return {ack.handle(),
            Epoch(ack.leader_epoch()),
            {Offset(ack.appended()), Offset(ack.durable()), Offset(ack.log_start())}};
}

// One that is not known is another one than the tail's.
wire::ReplicaLane lane_of(wire::ReplicaLane lane) {
    return lane == wire::ReplicaLane::tail ? lane : wire::ReplicaLane::catch_up;
}

template <typename Message>
FollowerSessionId session_id(int32_t follower, const Message& message) {
    return {BrokerId(follower), Incarnation(message.incarnation()), message.follower_shard(), lane_of(message.lane()),
            message.session()};
}

template <typename List>
std::vector<ReplicaAck> acks_of(const List* list) {
    std::vector<ReplicaAck> acks;
    if (list == nullptr) return acks;
    for (const wire::ReplicaAck* ack : *list) acks.push_back(from_wire(*ack));
    return acks;
}

std::vector<ReplicaPosition> positions_of(const wire::ReplicateRequest& message) {
    std::vector<ReplicaPosition> positions;
    if (message.positions() == nullptr) return positions;
    for (const wire::ReplicaPosition* each : *message.positions()) {
        positions.push_back({each->handle(),
                             {rpc::from_wire(each->topic()), PartitionIndex(each->partition())},
                             Epoch(each->leader_epoch()),
                             Offset(each->log_end()),
                             Epoch(each->last_epoch()),
                             each->checksum(),
                             each->membership()});
    }
    return positions;
}

Task<bool> give_acks(Shard* shard, FollowerSessionId from, std::vector<ReplicaAck> acks) {
    shard->leader_sessions().take_acks(from, acks);
    co_return true;
}

}  // namespace

Task<rpc::Response> ReplicaService::handle(rpc::Session& session, rpc::Request request) {
    return dispatch(&session, std::move(request));
}

Task<rpc::Response> ReplicaService::dispatch(rpc::Session* session, rpc::Request request) {
    static constexpr Error unknown(ErrorCode::unsupported_version, "followers are served here, and nobody else");
    switch (request.method) {
        case rpc::Method::peer_challenge: co_return gate_.answer_challenge(*session, request);
        case rpc::Method::peer_proof: co_return gate_.answer_proof(*session, request);
        default: break;
    }
    const peer::PeerIdentity* who = peer::peer_of(*session);
    if (who == nullptr) co_return rpc::error_response(unknown, Outcome::not_written);
    switch (request.method) {
        case rpc::Method::replicate: co_return co_await replicate(who->node, std::move(request));
        case rpc::Method::replica_acks: co_return co_await take_acks(who->node, std::move(request));
        default: break;
    }
    co_return rpc::error_response(unknown, Outcome::not_written);
}

Task<rpc::Response> ReplicaService::replicate(int32_t follower, rpc::Request request) {
    const auto& message = request.as<wire::ReplicateRequest>();
    if (message.shard() < 0 || static_cast<size_t>(message.shard()) >= shards_.size()) {
        co_return rpc::error_response(no_such_shard, Outcome::not_written);
    }
    Shard* shard = shards_[static_cast<size_t>(message.shard())];
    ReplicateCall call;
    call.from = session_id(follower, message);
    call.positions = positions_of(message);
    if (message.left() != nullptr) call.left.assign(message.left()->begin(), message.left()->end());
    call.acks = acks_of(message.acks());
    call.bytes_max = std::min<size_t>(message.max_bytes(), records_answer_bytes_max);
    call.is_full = message.is_full();
    call.deadline =
        request.received + std::chrono::milliseconds(std::clamp(message.max_wait_ms(), 0, records_poll_max_ms));
    {
        rpc::Request done = std::move(request);
    }  // an answer may be long in coming: its memory is for others
    const auto count = static_cast<int32_t>(shards_.size());
    auto make = [shard, call, count] { return shard->leader_sessions().replicate(call, count); };
    co_return co_await run_on<rpc::Response>(shard_.executor(), shard->executor(), shard->scope(), std::move(make));
}

Task<rpc::Response> ReplicaService::take_acks(int32_t follower, rpc::Request request) {
    const auto& message = request.as<wire::ReplicaAcksRequest>();
    if (message.shard() >= 0 && static_cast<size_t>(message.shard()) < shards_.size()) {
        Shard* shard = shards_[static_cast<size_t>(message.shard())];
        const FollowerSessionId from = session_id(follower, message);
        std::vector<ReplicaAck> acks = acks_of(message.acks());
        auto make = [shard, from, acks] { return give_acks(shard, from, acks); };
        (void)co_await run_on<bool>(shard_.executor(), shard->executor(), shard->scope(), std::move(make));
    }
    co_return rpc::error_response(ErrorCode::none, Outcome::written);  // nobody hears it
}

}  // namespace ironbark::broker
