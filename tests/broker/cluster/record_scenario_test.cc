// What befell the records of other systems, as whole clusters live it (the names in brackets are those of
// research/reliability.md; docs/TESTING.md says where the others are).

#include <algorithm>
#include <gtest/gtest.h>

#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

std::vector<int32_t> without(std::vector<int32_t> ids, int32_t id) {
    std::erase(ids, id);
    return ids;
}

// Once at least: what was sent again, because nobody had answered in time, is another record.
void expect_all(Replicated& topic, const std::vector<std::string>& values) {
    const std::vector<std::string> seen = topic.read(topic.wait_leader());
    for (const std::string& value : values) {
        EXPECT_GT(std::count(seen.begin(), seen.end(), value), 0) << value << "\n" << topic.tell();
    }
}

// Five replicas. Two are away while records are written; one of the three that have them loses its power; the other two
// go away, and the first two come back: who is left is a majority, and two of it never had the records.
void sleepers_and_one_that_lost_its_power(void (*away)(ClusterWorld& cluster, int32_t id, bool is_away)) {
    ClusterWorld cluster(5, 5);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 5, .min_in_sync = 3});
    ASSERT_TRUE(topic.wait_in_sync(5));
    std::vector<int32_t> ids = without({1, 2, 3, 4, 5}, topic.wait_leader());
    const std::vector<int32_t> sleepers{ids[0], ids[1]};
    const std::vector<int32_t> writers{ids[2], ids[3], topic.leader()};
    for (int32_t id : sleepers) away(cluster, id, true);
    std::vector<std::string> values;
    for (int number = 0; number < 10; ++number) {
        values.push_back("written " + std::to_string(number));
        ASSERT_TRUE(topic.produce_somewhere(values.back()).said.ok());
    }
    cluster.simulation().run_for(30s);
    cluster.lose_power(writers[0]);
    cluster.simulation().run_for(5s);
    for (int32_t id : {writers[1], writers[2]}) away(cluster, id, true);
    for (int32_t id : sleepers) away(cluster, id, false);
    cluster.start(writers[0]);
    // Whatever they decide, nobody leads who does not have everything.
    const Instant until = cluster.simulation().now() + 30s;
    while (cluster.simulation().now() < until) {
        cluster.simulation().run_for(100ms);
        for (int32_t id : sleepers) {
            const Partition* partition = topic.replica(id);
            if (partition == nullptr || !partition->leads()) continue;
            EXPECT_GE(partition->log_end(), Offset(10)) << topic.tell();
        }
    }
    for (int32_t id : {writers[1], writers[2]}) away(cluster, id, false);
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    values.push_back("after");
    expect_all(topic, values);
    EXPECT_TRUE(topic.wait_in_sync(5, 60s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3, 4, 5}, 10s));
}

TEST(RecordScenario, AMajorityOfSleepersHasNothingToSay) {  // [J02]
    sleepers_and_one_that_lost_its_power(
        [](ClusterWorld& cluster, int32_t id, bool is_away) { is_away ? cluster.pause(id) : cluster.resume(id); });
}

TEST(RecordScenario, AMajorityOfThoseThatWereCutOffHasNothingToSay) {  // [J03]
    sleepers_and_one_that_lost_its_power([](ClusterWorld& cluster, int32_t id, bool is_away) {
        for (int32_t other : without({1, 2, 3, 4, 5}, id)) {
            simulation::SimulatedNetwork& network = cluster.simulation().network();
            is_away ? network.cut_both(cluster.node(id), cluster.node(other))
                    : network.heal_both(cluster.node(id), cluster.node(other));
        }
    });
}

