// Leaders by hand: planned moves, elections where nobody leads, and who decides when a leader fails.

#include <algorithm>
#include <fmt/format.h>

#include "broker/control/control.h"
#include "broker/controller/appointer.h"
#include "broker/controller/tiers.h"
#include "broker/service/service.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

constexpr int32_t leader_time_max_ms = 300'000;
constexpr Duration naming_pause = 20ms;

using rpc::respond;

// One planned move.
struct Wish : PartitionWish {
    BrokerId target{-1};
    BrokerId before{-1};
    Epoch epoch{-1};        // in which `before` leads
    int32_t named_in = -1;  // partition epoch that names the move; -1: none does yet
    Instant asked{};
    Duration outage{};
};

// Refused here where the reason can be told best; the metadata judges once more.
void check(const Metadata& metadata, Wish& wish) {
    const PartitionRecord* found = metadata.find(wish.identity());
    if (found == nullptr) {
        return wish.refuse(ErrorCode::unknown_topic_or_partition,
                           fmt::format("topic {} has no partition {}", wish.topic->name, wish.partition.value));
    }
    const PartitionRecord& partition = *found;
    wish.before = partition.leader;
    wish.epoch = partition.leader_epoch;
    if (!contains(partition.replicas, wish.target)) {
        return wish.refuse(ErrorCode::invalid_request, fmt::format("broker {} has no replica of it; brokers {} have",
                                                                   wish.target.value, list_of(partition.replicas)));
    }
    if (partition.leader.value < 0) {
        return wish.refuse(ErrorCode::not_leader_or_follower, why_nobody_leads(metadata, *wish.topic, partition));
    }
    if (partition.leader == wish.target) {
        wish.is_settled = true;
        return;
    }
    if (!contains(partition.in_sync, wish.target)) {
        return wish.refuse(ErrorCode::not_enough_replicas,
                           fmt::format("broker {} is not in sync (brokers {} are): it may lack acknowledged records; "
                                       "`ironbark leader list {}` shows how far it is behind",
                                       wish.target.value, list_of(partition.in_sync), wish.topic->name));
    }
    if (!metadata.is_alive(wish.target)) {
        return wish.refuse(ErrorCode::not_enough_replicas,
                           fmt::format("broker {} is not alive: start it", wish.target.value));
    }
}

// What the metadata shows of a move that was named.
void look(const Metadata& metadata, Wish& wish, Instant now) {
    const PartitionRecord* partition = metadata.find(wish.identity());
    if (partition == nullptr) return wish.refuse(ErrorCode::unknown_topic_or_partition, "the topic was deleted");
    if (partition->leader == wish.target) {
        wish.is_settled = true;
        wish.epoch = partition->leader_epoch;
        wish.outage = now - wish.asked;
        return;
    }
    if (partition->leader_epoch != wish.epoch) {
        wish.refuse(
            ErrorCode::fenced_leader_epoch,
            fmt::format("broker {} failed meanwhile: the move is off, and another leads or will", wish.before.value));
        return;
    }
    if (partition->target == wish.target) wish.named_in = partition->partition_epoch;
    if (wish.named_in >= 0 && partition->partition_epoch > wish.named_in && partition->target != wish.target) {
        wish.refuse(ErrorCode::timed_out,
                    fmt::format("broker {} did not catch up in time, or left the in-sync set: broker {} leads on",
                                wish.target.value, wish.before.value));
    }
}

bool is_settled(const std::vector<Wish>& wishes) {
    return std::all_of(wishes.begin(), wishes.end(), [](const Wish& wish) { return wish.is_settled; });
}

}  // namespace

