// What befell other systems, as whole clusters live it (the names in brackets are those of research/reliability.md).

#include <gtest/gtest.h>

#include "broker/control/control.h"
#include "tests/broker/cluster/cluster_world.h"

namespace ironbark::broker {
namespace {

void expect_topics(ClusterWorld& cluster, int32_t id, const std::vector<std::string>& names) {
    for (const std::string& name : names) EXPECT_NE(cluster.metadata(id)->find(name), nullptr) << name << " at " << id;
}

// [J02] Those that are left are a majority only together with one that has forgotten nothing: what was acknowledged
// while others slept is on its disk.
TEST(Scenario, AMajorityOfSleepersAndOneThatLostItsPowerHasEverything) {
    ClusterWorld cluster(5, 5);
    cluster.start_all();
    cluster.pause(1);
    cluster.pause(2);
    std::vector<std::string> made;
    for (int number = 0; number < 10; ++number) {
        made.push_back("t" + std::to_string(number));
        const Said said = cluster.create_topic(3, made.back());
        ASSERT_TRUE(said.ok()) << said;
    }
    cluster.simulation().run_for(30s);
    cluster.lose_power(3);
    cluster.pause(4);
    cluster.pause(5);
    cluster.resume(1);
    cluster.resume(2);
    cluster.simulation().run_for(10s);
    EXPECT_EQ(cluster.metadata(1)->find("t9"), nullptr) << "two of five decide nothing";
    cluster.start(3);
    cluster.wait_ready(3);
    for (int32_t id : {1, 2, 3}) {
        cluster.simulation().run_until([&] { return cluster.metadata(id)->find("t9") != nullptr; }, 30s);
        expect_topics(cluster, id, made);
    }
    cluster.resume(4);
    cluster.resume(5);
}

// [J07] Topics that are made while daemons are killed one after the other, and then all at once.
TEST(Scenario, TopicsMadeDuringRollingAndTotalKillsAreThere) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    std::vector<std::string> made;
    for (int round = 0; round < 6; ++round) {
        const int32_t killed = round % 3 + 1;
        cluster.kill(killed);
        made.push_back("rolling-" + std::to_string(round));
        const Said said = cluster.create_topic(killed % 3 + 1, made.back());
        EXPECT_TRUE(said.ok()) << said;
        cluster.start(killed);
        cluster.wait_ready(killed);
    }
    for (int32_t id : {1, 2, 3}) cluster.kill(id);
    cluster.start_all();
    for (int32_t id : {1, 2, 3}) expect_topics(cluster, id, made);
}

// [J26] The active controller sleeps longer than a session; another takes its place. When it wakes, what it was asked
// before comes to nothing, or is carried out by the other one, and it disturbs nobody.
TEST(Scenario, AControllerThatWakesUpDoesNotThinkThatItIsStillActive) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        const int32_t old = cluster.active();
        const int32_t other = old % 3 + 1;
        cluster.pause(old);
        const int32_t next = cluster.active();
        EXPECT_NE(next, old);
        EXPECT_TRUE(cluster.create_topic(other, "meanwhile").ok());
        const uint64_t term = cluster.describe(other).term;
        ClusterWorld::Pending asked =
            cluster.begin(old, rpc::Method::create_topic, create_request("of-the-old-one", {}));
        cluster.resume(old);
        ASSERT_TRUE(cluster.simulation().run_until([&] { return asked->has_value(); }, 60s));
        EXPECT_TRUE(said_by(**asked).ok()) << said_by(**asked) << ", seed " << seed;
        EXPECT_EQ(cluster.describe(other).term, term) << "nobody was made to elect again, seed " << seed;
        expect_topics(cluster, other, {"meanwhile", "of-the-old-one"});
    }
}

// [J26] One that is cut off for long does not come back with a term that deposes the leader.
TEST(Scenario, AVoterThatWasCutOffDisturbsNobodyWhenItComesBack) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    const int32_t active = cluster.active();
    const int32_t cut = active % 3 + 1;
    const uint64_t term = cluster.describe(active).term;
    cluster.simulation().network().isolate(cluster.node(cut));
    cluster.simulation().run_for(60s);
    cluster.simulation().network().heal_all();
    cluster.simulation().run_for(10s);
    EXPECT_EQ(cluster.active(), active);
    EXPECT_EQ(cluster.describe(active).term, term);
    EXPECT_TRUE(cluster.describe(active).brokers[cut].is_alive) << "its broker is back";
}

