// Replicas by hand: which brokers keep a partition.

#include <algorithm>
#include <fmt/format.h>

#include "broker/control/control.h"
#include "broker/controller/appointer.h"
#include "broker/controller/tiers.h"
#include "broker/service/service.h"
#include "runtime/rpc/respond.h"

namespace ironbark::broker {
namespace {

constexpr int32_t planning_time_max_ms = 300'000;
constexpr Duration planning_pause = 20ms;

// One planned move, from the wish to what became of it.
struct ReplicaWish {
    std::shared_ptr<const TopicRecord> topic;
    PartitionIndex partition{-1};
    BrokerIds to;  // empty: what was there before the planned move
    BrokerIds before;
    bool is_settled = false;
    Error error{ErrorCode::none};
    Outcome outcome = Outcome::not_written;
    std::string hint;

    PartitionIdentity identity() const { return {topic->id, partition}; }
    void refuse(ErrorCode code, std::string why) {
        is_settled = true;
        error = code;
        hint = std::move(why);
    }
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
    if (wish.to == replicas_to_be(*found)) {
        wish.is_settled = true;
        return;
    }
    if (found->leader.value < 0) {
        return wish.refuse(ErrorCode::not_leader_or_follower, why_nobody_leads(metadata, *wish.topic, *found));
    }
    std::string problem = why_not_these(metadata, wish, *found);
    if (!problem.empty()) wish.refuse(ErrorCode::invalid_request, std::move(problem));
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
        wish.topic = find_topic(move->topic(), move->topic_id());
        wish.partition = PartitionIndex(move->partition());
        if (move->to() != nullptr) {
            for (int32_t broker : *move->to()) wish.to.push_back(BrokerId(broker));
        }
        if (wish.topic == nullptr) wish.refuse(ErrorCode::unknown_topic_or_partition, "there is no such topic");
    }
    while (true) {
        const MetadataSnapshot known = shard_.metadata();
        std::vector<ReplicaMove> moves;
        for (ReplicaWish& wish : wishes) {
            if (!wish.is_settled) look(*known, wish);
            if (wish.is_settled) continue;
            const int32_t partition_epoch = known->find(wish.identity())->partition_epoch;
            moves.push_back({wish.topic->id, wish.partition, partition_epoch, wish.to});
        }
        if (moves.empty()) break;
        const Timestamp time(shard_.executor().wall_milliseconds());
        Command command = broker::move_replicas(moves, time);
        const Execution done = co_await execute(std::move(command), timeout_ms);
        const bool is_late = done.executed.ok() && shard_.executor().now() >= deadline;
        if (done.executed.ok() && !is_late) {
            // Planned now; or the partition has changed meanwhile, and may do so for a while.
            const bool is_planned = std::all_of(wishes.begin(), wishes.end(), [this](ReplicaWish& wish) {
                if (!wish.is_settled) look(*shard_.metadata(), wish);
                return wish.is_settled;
            });
            if (!is_planned) (void)co_await sleep_for(shard_.executor(), planning_pause);
            continue;
        }
        for (ReplicaWish& wish : wishes) {
            if (!wish.is_settled) look(*shard_.metadata(), wish);
            if (wish.is_settled) continue;
            wish.refuse(is_late ? ErrorCode::timed_out : done.executed.error.code,
                        is_late ? "the partition changes all the time; try again" : done.executed.hint);
            wish.outcome = done.executed.outcome;
        }
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
