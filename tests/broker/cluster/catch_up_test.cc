// Replicas that are far behind their leader: what it has on disk only comes over a connection of its own, as fast as an
// operator permits, and nobody else waits for it.

#include <gtest/gtest.h>

#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

constexpr size_t long_record_bytes = 100'000;
constexpr int long_records = 80;  // 8 MB

// A topic on the first three of four brokers, of which hardly anything is kept in memory.
struct Behind {
    Behind() : cluster(4, 3) {
        for (int32_t id : {1, 2, 3, 4}) cluster.config(id).tail_bytes = 1 << 20;
        cluster.start_all();
        cluster.place_topic("t", 1, {BrokerId(1), BrokerId(2), BrokerId(3)}, 2);
        topic.emplace(Replicated::existing(cluster, "t"));
        EXPECT_TRUE(topic->wait_in_sync(3));
    }
    void write() {
        for (int number = 0; number < long_records; ++number) {
            ASSERT_TRUE(topic->produce_somewhere(std::string(long_record_bytes, static_cast<char>('a' + number % 26)))
                            .said.ok());
        }
    }
    PlannedSeen plan(const std::vector<int32_t>& to, int64_t throttle) {
        return read_planned(
            cluster.call(2, rpc::Method::move_replicas, move_replicas_request(topic->identity(), to, throttle)));
    }
    bool wait_moved(Duration limit) {
        return cluster.simulation().run_until([this] { return topic->record().moving_to.empty(); }, limit);
    }
    // How often partitions here were too far behind for the tail's lane.
    uint64_t catch_ups(int32_t id) {
        uint64_t sum = 0;
        for (const Shard* shard : cluster.broker(id)->facts().shards) sum += shard->replicator().counters().catch_ups;
        return sum;
    }
    Instant now() { return cluster.simulation().now(); }

    ClusterWorld cluster;
    std::optional<Replicated> topic;
};

TEST(CatchUp, WhatIsOnlyOnDiskComesByTheOtherLane) {
    Behind behind;
    behind.write();
    ASSERT_TRUE(behind.plan({1, 2, 4}, 0).said.ok());
    ASSERT_TRUE(behind.wait_moved(20s)) << behind.topic->tell();
    EXPECT_EQ(behind.catch_ups(4), 1);
    EXPECT_EQ(behind.catch_ups(2), 0) << "who follows well stays where it is";
    ASSERT_TRUE(behind.topic->produce_somewhere("after").said.ok());
    EXPECT_TRUE(behind.topic->wait_equal({1, 2, 4}, 5s));
}

TEST(CatchUp, AFollowerThatWasAwayComesBackByIt) {
    Behind behind;
    behind.cluster.kill(3);
    ASSERT_TRUE(behind.topic->wait_in_sync(2));
    behind.write();
    behind.cluster.start(3);
    behind.cluster.wait_ready(3);
    ASSERT_TRUE(behind.topic->wait_in_sync(3, 20s)) << behind.topic->tell();
    EXPECT_EQ(behind.catch_ups(3), 1);
    behind.cluster.kill(3);
    ASSERT_TRUE(behind.topic->produce_somewhere("little").said.ok());
    behind.cluster.start(3);
    behind.cluster.wait_ready(3);
    ASSERT_TRUE(behind.topic->wait_in_sync(3, 20s));
    EXPECT_EQ(behind.catch_ups(3), 0) << "a little is not worth a connection";
}

TEST(CatchUp, AThrottleHoldsForWhoIsFarBehindAndForNobodyElse) {
    Behind behind;
    behind.write();
    const Instant begun = behind.now();
    ASSERT_TRUE(behind.plan({1, 2, 4}, 1'000'000).said.ok());
    Duration longest{};
    while (behind.now() < begun + 5s) {
        const Instant sent = behind.now();
        ASSERT_TRUE(behind.topic->produce_somewhere("meanwhile").said.ok());
        longest = std::max(longest, behind.now() - sent);
        behind.cluster.simulation().run_for(100ms);
    }
    EXPECT_LT(longest, 100ms) << "for the others everything is as before";
    ASSERT_FALSE(behind.topic->record().moving_to.empty()) << "8 MB at 1 MB/s";
    ASSERT_TRUE(behind.wait_moved(5s)) << behind.topic->tell();
    EXPECT_GT(behind.now() - begun, 6s) << "the first of them may come at once";
    EXPECT_TRUE(behind.topic->wait_equal({1, 2, 4}, 5s));
}

TEST(CatchUp, AThrottleIsChangedWhileItHolds) {
    Behind behind;
    behind.write();
    ASSERT_TRUE(behind.plan({1, 2, 4}, 1'000).said.ok());
    behind.cluster.simulation().run_for(5s);
    ASSERT_EQ(behind.topic->record().throttle, 1'000);
    EXPECT_TRUE(behind.plan({1, 2, 4}, 1'000).said.ok()) << "as it is";
    EXPECT_EQ(behind.plan({1, 2, 4}, -1).said.code, ErrorCode::invalid_request);
    ASSERT_TRUE(behind.plan({1, 2, 4}, 0).said.ok());
    ASSERT_TRUE(behind.wait_moved(5s)) << behind.topic->tell();
    EXPECT_EQ(behind.topic->record().throttle, 0);
    EXPECT_TRUE(behind.topic->wait_equal({1, 2, 4}, 5s));
}

TEST(CatchUp, TheLeaderDiesMeanwhile) {
    Behind behind;
    behind.write();
    ASSERT_TRUE(behind.plan({2, 3, 4}, 2'000'000).said.ok());
    behind.cluster.simulation().run_for(2s);
    const int32_t leader = behind.topic->leader();
    behind.cluster.kill(leader);
    behind.cluster.start(leader);
    ASSERT_TRUE(behind.wait_moved(30s)) << behind.topic->tell();
    ASSERT_TRUE(behind.topic->produce_somewhere("after").said.ok());
    EXPECT_TRUE(behind.topic->wait_equal({2, 3, 4}, 5s));
}

}  // namespace
}  // namespace ironbark::broker
