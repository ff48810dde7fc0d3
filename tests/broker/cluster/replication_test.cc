// Replicated partitions in whole daemons: followers that follow, fall behind, die and come back; what each level means;
// and the in-sync set. Nobody's leadership ends here (failover_test.cc).

#include <gtest/gtest.h>

#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

std::vector<std::string> numbers(int count) {
    std::vector<std::string> values;
    for (int number = 0; number < count; ++number) values.push_back("record " + std::to_string(number));
    return values;
}

std::vector<int32_t> followers_of(int32_t leader) {
    std::vector<int32_t> ids;
    for (int32_t id : {1, 2, 3}) {
        if (id != leader) ids.push_back(id);
    }
    return ids;
}

TEST(Replication, EveryReplicaHasTheSameFrames) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    const int32_t leader = topic.wait_leader();
    const std::vector<std::string> values = numbers(50);
    for (const std::string& value : values) {
        const ReceiptSeen receipt = topic.produce(leader, value);
        ASSERT_TRUE(receipt.said.ok()) << receipt.said;
        EXPECT_EQ(receipt.replicas.size(), 3u);
        EXPECT_EQ(receipt.level, AckLevel::isr_durable);
    }
    EXPECT_EQ(topic.read(leader), values);
    for (int32_t id : {1, 2, 3}) EXPECT_EQ(topic.log_of(id), values) << id;
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}));
    for (int32_t id : {1, 2, 3}) {
        EXPECT_EQ(topic.replica(id)->durable_end(), Offset(50)) << id;
        EXPECT_TRUE(
            cluster.simulation().run_until([&] { return topic.replica(id)->durable_watermark() == Offset(50); }, 1s))
            << "the watermark is pushed, " << id;
    }
}

// A follower may have heard of a topic before its leader has: it does not wait long to ask again.
TEST(Replication, ATopicThatWasJustMadeTakesRecordsAtOnce) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        cluster.simulation().run_for(3s);
        ASSERT_TRUE(cluster.create_topic(cluster.active(), "t", {.replicas = 3, .min_in_sync = 2}).ok());
        Replicated topic = Replicated::existing(cluster, "t");
        const int32_t leader = topic.wait_leader();
        const Instant begin = cluster.simulation().now();
        ASSERT_TRUE(topic.produce(leader, "the first").said.ok()) << "seed " << seed;
        EXPECT_LT(cluster.simulation().now() - begin, 500ms) << "seed " << seed << "\n" << topic.tell();
    }
}

TEST(Replication, EveryLevelIsAnsweredByWhatItNames) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    const int32_t leader = topic.wait_leader();
    for (AckLevel level : {AckLevel::leader, AckLevel::leader_durable, AckLevel::isr, AckLevel::isr_durable}) {
        const ReceiptSeen receipt = topic.produce(leader, "x", level);
        ASSERT_TRUE(receipt.said.ok()) << receipt.said;
        EXPECT_EQ(receipt.level, level);
        const size_t holders = level == AckLevel::isr || level == AckLevel::isr_durable ? 3 : 1;
        EXPECT_EQ(receipt.replicas.size(), holders) << wire::EnumNameAckLevel(level);
    }
}

TEST(Replication, AFollowerThatDiedIsLeftOutAndCatchesUp) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    const int32_t leader = topic.wait_leader();
    const int32_t follower = followers_of(leader).front();
    ASSERT_TRUE(topic.produce(leader, "before").said.ok());
    cluster.kill(follower);
    const Instant killed = cluster.simulation().now();
    const ReceiptSeen without = topic.produce(leader, "without");
    ASSERT_TRUE(without.said.ok()) << without.said;
    EXPECT_EQ(without.replicas.size(), 2u);
    EXPECT_LT(cluster.simulation().now() - killed, 500ms) << "its process is seen to be gone";
    cluster.start(follower);
    cluster.wait_ready(follower);
    EXPECT_TRUE(topic.wait_in_sync(3, 10s));
    const ReceiptSeen after = topic.produce(leader, "after");
    ASSERT_TRUE(after.said.ok()) << after.said;
    EXPECT_EQ(after.replicas.size(), 3u);
    EXPECT_EQ(topic.log_of(follower), (std::vector<std::string>{"before", "without", "after"}));
}

