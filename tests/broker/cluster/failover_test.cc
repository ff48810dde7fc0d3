// Leaders that die, that only seem dead, and that come back: what was acknowledged is there, what was not is cut and
// kept, and nobody acknowledges beside another leader.

#include <gtest/gtest.h>

#include "tests/broker/cluster/replicated.h"

namespace ironbark::broker {
namespace {

std::vector<int32_t> others(int32_t id) {
    std::vector<int32_t> ids;
    for (int32_t each : {1, 2, 3}) {
        if (each != id) ids.push_back(each);
    }
    return ids;
}

// A topic whose leader is not the active controller.
Replicated led_apart(ClusterWorld& cluster, TopicShape shape = {.replicas = 3, .min_in_sync = 2}) {
    const int32_t active = cluster.active();
    for (int number = 0;; ++number) {
        Replicated topic(cluster, shape, "t" + std::to_string(number));
        if (topic.wait_leader() != active) return topic;
    }
}

TEST(Failover, ALeaderThatDiedIsReplacedAtOnceAndComesBackAsAFollower) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic = led_apart(cluster);
    const int32_t first = topic.wait_leader();
    std::vector<std::string> values;
    for (int number = 0; number < 20; ++number) {
        values.push_back("before " + std::to_string(number));
        ASSERT_TRUE(topic.produce(first, values.back()).said.ok());
    }
    const Instant killed = cluster.simulation().now();
    cluster.kill(first);
    const int32_t second = topic.wait_leader(5s, first);
    values.push_back("after");
    const ReceiptSeen receipt = topic.produce_somewhere(values.back());
    ASSERT_TRUE(receipt.said.ok()) << receipt.said;
    EXPECT_LT(cluster.simulation().now() - killed, 250ms);
    EXPECT_EQ(topic.read(second), values);
    cluster.start(first);
    cluster.wait_ready(first);
    EXPECT_TRUE(topic.wait_in_sync(3, 20s));
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(topic.log_of(first), values);
    // Whoever asks one that does not lead is told who does.
    const ReceiptSeen elsewhere = topic.produce(first, "elsewhere");
    EXPECT_EQ(elsewhere.said.code, ErrorCode::not_leader_or_follower);
    EXPECT_EQ(elsewhere.said.leader, second);
    EXPECT_EQ(elsewhere.said.leader_epoch, topic.record().leader_epoch.value);
}

TEST(Failover, TheLeaderThatIsTheActiveControllerTooIsReplacedSoon) {
    std::vector<Duration> times;
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        const int32_t active = cluster.active();
        int32_t leader = -1;
        std::optional<Replicated> topic;
        for (int number = 0; leader != active; ++number) {
            topic.emplace(cluster, TopicShape{.replicas = 3, .min_in_sync = 2}, "t" + std::to_string(number));
            leader = topic->wait_leader();
        }
        ASSERT_TRUE(topic->produce(leader, "before").said.ok());
        const Instant killed = cluster.simulation().now();
        cluster.kill(leader);
        ASSERT_TRUE(topic->produce_somewhere("after").said.ok());
        times.push_back(cluster.simulation().now() - killed);
        EXPECT_EQ(topic->read(topic->leader()), (std::vector<std::string>{"before", "after"}));
    }
    std::sort(times.begin(), times.end());
    EXPECT_LE(times[times.size() / 2], 400ms);
}

TEST(Failover, ASilentLeaderIsReplacedAtTheSessionTimeout) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic = led_apart(cluster);
    const int32_t first = topic.wait_leader();
    ASSERT_TRUE(topic.produce(first, "before").said.ok());
    const Instant paused = cluster.simulation().now();
    cluster.pause(first);
    const ReceiptSeen receipt = topic.produce_somewhere("after");
    ASSERT_TRUE(receipt.said.ok()) << receipt.said;
    EXPECT_LE(cluster.simulation().now() - paused, 1800ms);
    cluster.resume(first);
    EXPECT_TRUE(topic.wait_in_sync(3, 20s));
    EXPECT_EQ(topic.log_of(first), (std::vector<std::string>{"before", "after"}));
}

