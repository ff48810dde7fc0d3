// Leaders that are lost, and who leads instead, as whole daemons live it. No record is written here: what is appointed,
// when, and what everybody knows of it.

#include <gtest/gtest.h>

#include "broker/control/control.h"
#include "tests/broker/cluster/cluster_world.h"

namespace ironbark::broker {
namespace {

// Daemons 1 to 5, of which the first three are controllers; topic t on three brokers, led by the first of them.
struct Five {
    explicit Five(uint64_t seed = 1, size_t partitions = 1) : cluster(5, 3, seed) {
        cluster.start_all();
        active = cluster.active();
        other = active % 3 + 1;
        cluster.simulation().run_until([&] { return cluster.metadata(active)->brokers().size() == 5; }, 10s);
        cluster.place_topic("t", partitions, {BrokerId(4), BrokerId(5), BrokerId(other)}, 2);
        settle();
    }
    // Everybody knows everything.
    void settle() { cluster.simulation().run_for(100ms); }

    PartitionRecord partition(int32_t at, size_t index = 0) {
        const auto topic = cluster.metadata(at)->find(std::string("t"));
        return topic == nullptr ? PartitionRecord() : topic->partitions[index];
    }
    bool all_led(int32_t at) {
        const auto topic = cluster.metadata(at)->find(std::string("t"));
        for (const PartitionRecord& each : topic->partitions) {
            if (each.leader.value == -1) return false;
        }
        return true;
    }
    // Until somebody else than broker 4 leads everything, as this daemon knows it.
    Duration until_led_anew(int32_t at, Duration limit) {
        const Instant since = cluster.simulation().now();
        const bool is_led =
            cluster.simulation().run_until([&] { return all_led(at) && partition(at).leader.value != 4; }, limit);
        EXPECT_TRUE(is_led);
        return cluster.simulation().now() - since;
    }

    ClusterWorld cluster;
    int32_t active = -1;
    int32_t other = -1;  // another controller
};

TEST(Appointing, AnotherReplicaLeadsAtOnceWhenTheProcessOfTheLeaderDied) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        Five five(seed);
        ASSERT_EQ(five.partition(5).leader, BrokerId(4));
        five.cluster.kill(4);
        EXPECT_LE(five.until_led_anew(5, 10s), 60ms) << "seed " << seed;
        EXPECT_EQ(five.partition(5).leader_epoch, Epoch(2));
        EXPECT_EQ(five.partition(5).in_sync.size(), 2u) << "both that live have reported";
        five.settle();
        const std::vector<std::string> events = five.cluster.events(five.active);
        EXPECT_NE(events.back().find("leader_changed broker 5 leads 1 partition: t-0"), std::string::npos)
            << events.back();
    }
}

TEST(Appointing, ASilentLeaderIsReplacedAfterTheSessionTimeout) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
        Five five(seed);
        five.cluster.pause(4);
        EXPECT_LE(five.until_led_anew(5, 10s), 1800ms) << "seed " << seed;
        five.cluster.resume(4);
        EXPECT_TRUE(five.cluster.simulation().run_until(
            [&] { return five.partition(4).leader == five.partition(5).leader; }, 10s))
            << "it knows that it leads no more";
    }
}

TEST(Appointing, ALeaderThatWasTheActiveControllerTooIsReplacedSoon) {
    std::vector<Duration> times;
    for (uint64_t seed = 1; seed <= 9; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        const int32_t active = cluster.active();
        const int32_t other = active % 3 + 1;
        cluster.simulation().run_until([&] { return cluster.metadata(active)->brokers().size() == 3; }, 10s);
        cluster.place_topic("t", 1, {BrokerId(active), BrokerId(other), BrokerId(other % 3 + 1)}, 2);
        cluster.simulation().run_for(100ms);
        const Instant killed = cluster.simulation().now();
        cluster.kill(active);
        auto leader = [&] { return cluster.metadata(other)->find(std::string("t"))->partitions[0].leader; };
        EXPECT_TRUE(cluster.simulation().run_until(
            [&] { return leader() != BrokerId(active) && leader() != BrokerId(-1); }, 10s));
        times.push_back(cluster.simulation().now() - killed);
    }
    std::sort(times.begin(), times.end());
    EXPECT_LE(times[times.size() / 2], 300ms);
    EXPECT_LE(times.back(), 600ms);
}