Task<rpc::Response> ClientService::move_leaders(rpc::Request request) {
    const auto& message = request.as<wire::MoveLeadersRequest>();
    const size_t count = message.moves() == nullptr ? 0 : message.moves()->size();
    if (Error wrong = check_partition_count(count); wrong.code != ErrorCode::none) {
        co_return rpc::error_response(wrong, Outcome::not_written);
    }
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, leader_time_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout_ms);
    std::vector<Wish> wishes;
    for (const wire::LeaderMoveRequest* move : *message.moves()) {
        Wish& wish = wishes.emplace_back();
        find_partition(wish, *move);
        wish.target = BrokerId(move->target());
        if (!wish.is_settled && wish.partition.value < 0) {
            wish.refuse(ErrorCode::unknown_topic_or_partition, "a partition has a number from 0 on");
        }
    }
    while (!is_settled(wishes)) {
        const MetadataSnapshot known = shard_.metadata();
        std::vector<LeaderMove> moves;
        for (Wish& wish : wishes) {
            if (wish.is_settled || wish.named_in >= 0) continue;
            check(*known, wish);
            if (wish.is_settled) continue;
            wish.asked = shard_.executor().now();
            moves.push_back(
                {wish.topic->id, wish.partition, known->find(wish.identity())->partition_epoch, wish.target});
        }
        Execution done{{Outcome::written, ErrorCode::none, {}, -1}, false};
        const bool is_naming = !moves.empty();
        Command command = is_naming ? broker::move_leaders(moves) : Command();
        if (is_naming) done = co_await execute(std::move(command), timeout_ms);
        const Executed& executed = done.executed;
        const Instant now = shard_.executor().now();
        for (Wish& wish : wishes) {
            if (wish.is_settled) continue;
            look(*shard_.metadata(), wish, now);
            if (wish.is_settled || (executed.ok() && now < deadline)) continue;
            const bool is_late = executed.ok();
            wish.refuse(is_late ? ErrorCode(ErrorCode::timed_out) : executed.error.code,
                        is_late ? "the move is under way" : describe(executed.error));
            wish.outcome = is_late ? Outcome::unknown : executed.outcome;
        }
        if (is_settled(wishes)) break;
        // One whose naming was refused is tried again.
        const Wake wake =
            co_await shard_.wait_for_metadata(is_naming ? std::min(deadline, now + naming_pause) : deadline);
        if (wake == Wake::closed) break;
    }
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::MovedLeader>> moved;
    for (Wish& wish : wishes) {
        if (!wish.is_settled) wish.refuse(ErrorCode::cancelled, "this broker is stopping: the move may be under way");
        const bool is_done = wish.error.code == ErrorCode::none;
        moved.push_back(wire::CreateMovedLeader(builder, error_info(builder, wish.error, wish.outcome, wish.hint),
                                                wish.before.value, is_done ? wish.target.value : wish.before.value,
                                                wish.epoch.value, wish.outage / 1us));
    }
    co_return respond(builder, wire::CreateMoveLeadersResponseDirect(builder, 0, &moved));
}

Task<rpc::Response> ClientService::elect_leader(rpc::Request request) {
    static constexpr Error unknown(ErrorCode::unknown_topic_or_partition, "there is no such topic");
    const auto& message = request.as<wire::ElectLeaderRequest>();
    auto topic = find_topic(message.topic(), message.topic_id());
    if (topic == nullptr) co_return rpc::error_response(unknown, Outcome::not_written);
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, leader_time_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout_ms);
    ControllerCall call;
    call.method = rpc::Method::appoint_leader;
    call.make = [id = topic->id, partition = message.partition(), unclean = message.unclean(),
                 validate_only = message.validate_only(), timeout_ms] {
        flatbuffers::FlatBufferBuilder builder;
        const wire::Uuid topic_id = rpc::to_wire(id);
        return rpc::finish(builder, wire::CreateAppointLeaderRequest(builder, &topic_id, partition, unclean,
                                                                     validate_only, timeout_ms));
    };
    rpc::CallResult result = co_await ask_controller(std::move(call), deadline);
    if (!result.ok()) co_return pass_on(result);
    const auto& answer = result.as<wire::AppointLeaderResponse>();
    // Whoever asks this broker next hears of the leader.
    while (shard_.metadata()->version() < answer.metadata_version() && shard_.executor().now() < deadline) {
        const Wake wake = co_await shard_.wait_for_metadata(deadline);
        if (wake == Wake::closed) break;
    }
    flatbuffers::FlatBufferBuilder builder;
    const std::string loss(rpc::from_wire(answer.loss()));
    co_return respond(
        builder, wire::CreateElectLeaderResponseDirect(builder, 0, answer.leader(), answer.log_end(), loss.c_str()));
}

Task<rpc::Response> ClientService::set_failover(rpc::Request request) {
    const auto& message = request.as<wire::SetFailoverRequest>();
    Command command = broker::set_failover(message.is_manual(), now());
    Execution done = co_await execute(std::move(command), message.timeout_ms());
    if (!done.executed.ok()) co_return refuse(done.executed);
    flatbuffers::FlatBufferBuilder builder;
    co_return respond(builder, wire::CreateSetFailoverResponse(builder, 0));
}

}  // namespace ironbark::broker