// It goes on for as long as its lease, and what it acknowledged at the leader's level alone is cut when it comes back.
TEST(Failover, AnIsolatedLeaderStopsAndWhatItWroteAloneGoesToTheGraveyard) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic = led_apart(cluster);
    const int32_t first = topic.wait_leader();
    ASSERT_TRUE(topic.produce(first, "before").said.ok());
    for (int32_t other : others(first)) {
        cluster.simulation().network().cut_both(cluster.node(first), cluster.node(other));
    }
    const Instant cut = cluster.simulation().now();
    Instant last_acknowledged = cut;
    for (int number = 0; number < 40; ++number) {
        const ReceiptSeen alone = topic.produce(first, "alone " + std::to_string(number), AckLevel::leader);
        if (alone.said.ok()) last_acknowledged = cluster.simulation().now();
        cluster.simulation().run_for(100ms);
    }
    EXPECT_GE(last_acknowledged - cut, 500ms);
    EXPECT_LE(last_acknowledged - cut, 1200ms) << "the lease has run out before anybody else may lead";
    const ReceiptSeen after = topic.produce_somewhere("after");
    ASSERT_TRUE(after.said.ok()) << after.said;
    cluster.simulation().network().heal_all();
    EXPECT_TRUE(topic.wait_in_sync(3, 30s));
    EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    EXPECT_EQ(topic.log_of(first), (std::vector<std::string>{"before", "after"}));
}

TEST(Failover, AllLoseTheirPowerAndEverythingDurableIsThere) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        Replicated topic(cluster);
        std::vector<std::string> values;
        for (int number = 0; number < 30; ++number) {
            values.push_back("durable " + std::to_string(number));
            ASSERT_TRUE(topic.produce(topic.wait_leader(), values.back()).said.ok());
        }
        for (int32_t id : {1, 2, 3}) cluster.lose_power(id);
        cluster.start_all();
        const int32_t leader = topic.wait_leader(30s);
        values.push_back("after");
        ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
        EXPECT_EQ(topic.read(leader), values) << "seed " << seed;
        EXPECT_TRUE(topic.wait_in_sync(3, 30s));
        EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 5s));
    }
}

TEST(Failover, ARetryAtTheNextLeaderIsAnsweredWithTheFirstOffset) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic = led_apart(cluster);
    const int32_t first = topic.wait_leader();
    const Text batch = make_batch(topic.identity(), 77, 0, {"once"});
    auto send = [&](int32_t id) {
        rpc::Metadata request = produce_request({ProducePart{topic.identity(), batch}}, AckLevel::isr_durable, 5'000);
        return read_produce(cluster.call(id, rpc::Method::produce, std::move(request), batch)).receipts.at(0);
    };
    const ReceiptSeen receipt = send(first);
    ASSERT_TRUE(receipt.said.ok()) << receipt.said;
    cluster.kill(first);
    const int32_t second = topic.wait_leader(5s, first);
    cluster.simulation().run_for(1s);
    const ReceiptSeen again = send(second);
    ASSERT_TRUE(again.said.ok()) << again.said;
    EXPECT_TRUE(again.duplicate);
    EXPECT_EQ(again.base, receipt.base);
    EXPECT_EQ(topic.read(second), std::vector<std::string>{"once"});
}