TEST(Replication, AFollowerThatDoesNotFollowCostsNoMoreThanTheLagTime) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    const int32_t active = cluster.active();
    int32_t leader = active;
    std::optional<Replicated> topic;
    for (int number = 0; leader == active; ++number) {
        topic.emplace(cluster, TopicShape{.replicas = 3, .min_in_sync = 2}, "t" + std::to_string(number));
        leader = topic->wait_leader();
    }
    const int32_t follower = 6 - leader - active;
    ASSERT_TRUE(topic->produce(leader, "before").said.ok());
    // It lives, as far as the controller hears, and nothing gets to it from the leader.
    cluster.simulation().network().cut_both(cluster.node(leader), cluster.node(follower));
    cluster.simulation().run_for(3s);
    EXPECT_EQ(topic->record().in_sync.size(), 3u) << "there was nothing that it could lack";
    const Instant begun = cluster.simulation().now();
    const ReceiptSeen receipt = topic->produce(leader, "x");
    ASSERT_TRUE(receipt.said.ok()) << receipt.said;
    EXPECT_GE(cluster.simulation().now() - begun, 1900ms);
    EXPECT_LE(cluster.simulation().now() - begun, 2600ms);
    EXPECT_EQ(receipt.replicas.size(), 2u);
    cluster.simulation().network().heal_all();
    EXPECT_TRUE(topic->wait_in_sync(3, 20s));
    EXPECT_TRUE(topic->wait_equal({1, 2, 3}, 5s));
}

TEST(Replication, BelowTheMinimumNothingIsWrittenAtIsrLevels) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 3, .min_in_sync = 3});
    const int32_t leader = topic.wait_leader();
    cluster.kill(followers_of(leader).front());
    ASSERT_TRUE(topic.wait_in_sync(2, 10s));
    cluster.simulation().run_for(100ms);
    const ReceiptSeen refused = topic.produce(leader, "refused");
    EXPECT_EQ(refused.said.code, ErrorCode::not_enough_replicas);
    EXPECT_EQ(refused.said.outcome, Outcome::not_written);
    EXPECT_TRUE(refused.said.mentions("2 of 3")) << refused.said;
    EXPECT_TRUE(topic.produce(leader, "alone", AckLevel::leader_durable).said.ok());
    EXPECT_EQ(topic.log_of(leader), std::vector<std::string>{"alone"});
    EXPECT_EQ(topic.read(leader), std::vector<std::string>()) << "no watermark moves below the minimum";
}

