// Leaders by hand: planned moves, which lose nothing at any level and stop producers for a moment only; elections where
// nobody leads; and failover that waits for a person.

#include <algorithm>
#include <gtest/gtest.h>

#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

int32_t other_than(int32_t one, int32_t two = -1) {
    for (int32_t id : {1, 2, 3}) {
        if (id != one && id != two) return id;
    }
    return -1;
}

// A topic with one record, whose second replica does not reach the leader any more.
struct CutOff {
    Replicated topic;
    int32_t first;
    int32_t second;
};
CutOff cut_off(ClusterWorld& cluster) {
    Replicated topic(cluster);
    EXPECT_TRUE(topic.wait_in_sync(3));
    const int32_t first = topic.wait_leader();
    const int32_t second = other_than(first);
    EXPECT_TRUE(topic.produce(first, "before").said.ok());
    cluster.simulation().network().cut(cluster.node(second), cluster.node(first));
    return {topic, first, second};
}

TEST(Move, ALeaderHandsOverAndNothingOfAnyLevelIsLost) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    ASSERT_TRUE(topic.wait_in_sync(3));
    const int32_t first = topic.wait_leader();
    const int32_t second = other_than(first);
    std::vector<std::string> values;
    for (AckLevel level : {AckLevel::isr_durable, AckLevel::isr, AckLevel::leader_durable, AckLevel::leader}) {
        values.push_back("before " + std::to_string(values.size()));
        ASSERT_TRUE(topic.produce(first, values.back(), level).said.ok());
    }
    const MovedSeen moved = topic.move(other_than(first, second), second);
    ASSERT_TRUE(moved.said.ok()) << moved.said;
    EXPECT_EQ(moved.before, first);
    EXPECT_EQ(moved.leader, second);
    EXPECT_GT(moved.outage, 0ms);
    EXPECT_LT(moved.outage, 100ms);
    values.push_back("after");
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    EXPECT_EQ(topic.leader(), second);
    EXPECT_EQ(topic.read(second), values);
    EXPECT_EQ(topic.produce(first, "late").said.code, ErrorCode::not_leader_or_follower);
    // The disk of the new leader has it all: what was acknowledged from memory, too.
    for (int32_t id : {1, 2, 3}) cluster.lose_power(id);
    cluster.start_all();
    values.push_back("at last");
    ASSERT_TRUE(topic.produce_somewhere("at last").said.ok());
    EXPECT_EQ(topic.read(topic.leader()), values);
}

// The move goes on while others write: whatever is acknowledged is there, in whichever leadership.
TEST(Move, UnderALoadEveryAcknowledgedRecordIsThereOnce) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    ASSERT_TRUE(topic.wait_in_sync(3));
    std::vector<std::string> acknowledged;
    size_t refused = 0;
    for (int round = 0; round < 12; ++round) {
        const int32_t leader = topic.wait_leader();
        const int32_t target = other_than(leader, round % 2 == 0 ? -1 : other_than(leader));
        rpc::Metadata request = move_request(topic.identity(), target);
        auto move = cluster.begin(leader, rpc::Method::move_leaders, std::move(request));
        std::vector<std::pair<std::string, ClusterWorld::Pending>> sent;
        for (int number = 0; number < 30; ++number) {
            const std::string value = std::to_string(round) + "." + std::to_string(number);
            const AckLevel level = number % 2 == 0 ? AckLevel::leader : AckLevel::isr;
            sent.emplace_back(value, topic.begin_produce(leader, value, level, 5000));
            cluster.simulation().run_for(400us);
        }
        auto is_answered = [&] {
            return move->has_value() &&
                   std::all_of(sent.begin(), sent.end(), [](const auto& one) { return one.second->has_value(); });
        };
        ASSERT_TRUE(cluster.simulation().run_until(is_answered, 20s));
        const MovedSeen moved = read_moved(**move);
        ASSERT_TRUE(moved.said.ok()) << moved.said;
        EXPECT_EQ(topic.leader(), target);
        for (const auto& [value, answer] : sent) {
            const ProduceAnswer produced = read_produce(**answer);
            const bool is_good = produced.said.ok() && produced.receipts[0].said.ok();
            if (is_good) acknowledged.push_back(value);
            if (!is_good) ++refused;
        }
    }
    EXPECT_GT(refused, 0u) << "no move met a producer";
    ASSERT_TRUE(topic.produce_somewhere("last").said.ok());
    const std::vector<std::string> values = topic.read(topic.leader());
    for (const std::string& value : acknowledged) {
        EXPECT_EQ(std::count(values.begin(), values.end(), value), 1) << value;
    }
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
}