TEST(Appointing, TheControllerThatComesNextHearsTheReportsAnew) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        Five five(seed);
        five.cluster.kill(4);
        // The fence is committed, and who has it committed dies before anybody is appointed.
        ASSERT_TRUE(five.cluster.simulation().run_until([&] { return five.partition(5).leader == BrokerId(-1); }, 10s));
        five.cluster.kill(five.active);
        EXPECT_LE(five.until_led_anew(5, 10s), 600ms) << "seed " << seed;
    }
}

TEST(Appointing, AThousandPartitionsAreAppointedTogether) {
    Five five(1, 1000);
    const size_t before = five.cluster.metadata(5)->events().size();
    five.cluster.kill(4);
    EXPECT_LE(five.until_led_anew(5, 10s), 120ms);
    five.settle();
    EXPECT_EQ(five.cluster.metadata(5)->events().size() - before, 2u) << "an end, and an appointment";
}

TEST(Appointing, NobodyIsAppointedInPlaceOfWhoIsOnlySilent) {
    Five five;
    five.cluster.kill(five.other);
    five.cluster.kill(4);
    five.settle();
    ASSERT_EQ(five.partition(5).leader, BrokerId(5)) << "it has everything, and leads alone";
    five.cluster.kill(5);
    five.cluster.start(5);
    five.cluster.wait_ready(5);
    five.cluster.simulation().run_for(60s);
    EXPECT_EQ(five.partition(5).leader, BrokerId(-1)) << "it lost its memory, and the others may have everything";
    const std::string remark = five.cluster.remark(5, "t");
    EXPECT_NE(remark.find("waits for broker 4 or " + std::to_string(five.other)), std::string::npos) << remark;
}

TEST(Appointing, AfterAPowerLossTheyLeadFromTheirDisks) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    cluster.simulation().run_until([&] { return cluster.metadata(cluster.active())->brokers().size() == 3; }, 10s);
    cluster.place_topic("t", 4, {BrokerId(1), BrokerId(2), BrokerId(3)}, 2);
    cluster.simulation().run_for(1s);
    for (int32_t id : {1, 2, 3}) cluster.lose_power(id);
    for (int32_t id : {1, 2}) cluster.start(id);
    for (int32_t id : {1, 2}) cluster.wait_ready(id);
    cluster.simulation().run_for(10s);
    auto leader = [&] { return cluster.metadata(1)->find(std::string("t"))->partitions[3].leader; };
    EXPECT_EQ(leader(), BrokerId(-1));
    EXPECT_NE(cluster.remark(1, "t").find("waits for broker 3"), std::string::npos) << cluster.remark(1, "t");
    cluster.start(3);
    cluster.wait_ready(3);
    EXPECT_TRUE(cluster.simulation().run_until([&] { return leader() != BrokerId(-1); }, 1s));
    const std::vector<std::string> events = cluster.events(1);
    EXPECT_NE(events.back().find("from disk"), std::string::npos) << events.back();
}

TEST(Appointing, AStopInOrderIsAFailoverWithoutALoss) {
    Five five;
    five.cluster.stop(4);
    five.settle();
    EXPECT_EQ(five.partition(5).leader, BrokerId(5));
    five.cluster.stop(5);
    five.cluster.stop(five.other);
    five.cluster.start(five.other);
    five.cluster.wait_ready(five.other);
    five.settle();
    EXPECT_EQ(five.partition(five.other).leader, BrokerId(five.other)) << "its start was clean, and it has everything";
}

}  // namespace
}  // namespace ironbark::broker