// A leader after the other, each killed while records come; nothing acknowledged is lost, doubled or out of order.
TEST(Failover, LeadersAreKilledOneAfterTheOther) {
    for (uint64_t seed = 1; seed <= 3; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        Replicated topic(cluster);
        std::vector<std::string> acknowledged;
        for (int round = 0; round < 8; ++round) {
            for (int number = 0; number < 5; ++number) {
                const std::string value = std::to_string(round) + "." + std::to_string(number);
                const ReceiptSeen receipt = topic.produce_somewhere(value);
                ASSERT_TRUE(receipt.said.ok()) << receipt.said << " seed " << seed;
                acknowledged.push_back(value);
            }
            const int32_t victim = topic.wait_leader();
            const bool has_power = round % 2 == 0;
            if (has_power) {
                cluster.kill(victim);
            } else {
                cluster.lose_power(victim);
            }
            (void)topic.wait_leader(30s, victim);
            cluster.start(victim);
            cluster.wait_ready(victim);
            ASSERT_TRUE(topic.wait_in_sync(3, 30s)) << "round " << round << " seed " << seed;
        }
        EXPECT_TRUE(topic.wait_equal({1, 2, 3}, 10s));
        // Attempts that were not acknowledged may be there twice; the acknowledged ones are there in their order.
        const std::vector<std::string> values = topic.read(topic.wait_leader());
        size_t next = 0;
        for (const std::string& value : values) {
            if (next < acknowledged.size() && value == acknowledged[next]) ++next;
        }
        EXPECT_EQ(next, acknowledged.size()) << "seed " << seed;
    }
}

// The beginning of a leadership is recorded before anything is appended in it. Who cannot do that is no leader.
TEST(Failover, WhoCannotBeginToLeadGivesItUp) {
    size_t failed = 0;
    for (uint64_t seed = 1; seed <= 6; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        Replicated topic = led_apart(cluster);
        const int32_t first = topic.wait_leader();
        ASSERT_TRUE(topic.produce(first, "before").said.ok());
        cluster.simulation().run_for(5s);  // until nothing else is to be written there
        const int32_t chosen = others(first)[seed % 2];
        cluster.node(chosen).disk().fail_next_write("/data/marks-0");
        cluster.kill(first);
        ASSERT_TRUE(topic.produce_somewhere("after", AckLevel::leader_durable).said.ok()) << topic.tell();
        if (topic.replica(chosen)->state() == PartitionState::failed) ++failed;
        cluster.start(first);
        cluster.wait_ready(first);
    }
    EXPECT_GT(failed, 0u) << "whoever could not was never the one";
}

// Records are refused on a disk that is full, so somebody leads whose disk is not.
TEST(Failover, ALeaderWhoseDiskIsFullHandsOver) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster);
    const int32_t leader = topic.wait_leader();
    ASSERT_TRUE(topic.produce(leader, "before").said.ok());
    const Epoch epoch = topic.record().leader_epoch;
    for (int32_t id : {1, 2, 3}) cluster.node(id).disk().set_capacity(cluster.node(id).disk().used_bytes());
    cluster.simulation().run_for(10s);
    EXPECT_EQ(topic.produce(leader, "refused").said.code, ErrorCode::storage_full);
    EXPECT_EQ(topic.record().leader_epoch, epoch) << "nobody has room: it stays where it is";
    for (int32_t id : {1, 2, 3}) {
        if (id != leader) cluster.node(id).disk().set_capacity(uint64_t{1} << 40);
    }
    const int32_t next = topic.wait_leader(20s, leader);
    EXPECT_NE(next, leader);
    EXPECT_TRUE(topic.produce_somewhere("after").said.ok()) << topic.tell();
    EXPECT_EQ(topic.read(next).front(), "before");
    EXPECT_EQ(topic.read(next).back(), "after");
    cluster.node(leader).disk().set_capacity(uint64_t{1} << 40);
    EXPECT_TRUE(topic.wait_in_sync(3)) << topic.tell();
}