TEST(Move, AnImpossibleOneIsRefusedWithTheReason) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    cluster.place_topic("t", 1, {BrokerId(1), BrokerId(2), BrokerId(3)}, 2);
    Replicated topic(cluster, {.replicas = 3, .min_in_sync = 2}, "u");
    const PartitionRecord record = topic.record();
    int32_t outside = -1;
    for (int32_t id : {1, 2, 3, 4}) {
        const bool is_replica =
            std::find(record.replicas.begin(), record.replicas.end(), BrokerId(id)) != record.replicas.end();
        if (!is_replica) outside = id;
    }
    MovedSeen seen = topic.move(1, outside);
    EXPECT_EQ(seen.said.code, ErrorCode::invalid_request);
    EXPECT_NE(seen.said.hint.find("has no replica of it"), std::string::npos) << seen.said;
    seen = topic.move(1, topic.leader());
    EXPECT_TRUE(seen.said.ok()) << "it leads already";
    EXPECT_EQ(seen.outage, Duration());
    const int32_t leader = topic.leader();
    int32_t follower = -1;
    for (BrokerId id : record.replicas) {
        if (id.value != leader) follower = id.value;
    }
    cluster.kill(follower);
    ASSERT_TRUE(topic.produce_somewhere("without it").said.ok());
    ASSERT_TRUE(cluster.simulation().run_until([&] { return topic.record().in_sync.size() == 2; }, 20s));
    const int32_t asked = other_than(follower);
    seen = topic.move(asked, follower);
    EXPECT_EQ(seen.said.code, ErrorCode::not_enough_replicas);
    EXPECT_NE(seen.said.hint.find("is not in sync"), std::string::npos) << seen.said;
    EXPECT_EQ(topic.leader(), leader);
}

// The target is cut off from the leader: the leader does not wait for longer than its patience, and goes on.
TEST(Move, ATargetThatDoesNotCatchUpIsGivenUp) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    auto [topic, first, second] = cut_off(cluster);
    const ReceiptSeen written = topic.produce(first, "alone", AckLevel::leader);
    ASSERT_TRUE(written.said.ok()) << written.said;
    const MovedSeen moved = topic.move(first, second);
    EXPECT_FALSE(moved.said.ok());
    EXPECT_EQ(topic.leader(), first);
    EXPECT_EQ(moved.leader, first);
    cluster.simulation().network().heal_all();
    ASSERT_TRUE(topic.produce(first, "after").said.ok());
    ASSERT_TRUE(topic.wait_in_sync(3, 20s));
    EXPECT_EQ(topic.read(first), (std::vector<std::string>{"before", "alone", "after"}));
}

TEST(Move, ALeaderThatDiesInTheMiddleIsReplacedAsEver) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    auto [topic, first, second] = cut_off(cluster);
    ASSERT_TRUE(topic.produce(first, "alone", AckLevel::leader).said.ok());
    rpc::Metadata request = move_request(topic.identity(), second);
    auto move = cluster.begin(other_than(first, second), rpc::Method::move_leaders, std::move(request));
    ASSERT_TRUE(cluster.simulation().run_until([&] { return topic.record().target.value == second; }, 5s));
    cluster.kill(first);
    cluster.simulation().network().heal_all();
    const ReceiptSeen after = topic.produce_somewhere("after");
    ASSERT_TRUE(after.said.ok()) << after.said;
    ASSERT_TRUE(cluster.simulation().run_until([&] { return move->has_value(); }, 40s));
    EXPECT_EQ(topic.record().target, BrokerId(-1));
    cluster.start(first);
    cluster.wait_ready(first);
    EXPECT_TRUE(topic.wait_in_sync(3, 20s));
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
}

