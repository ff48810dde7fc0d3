// What AdminClient does about leaders and replicas, in clusters only. What was promised depends on none of it: a move
// that is not done has changed nothing, and an election by hand is never unclean.

#include <algorithm>

#include "tests/simulation/cluster/admin_client.h"

namespace ironbark::simulation {
namespace {

constexpr std::chrono::milliseconds leader_request_time{5'000};
constexpr const char* me = "admin";

}  // namespace

Task<void> AdminClient::move_leaders(std::vector<LeaderMove> moves) {
    rpc::CallResult result =
        co_await call(rpc::Method::move_leaders, client::encode_move_leaders(moves, leader_request_time));
    Expected<std::vector<MovedLeader>> moved = client::decode_move_leaders(moves, result);
    if (!moved.ok()) {
        stage_.history.say(me, "moves leaders: " + moved.error().to_string());
        stage_.atlas.note(Path::move_failed, moves.size());
        co_return;
    }
    for (const MovedLeader& each : *moved) {
        stage_.history.say(
            me, "moves the leader of " + each.partition.topic + "/" + std::to_string(each.partition.partition) + ": " +
                    (each.failure ? each.failure->to_string()
                                  : "from " + std::to_string(each.before) + " to " + std::to_string(each.leader)));
        stage_.atlas.note(each.failure ? Path::move_failed : Path::move_done);
    }
}

Task<void> AdminClient::move_leader() {
    KnownTopic* drawn = draw_topic();
    if (drawn == nullptr) co_return;
    const auto partition = static_cast<int32_t>(random_.below(static_cast<uint64_t>(drawn->partitions)));
    const auto target = static_cast<int32_t>(random_.between(1, stage_.plan.nodes));
    std::vector<LeaderMove> moves;
    moves.push_back({{drawn->name, partition}, target});
    co_await move_leaders(std::move(moves));
}

// As `leader balance` does: to the first of the replicas that is in sync.
Task<void> AdminClient::balance_leaders() {
    rpc::CallResult result = co_await call(rpc::Method::metadata, client::encode_metadata(false));
    Expected<std::vector<TopicSummary>> topics = client::decode_topics(result);
    if (!topics.ok()) co_return;
    std::vector<LeaderMove> moves;
    for (const TopicSummary& topic : *topics) {
        for (const PartitionSummary& partition : topic.partitions) {
            if (partition.replicas.empty() || partition.leader < 0) continue;
            const int32_t preferred = partition.replicas.front();
            const bool is_in_sync =
                std::find(partition.in_sync.begin(), partition.in_sync.end(), preferred) != partition.in_sync.end();
            if (preferred == partition.leader || !is_in_sync) continue;
            moves.push_back({{topic.name, partition.partition}, preferred});
        }
    }
    stage_.atlas.note(Path::balance);
    if (!moves.empty()) co_await move_leaders(std::move(moves));
}

// To any brokers, in any order: fewer than min-in-sync are refused. Or to those that kept it before the last move:
// whoever was let go by that comes again. (Which topics move: excuses.h.)
Task<void> AdminClient::move_replicas() {
    std::vector<TopicPartition> choices;
    for (const KnownTopic& topic : stage_.topics) {
        if (!Excuses::may_move(topic.id)) continue;
        for (int32_t index = 0; index < topic.partitions; ++index) choices.push_back({topic.name, index});
    }
    if (choices.empty()) co_return;
    ReplicaMove move;
    move.partition = choices[random_.below(choices.size())];
    const uint64_t size = random_.between(1, stage_.plan.nodes);
    while (move.to.size() < size) {
        const auto broker = static_cast<int32_t>(random_.between(1, stage_.plan.nodes));
        if (std::find(move.to.begin(), move.to.end(), broker) == move.to.end()) move.to.push_back(broker);
    }
    if (random_.chance(one_in(3)) && back_) move = *std::exchange(back_, std::nullopt);
    co_await plan_replicas(move);
    if (random_.chance(one_in(2))) co_return;
    // At once, while it is on its way; then it is refused if it was not, or has come to its end.
    move.to.clear();
    co_await plan_replicas(move);
}

Task<void> AdminClient::plan_replicas(ReplicaMove move) {
    const std::vector<ReplicaMove> moves{move};
    rpc::CallResult result =
        co_await call(rpc::Method::move_replicas, client::encode_move_replicas(moves, leader_request_time));
    Expected<std::vector<PlannedReplicas>> planned = client::decode_move_replicas(moves, result);
    std::optional<Failure> failure;
    if (!planned.ok()) {
        failure = planned.error();
    } else {
        failure = planned->front().failure;
        if (!failure && !move.to.empty()) back_ = ReplicaMove{move.partition, planned->front().before};
    }
    std::string to;
    for (int32_t broker : move.to) to += " " + std::to_string(broker);
    stage_.history.say(me, "moves the replicas of " + move.partition.topic + "/" +
                               std::to_string(move.partition.partition) + (to.empty() ? " back" : " to" + to) + ": " +
                               (failure ? failure->to_string() : "planned"));
    stage_.atlas.note(failure           ? Path::replica_move_failed
                      : move.to.empty() ? Path::replica_move_taken_back
                                        : Path::replica_move_planned);
}

// Of a partition that has none, if there is one; else it is refused.
Task<void> AdminClient::elect_leader() {
    rpc::CallResult asked = co_await call(rpc::Method::metadata, client::encode_metadata(false));
    Expected<std::vector<TopicSummary>> topics = client::decode_topics(asked);
    if (!topics.ok()) co_return;
    std::vector<TopicPartition> led;
    std::vector<TopicPartition> unled;
    for (const TopicSummary& topic : *topics) {
        for (const PartitionSummary& partition : topic.partitions) {
            (partition.leader < 0 ? unled : led).push_back({topic.name, partition.partition});
        }
    }
    const std::vector<TopicPartition>& choices = unled.empty() ? led : unled;
    if (choices.empty()) co_return;
    TopicPartition name = choices[random_.below(choices.size())];
    const bool is_question = random_.chance(one_in(4));
    rpc::CallResult result = co_await call(rpc::Method::elect_leader,
                                           client::encode_elect_leader(name, false, is_question, leader_request_time));
    Expected<ElectedLeader> elected = client::decode_elect_leader(result);
    stage_.history.say(
        me, (is_question ? "asks who would lead " : "elects a leader of ") + name.topic + "/" +
                std::to_string(name.partition) + ": " +
                (elected.ok() ? std::to_string(elected->leader) + " " + elected->loss : elected.error().to_string()));
    if (!is_question) stage_.atlas.note(elected.ok() ? Path::elect_done : Path::elect_failed);
}

// A voter whose directory is lost gets no vote back by itself. Again and again until its daemon serves.
Task<void> AdminClient::replace_voters() {
    const std::set<int32_t> lost = stage_.lost_voters;
    for (const int32_t voter : lost) {
        rpc::CallResult result =
            co_await call(rpc::Method::replace_voter, client::encode_replace_voter(voter, leader_request_time));
        Expected<ReplacedVoter> replaced = client::decode_replace_voter(result);
        const bool is_done = replaced.ok() && replaced->before != replaced->now;
        stage_.history.say(me,
                           "replaces voter " + std::to_string(voter) + ": " +
                               (replaced.ok() ? (is_done ? "ok" : "it is the same") : replaced.error().to_string()));
        if (is_done) stage_.atlas.note(Path::voter_replaced);
    }
}

Task<bool> AdminClient::ask_failover(bool is_manual) {
    rpc::CallResult result =
        co_await call(rpc::Method::set_failover, client::encode_set_failover(is_manual, leader_request_time));
    Expected<void> set = client::decode_set_failover(result);
    stage_.history.say(me, std::string("makes failover ") + (is_manual ? "manual: " : "automatic: ") +
                               (set.ok() ? "ok" : set.error().to_string()));
    if (!set.ok()) co_await sleep_for(world_.executor, 100ms);
    co_return set.ok();
}

Task<void> AdminClient::set_failover() {
    const bool is_manual = !may_be_manual_;
    if (is_manual) may_be_manual_ = was_manual_asked_ = true;
    bool is_done = co_await ask_failover(is_manual);
    if (is_done && !is_manual) may_be_manual_ = false;
}

// What nobody answered may be carried out late, also after what was asked for later.
Task<void> AdminClient::keep_automatic() {
    if (!was_manual_asked_) co_return;
    rpc::CallResult result = co_await call(rpc::Method::describe_cluster, client::encode_describe_cluster());
    Expected<ClusterInfo> described = client::decode_describe_cluster(result);
    if (described.ok() && described->is_failover_manual) co_await ask_failover(false);
}

Task<void> AdminClient::describe_cluster() {
    rpc::CallResult result = co_await call(rpc::Method::describe_cluster, client::encode_describe_cluster());
    Expected<ClusterInfo> described = client::decode_describe_cluster(result);
    stage_.history.say(me, "describes the cluster: " + (described.ok() ? "term " + std::to_string(described->term)
                                                                       : described.error().to_string()));
}

}  // namespace ironbark::simulation