// The same where the disk is full: nothing is wrong with the log, so it follows, and leads when there is room.
TEST(Failover, WhoHasNoRoomToBeginToLeadLeavesItToOthersUntilThereIs) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic = led_apart(cluster, {.replicas = 3, .min_in_sync = 1});
    const int32_t first = topic.wait_leader();
    const int32_t full = 6 - first - cluster.active();
    ASSERT_TRUE(topic.produce(first, "before").said.ok());
    ASSERT_TRUE(topic.wait_in_sync(3));
    simulation::SimulatedDisk& disk = cluster.node(full).disk();
    disk.set_capacity(disk.used_bytes());
    // Each leadership that begins takes some of the room that the marks have left.
    int moves = 0;
    for (; moves < 1000 && topic.replica(full)->lead_again_at() == Instant(); ++moves) {
        const int32_t leader = topic.wait_leader();
        if (leader == full) {
            ASSERT_TRUE(topic.move(leader, first).said.ok()) << topic.tell();
        }
        (void)topic.move(topic.wait_leader(), full, 5'000);
    }
    ASSERT_LT(moves, 1000) << "there was always room";
    EXPECT_NE(topic.wait_leader(60s, full), full);
    EXPECT_TRUE(topic.produce_somewhere("led by another", AckLevel::leader).said.ok()) << topic.tell();
    EXPECT_EQ(topic.replica(full)->state(), PartitionState::online) << topic.tell();
    disk.set_capacity(uint64_t{1} << 40);
    // It may be found to have lagged, and come back.
    MovedSeen moved;
    for (int attempt = 0; attempt < 3 && (attempt == 0 || !moved.said.ok()); ++attempt) {
        ASSERT_TRUE(topic.wait_in_sync(3)) << topic.tell();
        moved = topic.move(topic.wait_leader(), full);
        cluster.simulation().run_for(2s);
    }
    EXPECT_TRUE(moved.said.ok()) << moved.said << "\n" << topic.tell();
    EXPECT_EQ(topic.wait_leader(), full);
    EXPECT_TRUE(topic.produce(full, "after").said.ok()) << topic.tell();
    EXPECT_TRUE(topic.wait_equal({1, 2, 3})) << topic.tell();
}

// What waits for a replica that is away is acknowledged without it, during a stop, too: so the stop is short.
TEST(Failover, AStopWaitsNoLongerThanTheInSyncSet) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic = led_apart(cluster);
    const int32_t leader = topic.wait_leader();
    const int32_t away = 6 - leader - cluster.active();
    ASSERT_TRUE(topic.wait_in_sync(3));
    cluster.pause(away);
    ClusterWorld::Pending waits = topic.begin_produce(leader, "while it stops", AckLevel::isr_durable);
    cluster.simulation().run_for(100ms);
    const Instant begin = cluster.simulation().now();
    cluster.stop(leader);
    EXPECT_LT(cluster.simulation().now() - begin, 10s);
    ASSERT_TRUE(waits->has_value());
    EXPECT_TRUE(read_produce(**waits).receipts.at(0).said.ok()) << read_produce(**waits).receipts.at(0).said;
    cluster.resume(away);
    cluster.start(leader);
    cluster.wait_ready(leader);
    EXPECT_TRUE(topic.wait_equal({1, 2, 3})) << topic.tell();
}

// A replica whose log begins behind what it has in common with the leader has nothing to go on from.
TEST(Failover, WhoseLogBeginsBehindTheCommonPartBeginsAnew) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    Replicated topic(cluster, {.replicas = 2, .min_in_sync = 1});
    ASSERT_TRUE(topic.wait_in_sync(2));
    const int32_t first = topic.wait_leader();
    const int32_t second = topic.other_than(first);
    ASSERT_TRUE(topic.produce(first, "both").said.ok());
    cluster.kill(second);
    ASSERT_TRUE(cluster.simulation().run_until([&] { return topic.record().in_sync.size() == 1; }, 20s));
    for (int number = 0; number < 5; ++number) ASSERT_TRUE(topic.produce(first, "alone").said.ok());
    rpc::Metadata remove = delete_request({{topic.identity(), 4}});
    ASSERT_TRUE(read_delete(cluster.call(first, rpc::Method::delete_records, std::move(remove))).at(0).said.ok());
    cluster.kill(first);
    cluster.start(second);
    cluster.wait_ready(second);
    cluster.simulation().run_for(3s);
    ASSERT_EQ(topic.elect(second, true).leader, second);
    ASSERT_TRUE(topic.produce_somewhere("after").said.ok());
    cluster.start(first);
    cluster.wait_ready(first);
    EXPECT_TRUE(topic.wait_in_sync(2, 20s)) << topic.tell();
    EXPECT_EQ(topic.log_of(first), (std::vector<std::string>{"both", "after"}));
}

}  // namespace
}  // namespace ironbark::broker