// A disk that hangs without an error: its leader hands over what it has, and does not hold up who writes any longer.
TEST(Move, ALeaderWhoseDiskHangsHandsOver) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    cluster.place_topic("t", 1, {BrokerId(4), BrokerId(1), BrokerId(2)}, 2);
    Replicated topic = Replicated::existing(cluster, "t");
    ASSERT_EQ(topic.wait_leader(), 4);
    ASSERT_TRUE(topic.produce(4, "before").said.ok());
    const Instant begun = cluster.simulation().now();
    cluster.node(4).disk().hang(20s);
    ASSERT_TRUE(topic.produce(4, "from memory", AckLevel::leader).said.ok());
    const ReceiptSeen after = topic.produce_somewhere("after");
    ASSERT_TRUE(after.said.ok()) << after.said;
    EXPECT_LE(cluster.simulation().now() - begun, 3500ms);
    EXPECT_NE(topic.leader(), 4);
    const std::vector<std::string> values = topic.read(topic.leader());
    EXPECT_EQ(values.front(), "before");
    EXPECT_EQ(values[1], "from memory") << "acknowledged by the leader alone, and not on its disk";
    EXPECT_EQ(values.back(), "after");
    EXPECT_EQ(topic.record().in_sync.size(), 2u) << "nobody waits for that disk";
    cluster.simulation().run_for(20s);
    EXPECT_TRUE(topic.wait_in_sync(3, 20s));
    EXPECT_TRUE(topic.wait_equal({1, 2, 4}, 5s));
}

TEST(Move, ManualFailoverWaitsForAPersonsWord) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    ASSERT_TRUE(topic.wait_in_sync(3));
    ASSERT_TRUE(cluster.execute(1, set_failover(true, Timestamp(1))).ok());
    const int32_t first = topic.wait_leader();
    ASSERT_TRUE(topic.produce(first, "before").said.ok());
    cluster.kill(first);
    const int32_t asked = other_than(first);
    cluster.simulation().run_for(10s);
    EXPECT_EQ(topic.leader(), -1) << "nobody has said a word";
    EXPECT_NE(cluster.remark(asked, "t").find("failover is manual"), std::string::npos) << cluster.remark(asked, "t");
    const ElectedSeen proposed = topic.elect(asked, false, true);
    ASSERT_TRUE(proposed.said.ok()) << proposed.said;
    EXPECT_EQ(proposed.log_end, 1);
    EXPECT_EQ(topic.leader(), -1) << "it was asked who it would be";
    const ElectedSeen elected = topic.elect(asked);
    ASSERT_TRUE(elected.said.ok()) << elected.said;
    EXPECT_EQ(elected.leader, proposed.leader);
    EXPECT_EQ(topic.leader(), elected.leader);
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    EXPECT_EQ(topic.elect(asked).said.code, ErrorCode::invalid_request) << "somebody leads";
    // Automatic again: what waits gets a leader.
    cluster.start(first);
    cluster.wait_ready(first);
    ASSERT_TRUE(topic.wait_in_sync(3, 20s));
    const int32_t second = topic.leader();
    cluster.kill(second);
    cluster.simulation().run_for(5s);
    ASSERT_EQ(topic.leader(), -1);
    ASSERT_TRUE(cluster.execute(first, set_failover(false, Timestamp(2))).ok());
    EXPECT_NE(topic.wait_leader(5s, second), second);
    EXPECT_EQ(topic.read(topic.leader()), (std::vector<std::string>{"before", "after"}));
}

// The last one in the in-sync set is gone for good: one that was left behind may lead, if a person accepts the loss.
TEST(Move, AnUncleanElectionIsAPersonsWordAndSaysWhatMayBeLost) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 2, .min_in_sync = 1});
    ASSERT_TRUE(topic.wait_in_sync(2));
    const int32_t first = topic.wait_leader();
    const int32_t second = topic.other_than(first);
    ASSERT_TRUE(topic.produce(first, "both").said.ok());
    cluster.kill(second);
    ASSERT_TRUE(cluster.simulation().run_until([&] { return topic.record().in_sync.size() == 1; }, 20s));
    ASSERT_TRUE(topic.produce(first, "one alone").said.ok());
    cluster.kill(first);
    cluster.start(second);
    cluster.wait_ready(second);
    cluster.simulation().run_for(5s);
    EXPECT_EQ(topic.leader(), -1) << "silence of a member opens nothing";
    EXPECT_EQ(topic.elect(second).said.code, ErrorCode::not_enough_replicas);
    const ElectedSeen elected = topic.elect(second, true);
    ASSERT_TRUE(elected.said.ok()) << elected.said;
    EXPECT_EQ(elected.leader, second);
    EXPECT_EQ(elected.log_end, 1);
    EXPECT_EQ(elected.loss, "any record from offset 1 on that broker " + std::to_string(first) + " has");
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    cluster.start(first);
    cluster.wait_ready(first);
    EXPECT_TRUE(topic.wait_in_sync(2, 20s));
    EXPECT_EQ(topic.log_of(first), (std::vector<std::string>{"both", "after"}));
}

}  // namespace
}  // namespace ironbark::broker