// An active controller that is cut off from the others is none any more, as soon as it notices; and nobody waits for
// it.
TEST(Scenario, AControllerThatIsCutOffIsReplacedAndKnowsIt) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        const int32_t old = cluster.active();
        for (int32_t id : {1, 2, 3}) {
            if (id != old) cluster.simulation().network().cut_both(cluster.node(old), cluster.node(id));
        }
        const Instant since = cluster.simulation().now();
        auto is_replaced = [&] {
            for (int32_t id : {1, 2, 3}) {
                if (id != old && cluster.broker(id)->facts().control->status().is_active_controller) return true;
            }
            return false;
        };
        ASSERT_TRUE(cluster.simulation().run_until(is_replaced, 10s));
        EXPECT_LE(cluster.simulation().now() - since, 900ms) << "seed " << seed;
        cluster.simulation().run_for(1s);
        EXPECT_FALSE(cluster.broker(old)->facts().control->status().is_active_controller);
        cluster.simulation().run_for(2s);
        EXPECT_FALSE(cluster.broker(old)->facts().control->status().has_lease) << "nobody renews it";
    }
}

// [J33] Clocks that are an hour apart, and jump, change times that people read and nothing else.
TEST(Scenario, WallClocksThatAreWrongHarmNobody) {
    ClusterWorld cluster(3, 3);
    cluster.node(1).set_wall_skew_milliseconds(3'600'000);
    cluster.node(2).set_wall_skew_milliseconds(-3'600'000);
    cluster.start_all();
    const uint64_t term = cluster.describe(1).term;
    for (int32_t round = 0; round < 6; ++round) {
        const int32_t id = round % 3 + 1;
        cluster.node(id).set_wall_skew_milliseconds((round % 2 == 0 ? -1 : 1) * 3'600'000);
        EXPECT_TRUE(cluster.create_topic(id, "t" + std::to_string(round)).ok());
        cluster.simulation().run_for(5s);
    }
    EXPECT_EQ(cluster.describe(1).term, term) << "nobody was taken for dead";
    for (const auto& [id, broker] : cluster.describe(1).brokers) EXPECT_TRUE(broker.is_alive) << id;
}

// [J34] A voter is replaced while the network is in two parts: no two leaders, nothing lost.
TEST(Scenario, AVoterIsReplacedWhileTheNetworkIsInTwoParts) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        EXPECT_TRUE(cluster.create_topic(1, "before").ok());
        const int32_t active = cluster.active();
        const int32_t replaced = active % 3 + 1;
        const int32_t third = replaced % 3 + 1;
        cluster.stop(replaced);
        cluster.config(replaced).data_dir = "/new";
        cluster.start(replaced);
        cluster.simulation().run_for(2s);
        // The active one reaches the newcomer and nobody else: the old majority cannot agree.
        cluster.simulation().network().cut_both(cluster.node(active), cluster.node(third));
        flatbuffers::FlatBufferBuilder builder;
        rpc::Metadata request = rpc::finish(builder, wire::CreateReplaceVoterRequest(builder, replaced, 5'000));
        const Said said = said_by(cluster.call(active, rpc::Method::replace_voter, std::move(request)));
        EXPECT_FALSE(said.ok()) << "a majority of the old voters must agree";
        cluster.simulation().network().heal_all();
        cluster.simulation().run_for(10s);
        flatbuffers::FlatBufferBuilder again;
        request = rpc::finish(again, wire::CreateReplaceVoterRequest(again, replaced, 10'000));
        const int32_t asked = cluster.active();
        (void)cluster.call(asked, rpc::Method::replace_voter, std::move(request));
        cluster.wait_ready(replaced);
        EXPECT_TRUE(cluster.create_topic(third, "after").ok()) << "seed " << seed;
        for (int32_t id : {1, 2, 3}) {
            cluster.simulation().run_until([&] { return cluster.metadata(id)->find("after") != nullptr; }, 10s);
            expect_topics(cluster, id, {"before", "after"});
        }
    }
}

// [J06] A voter whose snapshot or log is damaged does not vote; nobody deletes anything for it, and the others go on.
TEST(Scenario, ADamagedVoterIsSaidAndNothingIsDeletedForIt) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    EXPECT_TRUE(cluster.create_topic(1, "t", {.partitions = 6}).ok());
    cluster.simulation().run_for(2s);
    cluster.stop(3);
    const std::vector<uint8_t> good = cluster.node(3).disk().read("/data/controller/log");
    std::vector<uint8_t> bad = good;
    for (size_t at = 4096; at + 4096 < bad.size() && at < 5 * 4096; ++at) bad[at] ^= 0x55;
    cluster.node(3).disk().replace("/data/controller/log", bad);
    cluster.start(3);
    EXPECT_FALSE(cluster.try_ready(3, 10s));
    EXPECT_NE(cluster.problem(3).find("/data/controller/log"), std::string::npos) << cluster.problem(3);
    cluster.stop(3);
    EXPECT_TRUE(cluster.create_topic(1, "u").ok()) << "two of three go on";
    cluster.node(3).disk().replace("/data/controller/log", good);
    cluster.start(3);
    cluster.wait_ready(3);
    cluster.simulation().run_until([&] { return cluster.metadata(3)->find("u") != nullptr; }, 10s);
    expect_topics(cluster, 3, {"t", "u"});
}

}  // namespace
}  // namespace ironbark::broker