TEST(RecordScenario, WhatOnlyTheLeaderHasIsShownToNobody) {  // [J15]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    const int32_t leader = topic.wait_leader();
    ASSERT_TRUE(topic.produce(leader, "shown").said.ok());
    cluster.simulation().run_for(100ms);
    for (int32_t other : without({1, 2, 3}, leader)) {
        cluster.simulation().network().cut_both(cluster.node(leader), cluster.node(other));
    }
    const ReceiptSeen alone = topic.produce(leader, "alone", AckLevel::leader);
    EXPECT_TRUE(alone.said.ok()) << alone.said;
    const ClusterWorld::Pending pending = topic.begin_produce(leader, "nowhere", AckLevel::isr, 500);
    cluster.simulation().run_for(400ms);
    for (Visibility visibility : {Visibility::replicated, Visibility::durable}) {
        EXPECT_EQ(topic.read(leader, visibility), std::vector<std::string>{"shown"});
    }
    cluster.simulation().run_until([&] { return pending->has_value(); }, 10s);
    EXPECT_EQ(read_produce(**pending).receipts.at(0).said.outcome, Outcome::unknown);
}

// The others are out of the set, with everything that they had until then, and do not know what came after.
TEST(RecordScenario, WhenTheLastInSyncDiesNobodyTakesItsPlaceUntilItIsBack) {  // [J20]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 3, .min_in_sync = 1});
    ASSERT_TRUE(topic.wait_in_sync(3));
    const int32_t last = topic.wait_leader();
    const std::vector<int32_t> rest = without({1, 2, 3}, last);
    ASSERT_TRUE(topic.produce(last, "by all").said.ok());
    // They stay in touch with the controllers, and get nothing from the leader.
    for (int32_t id : rest) cluster.simulation().network().cut(cluster.node(id), cluster.node(last));
    std::vector<std::string> values{"by all"};
    const ReceiptSeen alone = topic.produce(last, "by the last alone", AckLevel::isr_durable, 10'000);
    if (alone.said.ok()) values.push_back("by the last alone");
    cluster.kill(last);
    cluster.simulation().network().heal_all();
    cluster.simulation().run_for(20s);
    const bool was_alone = topic.record().in_sync == BrokerIds{BrokerId(last)};
    if (was_alone) {
        EXPECT_EQ(topic.leader(), -1) << "unclean elections are a person's";
        EXPECT_FALSE(topic.elect(rest.front()).said.ok());
    }
    cluster.start(last);
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    values.push_back("after");
    expect_all(topic, values);
    EXPECT_TRUE(topic.wait_in_sync(3, 60s));
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 10s));
}

// One leaves, then another; the last one loses what was in its memory, and comes back first.
TEST(RecordScenario, TheLastOneStandingThatForgotDoesNotCutTheOthers) {  // [J21]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    ASSERT_TRUE(topic.wait_in_sync(3));
    const int32_t last = topic.wait_leader();
    const std::vector<int32_t> rest = without({1, 2, 3}, last);
    std::vector<std::string> values;
    const auto write = [&](AckLevel level) {
        values.push_back("record " + std::to_string(values.size()));
        ASSERT_TRUE(topic.produce(last, values.back(), level).said.ok());
    };
    for (int number = 0; number < 5; ++number) write(AckLevel::isr);
    cluster.kill(rest[0]);
    ASSERT_TRUE(topic.wait_in_sync(2, 20s));
    for (int number = 0; number < 5; ++number) write(AckLevel::isr);
    cluster.kill(rest[1]);
    cluster.simulation().run_for(3s);
    cluster.lose_power(last);
    cluster.start(last);
    cluster.start(rest[0]);
    cluster.simulation().run_for(10s);
    // rest[1] stopped without losing what the others had not: it is the only one that must have everything.
    cluster.start(rest[1]);
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    EXPECT_TRUE(topic.wait_in_sync(3, 60s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 10s));
    // All three processes have died within the time in which records of a memory level are in memory only: what is lost
    // is lost at the end, and nothing is there twice or in another order.
    std::vector<std::string> seen = topic.log_of(last);
    ASSERT_EQ(seen.back(), "after");
    seen.pop_back();
    EXPECT_TRUE(std::equal(seen.begin(), seen.end(), values.begin()));
    EXPECT_GE(seen.size(), 5u) << "those were synced long before the last crash";
}