TEST(Replication, BelowTheMinimumAReplicaJoinsThoughAppendsNeverPause) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 3, .min_in_sync = 3});
    const int32_t leader = topic.wait_leader();
    const int32_t follower = followers_of(leader).front();
    cluster.kill(follower);
    ASSERT_TRUE(topic.wait_in_sync(2, 10s));
    cluster.start(follower);
    std::deque<ClusterWorld::Pending> pending;
    uint64_t sent = 0;
    const Instant begun = cluster.simulation().now();
    const auto is_over = [&] { return cluster.simulation().now() - begun > 20s; };
    while (topic.record().in_sync.size() < 3 && !is_over()) {
        while (pending.size() < 8) {
            pending.push_back(topic.begin_produce(leader, std::to_string(sent++), AckLevel::leader, 30'000));
        }
        cluster.simulation().run_for(100us);
        while (!pending.empty() && pending.front()->has_value()) {
            EXPECT_TRUE(read_produce(**pending.front()).receipts.at(0).said.ok());
            pending.pop_front();
        }
    }
    EXPECT_EQ(topic.record().in_sync.size(), 3u);
    EXPECT_GT(sent, 100u);
    EXPECT_TRUE(topic.produce(leader, "after").said.ok());
}

TEST(Replication, AFollowerThatWasAwayForLongBeginsWhereTheLeadersLogStarts) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    const int32_t leader = topic.wait_leader();
    const int32_t follower = followers_of(leader).front();
    cluster.kill(follower);
    for (const std::string& value : numbers(10)) ASSERT_TRUE(topic.produce(leader, value).said.ok());
    rpc::CallResult deleted =
        cluster.call(leader, rpc::Method::delete_records, delete_request({{topic.identity(), 6}}));
    ASSERT_TRUE(read_delete(deleted).at(0).said.ok());
    cluster.start(follower);
    cluster.wait_ready(follower);
    EXPECT_TRUE(topic.wait_in_sync(3, 20s));
    EXPECT_EQ(topic.replica(follower)->log_start(), Offset(6));
    EXPECT_TRUE(topic.produce(leader, "after").said.ok());
    EXPECT_EQ(topic.replica(follower)->log_end(), Offset(11));
}

// Who is away may be appointed when the leader has lost its memory, and would show again what was deleted.
TEST(Replication, BelowTheMinimumNobodyIsToldThatRecordsAreDeleted) {
    ClusterWorld cluster(5, 5);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 3, .min_in_sync = 2});
    const int32_t leader = topic.wait_leader();
    const BrokerIds replicas = topic.record().replicas;
    for (const std::string& value : numbers(10)) ASSERT_TRUE(topic.produce(leader, value).said.ok());
    for (BrokerId replica : replicas) {
        if (replica.value != leader) cluster.kill(replica.value);
    }
    ASSERT_TRUE(topic.wait_in_sync(1, 20s));
    const StartSeen early =
        read_delete(cluster.call(leader, rpc::Method::delete_records, delete_request({{topic.identity(), 6}}))).at(0);
    EXPECT_EQ(early.said.code, ErrorCode::request_timed_out);
    EXPECT_EQ(early.said.outcome, Outcome::unknown);
    for (BrokerId replica : replicas) {
        if (replica.value == leader) continue;
        cluster.start(replica.value);
        cluster.wait_ready(replica.value);
    }
    ASSERT_TRUE(topic.wait_in_sync(3, 20s));
    const StartSeen late =
        read_delete(cluster.call(leader, rpc::Method::delete_records, delete_request({{topic.identity(), 6}}))).at(0);
    EXPECT_TRUE(late.said.ok()) << late.said;
    for (BrokerId replica : replicas) EXPECT_EQ(topic.replica(replica.value)->log_start(), Offset(6));
}

// The leader's disk had more than the one who leads from its own after it, and has deleted beyond the end of that one:
// it cannot follow by a cut.
TEST(Replication, WhoHasDeletedBeyondTheNewLeadersEndBeginsAnew) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 2, .min_in_sync = 2});
    const int32_t leader = topic.wait_leader();
    const int32_t follower = topic.other_than(leader);
    ASSERT_TRUE(topic.produce(leader, "durable").said.ok());
    for (const std::string& value : numbers(10)) {
        ASSERT_TRUE(topic.produce(leader, value, AckLevel::leader_durable).said.ok());
    }
    auto is_replicated = [&] { return topic.replica(leader)->high_watermark() == Offset(11); };
    ASSERT_TRUE(cluster.simulation().run_until(is_replicated, 1s));
    cluster.lose_power(follower);
    ASSERT_TRUE(topic.wait_in_sync(1, 20s));
    const StartSeen deleted =
        read_delete(cluster.call(leader, rpc::Method::delete_records, delete_request({{topic.identity(), 11}}))).at(0);
    EXPECT_EQ(deleted.said.code, ErrorCode::request_timed_out);
    ASSERT_EQ(topic.replica(leader)->log_start(), Offset(11));
    cluster.kill(leader);
    cluster.start(follower);
    cluster.wait_ready(follower);
    cluster.simulation().run_for(10s);
    // Its memory is gone, too: who leads now has answered, and lacks nothing that was durable on both.
    cluster.start(leader);
    cluster.wait_ready(leader);
    ASSERT_EQ(topic.wait_leader(20s), follower) << topic.tell();
    EXPECT_TRUE(topic.wait_in_sync(2, 20s)) << topic.tell();
    EXPECT_TRUE(topic.produce_somewhere("after").said.ok());
    EXPECT_EQ(topic.log_of(leader), topic.log_of(follower));
    EXPECT_EQ(topic.log_of(leader).front(), "durable");
}

