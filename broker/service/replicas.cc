// Replicas by hand: which brokers keep a partition.

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "broker/control/control.h"
#include "broker/controller/appointer.h"
#include "broker/controller/tiers.h"
#include "broker/service/service.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

constexpr int32_t planning_time_max_ms = 300'000;
constexpr Duration planning_pause = 20ms;

// One planned move.
struct ReplicaWish : PartitionWish {
    BrokerIds to;  // empty: what was there before the planned move
    BrokerIds before;
    int64_t throttle = 0;
};

std::string why_not_these(const Metadata& metadata, const ReplicaWish& wish, const PartitionRecord& partition) {
    size_t count = partition.replicas.size();
    if (wish.to.size() < static_cast<size_t>(wish.topic->min_in_sync)) {
        return fmt::format("min-in-sync of the topic is {}: name at least as many brokers", wish.topic->min_in_sync);
    }
    if (has_twice(wish.to)) return "a broker is named twice";
    for (BrokerId each : wish.to) {
        if (metadata.find(each) == nullptr) {
            return fmt::format("there is no broker {}; `ironbark broker list` shows them", each.value);
        }
        if (metadata.find(each)->is_controller_only) {
            return fmt::format("broker {} is a controller only, and keeps no partitions", each.value);
        }
        const bool is_new = !contains(partition.replicas, each);
        if (is_new && !metadata.is_alive(each)) return fmt::format("broker {} is not alive: start it", each.value);
        count += is_new ? 1 : 0;
    }
    if (count > partition_replicas_max) {
        return fmt::format("a partition has at most {} replicas, those that are there until the move ends included",
                           partition_replicas_max);
    }
    return {};
}

// Refused here where the reason can be told best; the metadata judges once more. What is planned already is settled.
void look(const Metadata& metadata, ReplicaWish& wish) {
    const PartitionRecord* found = metadata.find(wish.identity());
    if (found == nullptr) {
        return wish.refuse(ErrorCode::unknown_topic_or_partition,
                           fmt::format("topic {} has no partition {}", wish.topic->name, wish.partition.value));
    }
    if (wish.before.empty()) {
        for (BrokerId each : found->replicas) {
            if (!contains(found->added, each)) wish.before.push_back(each);
        }
        if (wish.to.empty() && found->moving_to.empty()) {
            return wish.refuse(ErrorCode::invalid_request, "no move of its replicas is planned");
        }
        if (wish.to.empty()) wish.to = wish.before;
    }
    if (wish.throttle < 0)
        return wish.refuse(ErrorCode::invalid_request, "a throttle is bytes a second, or 0 for none");
    if (is_planned(*found, wish.to, wish.throttle)) {
        wish.is_settled = true;
        return;
    }
    if (found->leader.value < 0) {
        return wish.refuse(ErrorCode::not_leader_or_follower, why_nobody_leads(metadata, *wish.topic, *found));
    }
    std::string problem = why_not_these(metadata, wish, *found);
    if (!problem.empty()) wish.refuse(ErrorCode::invalid_request, std::move(problem));
}

// `last` is what became of the last attempt.
void give_up(std::vector<ReplicaWish>& wishes, const Executed& last) {
    for (ReplicaWish& wish : wishes) {
        if (wish.is_settled) continue;
        wish.refuse(last.ok() ? ErrorCode::timed_out : last.error.code,
                    last.ok() ? "the partition changes all the time; try again" : last.hint);
        wish.outcome = last.outcome;
    }
}

}  // namespace

Task<rpc::Response> ClientService::move_replicas(rpc::Request request) {
    const auto& message = request.as<wire::MoveReplicasRequest>();
    const size_t count = message.moves() == nullptr ? 0 : message.moves()->size();
    if (Error wrong = check_partition_count(count); wrong.code != ErrorCode::none) {
        co_return rpc::error_response(wrong, Outcome::not_written);
    }
    const int32_t timeout_ms = std::clamp(message.timeout_ms(), 0, planning_time_max_ms);
    const Instant deadline = request.received + std::chrono::milliseconds(timeout_ms);
    std::vector<ReplicaWish> wishes;
    for (const wire::ReplicaMoveRequest* move : *message.moves()) {
        ReplicaWish& wish = wishes.emplace_back();
        find_partition(wish, *move);
        wish.throttle = move->throttle();
        if (move->to() == nullptr) continue;
        for (int32_t broker : *move->to()) wish.to.push_back(BrokerId(broker));
    }
    Executed last{Outcome::written, ErrorCode::none, {}, -1};
    bool has_tried = false;
    bool must_pause = false;
    while (true) {
        const MetadataSnapshot known = shard_.metadata();
        std::vector<ReplicaMove> moves;
        for (ReplicaWish& wish : wishes) {
            if (!wish.is_settled) look(*known, wish);
            if (wish.is_settled) continue;
            const int32_t partition_epoch = known->find(wish.identity())->partition_epoch;
            moves.push_back({wish.topic->id, wish.partition, partition_epoch, wish.to, wish.throttle});
        }
        if (moves.empty()) break;
        if (!last.ok() || (has_tried && shard_.executor().now() >= deadline)) {
            give_up(wishes, last);
            break;
        }
        // What was not planned has changed meanwhile, and may do so for a while.
        if (std::exchange(must_pause, false)) {
            co_await sleep_for(shard_.executor(), planning_pause);
            continue;
        }
        const Timestamp time(shard_.executor().wall_milliseconds());
        Command command = broker::move_replicas(moves, time);
        const Execution done = co_await execute(std::move(command), timeout_ms);
        last = done.executed;
        has_tried = must_pause = true;
    }
    flatbuffers::FlatBufferBuilder builder;
    std::vector<flatbuffers::Offset<wire::PlannedReplicas>> planned;
    for (const ReplicaWish& wish : wishes) {
        const std::vector<int32_t> before = numbers_of(wish.before);
        const std::vector<int32_t> to = numbers_of(wish.to);
        auto error = error_info(builder, wish.error, wish.outcome, wish.hint);
        planned.push_back(wire::CreatePlannedReplicasDirect(builder, error, &before, &to));
    }
    co_return rpc::respond(builder, wire::CreateMoveReplicasResponseDirect(builder, 0, &planned));
}

}  // namespace ironbark::broker