TEST(RecordScenario, AReplicaWithAnEmptyDiskIsNotTakenForTheOneItWas) {  // [J22]
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    cluster.place_topic("t", 1, {BrokerId(1), BrokerId(4)}, 1);
    Replicated topic = Replicated::existing(cluster, "t");
    ASSERT_TRUE(topic.wait_in_sync(2));
    const int32_t first = topic.wait_leader();
    if (first != 1) {
        ASSERT_TRUE(topic.move(1, 1).said.ok());
    }
    ASSERT_EQ(topic.wait_leader(), 1);
    ASSERT_TRUE(topic.produce(1, "on both").said.ok());
    cluster.lose_power(4);
    cluster.node(4).disk().restore(simulation::DiskImage());
    cluster.start(4);
    // The one that has everything goes at the same time.
    cluster.kill(1);
    cluster.simulation().run_for(20s);
    EXPECT_NE(topic.leader(), 4) << topic.tell();
    cluster.start(1);
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    EXPECT_TRUE(topic.wait_in_sync(2, 60s)) << topic.tell();
    EXPECT_EQ(topic.log_of(4), (std::vector<std::string>{"on both", "after"}));
    EXPECT_TRUE(cluster.has_event(1, "with another data directory"));
}

TEST(RecordScenario, AFollowerThatRestartsAndLeadsAtOnceHasCutNothing) {  // [J23]
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        Replicated topic(cluster, {.replicas = 2, .min_in_sync = 2});
        ASSERT_TRUE(topic.wait_in_sync(2));
        const int32_t leader = topic.wait_leader();
        const int32_t follower = topic.other_than(leader);
        std::vector<std::string> values;
        for (int number = 0; number < 5; ++number) {
            values.push_back("record " + std::to_string(number));
            ASSERT_TRUE(topic.produce(leader, values.back()).said.ok());
        }
        // It has the last record, and has not heard that everybody has.
        cluster.kill(follower);
        cluster.start(follower);
        cluster.wait_ready(follower);
        cluster.simulation().run_for(std::chrono::milliseconds(5 * seed));
        cluster.kill(leader);
        cluster.simulation().run_for(5s);
        cluster.start(leader);
        ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
        values.push_back("after");
        expect_all(topic, values);
        EXPECT_TRUE(topic.wait_in_sync(2, 30s));
        EXPECT_TRUE(topic.wait_equal({leader, follower}, 10s));
    }
}

// Each leader has records that nobody else has, and the next one comes before they could be told of it.
TEST(RecordScenario, LeadersThatFollowEachOtherQuicklyLeaveEqualLogs) {  // [J24]
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    ASSERT_TRUE(topic.wait_in_sync(3));
    std::vector<std::string> values;
    for (int round = 0; round < 6; ++round) {
        values.push_back("by all in round " + std::to_string(round));
        ASSERT_TRUE(topic.produce_somewhere(values.back()).said.ok());
        const int32_t now = topic.wait_leader(60s);
        for (int32_t other : without({1, 2, 3}, now)) {
            cluster.simulation().network().cut(cluster.node(now), cluster.node(other));
        }
        for (int number = 0; number < 3; ++number) {
            (void)topic.begin_produce(now, "tail of round " + std::to_string(round), AckLevel::leader, 100);
        }
        cluster.simulation().run_for(20ms);
        round % 2 == 0 ? cluster.kill(now) : cluster.lose_power(now);
        cluster.simulation().network().heal_all();
        cluster.start(now);
    }
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    values.push_back("after");
    EXPECT_TRUE(topic.wait_in_sync(3, 60s)) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 10s)) << topic.tell();
    expect_all(topic, values);
}

}  // namespace
}  // namespace ironbark::broker