TEST(Replication, ManyPartitionsOverSeveralShardsFollowEachOther) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated first(cluster);
    ASSERT_TRUE(cluster.create_topic(1, "many", {.partitions = 30, .replicas = 3, .min_in_sync = 2}).ok());
    const auto topic = cluster.metadata(1)->find("many");
    ASSERT_NE(topic, nullptr);
    std::vector<ClusterWorld::Pending> answers;
    for (int32_t index = 0; index < 30; ++index) {
        const PartitionIdentity identity{topic->id, PartitionIndex(index)};
        const int32_t leader = topic->partitions.at(static_cast<size_t>(index)).leader.value;
        const Text frames = make_batch(identity, {"a", "b"});
        answers.push_back(cluster.begin(leader, rpc::Method::produce,
                                        produce_request({ProducePart{identity, frames}}, AckLevel::isr_durable, 30'000),
                                        frames));
    }
    for (ClusterWorld::Pending& answer : answers) {
        ASSERT_TRUE(cluster.simulation().run_until([&] { return answer->has_value(); }, 40s));
        const ReceiptSeen receipt = read_produce(**answer).receipts.at(0);
        ASSERT_TRUE(receipt.said.ok()) << receipt.said;
        EXPECT_EQ(receipt.replicas.size(), 3u);
    }
}

// The start of the leader's log lies within a batch: who has nothing, and who has what comes before, takes all of it.
TEST(Replication, ALogThatStartsWithinABatchIsFollowed) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    for (const bool has_what_comes_before : {false, true}) {
        Replicated topic(cluster, {.replicas = 3, .min_in_sync = 2}, has_what_comes_before ? "behind" : "blank");
        const int32_t leader = topic.wait_leader();
        const int32_t follower = followers_of(leader)[0];
        if (has_what_comes_before) (void)topic.produce_somewhere("the first");
        cluster.kill(follower);
        ASSERT_TRUE(cluster.simulation().run_until([&] { return topic.record().in_sync.size() == 2; }, 20s));
        const std::vector<std::string> values = numbers(10);
        const Text batch = make_batch(topic.identity(), values);
        rpc::Metadata produce = produce_request({{topic.identity(), batch}}, AckLevel::isr_durable, 10'000);
        ASSERT_TRUE(read_produce(cluster.call(leader, rpc::Method::produce, std::move(produce), batch)).said.ok());
        rpc::Metadata remove = delete_request({{topic.identity(), has_what_comes_before ? 6 : 5}});
        const StartSeen start = read_delete(cluster.call(leader, rpc::Method::delete_records, std::move(remove))).at(0);
        ASSERT_TRUE(start.said.ok()) << start.said;
        cluster.start(follower);
        cluster.wait_ready(follower);
        EXPECT_TRUE(topic.wait_in_sync(3, 20s)) << topic.tell();
        EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
        EXPECT_EQ(topic.replica(follower)->log_start(), Offset(has_what_comes_before ? 6 : 5));
        ASSERT_TRUE(topic.produce(leader, "the last").said.ok());
        EXPECT_EQ(topic.log_of(follower).back(), "the last");
    }
}

}  // namespace
}  // namespace ironbark::broker
