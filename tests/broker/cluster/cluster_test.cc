// Several daemons: how a cluster forms, who is active, which brokers live, and what everybody knows of it.

#include <gtest/gtest.h>

#include "broker/control/control.h"
#include "tests/broker/cluster/cluster_world.h"

namespace ironbark::broker {
namespace {

bool any_mentions(const std::vector<std::string>& events, const std::string& words) {
    return std::any_of(events.begin(), events.end(),
                       [&](const std::string& event) { return event.find(words) != std::string::npos; });
}

TEST(Cluster, OfThreeFormsAndEverybodyKnowsEverybody) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    for (int32_t id : {1, 2, 3}) {
        cluster.simulation().run_until([&] { return cluster.metadata(id)->brokers().size() == 3; }, 10s);
        ClusterSeen seen = cluster.describe(id);
        EXPECT_EQ(seen.brokers.size(), 3u);
        for (const auto& [broker, state] : seen.brokers) EXPECT_TRUE(state.is_alive) << broker;
        EXPECT_EQ(seen.active, cluster.active());
    }
}

TEST(Cluster, ATopicMadeAnywhereIsKnownEverywhereAndSpreadOverTheBrokers) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    cluster.simulation().run_until([&] { return cluster.metadata(2)->brokers().size() == 3; }, 10s);
    EXPECT_TRUE(cluster.create_topic(2, "t", {.partitions = 6}).ok());
    for (int32_t id : {1, 2, 3}) {
        EXPECT_TRUE(cluster.simulation().run_until([&] { return cluster.metadata(id)->find("t") != nullptr; }, 10s));
        EXPECT_EQ(cluster.describe(1).brokers[id].leads, 2);
    }
    EXPECT_EQ(cluster.create_topic(3, "t").code, ErrorCode::topic_already_exists);
}

TEST(Cluster, ABrokerWithoutAVoteJoinsToo) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    EXPECT_TRUE(cluster.create_topic(4, "t").ok());
    EXPECT_TRUE(cluster.describe(4).brokers[4].is_alive);
}

TEST(Cluster, OneDaemonAloneWaitsUntilTheOthersAreThere) {
    ClusterWorld cluster(3, 3);
    cluster.start(1);
    EXPECT_FALSE(cluster.try_ready(1, 20s));
    EXPECT_EQ(cluster.problem(1), "") << "it waits, it does not fail";
    cluster.start(2);
    EXPECT_FALSE(cluster.try_ready(2, 20s)) << "a cluster forms when all voters are there";
    cluster.start(3);
    for (int32_t id : {1, 2, 3}) cluster.wait_ready(id);
}

TEST(Cluster, ADaemonThatWaitsForOthersStopsWhenItIsTold) {
    ClusterWorld cluster(3, 3);
    cluster.start(1);
    EXPECT_FALSE(cluster.try_ready(1, 5s));
    cluster.stop(1);
    cluster.start_all();
}

TEST(Cluster, TheNextControllerIsActiveSoonAfterTheProcessOfTheLastOneDied) {
    std::vector<Duration> times;
    for (uint64_t seed = 1; seed <= 9; ++seed) {
        ClusterWorld cluster(3, 3, seed);
        cluster.start_all();
        const int32_t first = cluster.active();
        const Instant killed = cluster.simulation().now();
        cluster.kill(first);
        const int32_t second = cluster.active();
        EXPECT_NE(second, first);
        times.push_back(cluster.simulation().now() - killed);
        EXPECT_TRUE(cluster.simulation().run_until(
            [&] { return !cluster.metadata(second)->brokers().at(BrokerId(first)).is_alive; }, 1s))
            << "its broker is gone with it, and nobody waits for the session timeout";
    }
    std::sort(times.begin(), times.end());
    EXPECT_LE(times[times.size() / 2], 300ms);
    EXPECT_LE(times.back(), 600ms);
}

TEST(Cluster, AControllerOnlyVotesAndAnswersAndKeepsNoPartition) {
    ClusterWorld cluster(4, 3);
    cluster.config(1).is_controller_only = true;
    cluster.start_all();
    ASSERT_TRUE(cluster.create_topic(1, "t", {.partitions = 12, .replicas = 3}).ok()) << "it is asked like any other";
    EXPECT_EQ(cluster.create_topic(2, "u", {.replicas = 4}).code, ErrorCode::invalid_replication_factor);
    cluster.simulation().run_for(1s);
    const ClusterSeen seen = cluster.describe(1);
    EXPECT_EQ(seen.brokers.at(1).partitions, 0);
    for (int32_t id : {2, 3, 4}) EXPECT_EQ(seen.brokers.at(id).partitions, 12);
    cluster.kill(cluster.active());
    EXPECT_GT(cluster.active(), 0);
}

// What it keeps would be cut off: it waits, and says what to do.
TEST(Cluster, ABrokerWithPartitionsDoesNotBecomeAControllerOnly) {
    ClusterWorld cluster(3, 3);
    cluster.config(2).metrics_enabled = true;
    cluster.config(2).metrics = {"0.0.0.0", 9401};
    cluster.start_all();
    ASSERT_TRUE(cluster.create_topic(1, "t", {.replicas = 3}).ok());
    cluster.stop(2);
    cluster.config(2).is_controller_only = true;
    cluster.start(2);
    EXPECT_FALSE(cluster.try_ready(2, 5s));
    EXPECT_NE(cluster.health(2).find("start it as a broker, and move their replicas"), std::string::npos)
        << cluster.health(2);
    cluster.stop(2);
    cluster.config(2).is_controller_only = false;
    cluster.start(2);
    cluster.wait_ready(2);
}

TEST(Cluster, ABrokerWhoseProcessDiedIsGivenUpAtOnce) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    const int32_t active = cluster.active();
    const Instant killed = cluster.simulation().now();
    cluster.kill(4);
    EXPECT_TRUE(cluster.simulation().run_until(
        [&] { return !cluster.metadata(active)->brokers().at(BrokerId(4)).is_alive; }, 1s));
    EXPECT_LT(cluster.simulation().now() - killed, 50ms);
    EXPECT_TRUE(any_mentions(cluster.events(active), "process"));
}

TEST(Cluster, ASilentBrokerIsGivenUpAtTheSessionTimeoutAndComesBackByItself) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    const int32_t active = cluster.active();
    const Instant paused = cluster.simulation().now();
    cluster.pause(4);
    auto is_alive = [&] { return cluster.metadata(active)->brokers().at(BrokerId(4)).is_alive; };
    EXPECT_TRUE(cluster.simulation().run_until([&] { return !is_alive(); }, 10s));
    EXPECT_GE(cluster.simulation().now() - paused, 1100ms);
    EXPECT_LE(cluster.simulation().now() - paused, 1600ms);
    cluster.resume(4);
    EXPECT_TRUE(cluster.simulation().run_until(is_alive, 10s));
    EXPECT_EQ(cluster.metadata(active)->brokers().at(BrokerId(4)).incarnation, Incarnation(2));
    EXPECT_TRUE(cluster.metadata(active)->brokers().at(BrokerId(4)).is_clean) << "it has forgotten nothing";
}

TEST(Cluster, AStopInOrderIsNoFailureAndTheNextStartIsClean) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    cluster.stop(4);
    const int32_t active = cluster.active();
    EXPECT_FALSE(cluster.metadata(active)->brokers().at(BrokerId(4)).is_alive);
    EXPECT_TRUE(any_mentions(cluster.events(active), "stopped"));
    cluster.start(4);
    cluster.wait_ready(4);
    EXPECT_TRUE(cluster.broker(4)->started_clean());
    cluster.kill(4);
    cluster.start(4);
    cluster.wait_ready(4);
    EXPECT_FALSE(cluster.broker(4)->started_clean());
}

TEST(Cluster, AStartAfterACleanStopIsCleanThoughTheAnswerToItsRegistrationWasLost) {
    ClusterWorld cluster(4, 3);
    cluster.start_all();
    cluster.stop(4);
    const int32_t active = cluster.active();
    const BrokerSession& session = cluster.broker(active)->facts().control->session();
    cluster.start(4);
    auto is_registered = [&] { return session.current()->find(BrokerId(4))->incarnation == Incarnation(2); };
    ASSERT_TRUE(cluster.simulation().run_until(is_registered, 10s));
    cluster.simulation().network().cut(cluster.node(active), cluster.node(4));
    cluster.simulation().run_for(10s);
    EXPECT_FALSE(cluster.is_ready(4));
    cluster.simulation().network().heal_all();
    cluster.wait_ready(4);
    EXPECT_GT(session.current()->find(BrokerId(4))->incarnation, Incarnation(2));
    EXPECT_TRUE(cluster.broker(4)->started_clean());
}

// [B2] Its machine has lost its power: no connection to it is closed.
TEST(Cluster, NobodyWaitsForAControllerThatSaysNothingOnceAnotherIsActive) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        ClusterWorld cluster(4, 3, seed);
        cluster.start_all();
        const int32_t old = cluster.active();
        cluster.simulation().run_for(2s);
        cluster.simulation().network().isolate(cluster.node(old));
        ClusterWorld::Pending asked = cluster.begin(4, rpc::Method::create_topic, create_request("t", {}));
        const Instant cut = cluster.simulation().now();
        const Control& control = *cluster.broker(4)->facts().control;
        bool had_lease = true;
        auto is_answered = [&] {
            had_lease = had_lease && control.status().has_lease;
            return asked->has_value();
        };
        ASSERT_TRUE(cluster.simulation().run_until(is_answered, 10s));
        EXPECT_TRUE(said_by(**asked).ok()) << said_by(**asked);
        EXPECT_LE(cluster.simulation().now() - cut, 1500ms) << "seed " << seed;
        cluster.simulation().run_until([&] { return !(had_lease = had_lease && control.status().has_lease); }, 5s);
        EXPECT_TRUE(had_lease) << "all the time; seed " << seed;
        EXPECT_TRUE(cluster.metadata(4)->brokers().at(BrokerId(4)).is_alive);
        EXPECT_EQ(cluster.metadata(4)->brokers().at(BrokerId(4)).incarnation, Incarnation(1));
    }
}

// [B6]
TEST(Cluster, TheSessionTimeoutIsTheActiveControllersEverywhere) {
    ClusterWorld cluster(4, 3);
    auto configured = [](int32_t id) { return id * 1000ms; };
    for (int32_t id : {1, 2, 3}) cluster.config(id).session_timeout = configured(id);
    cluster.config(4).session_timeout = 100s;
    cluster.start_all();
    const int32_t first = cluster.active();
    EXPECT_EQ(cluster.metadata(4)->session_timeout(), configured(first));
    cluster.kill(first);
    const int32_t second = cluster.active();
    cluster.simulation().run_for(500ms);
    EXPECT_EQ(cluster.metadata(4)->session_timeout(), configured(second));
    EXPECT_TRUE(cluster.metadata(4)->brokers().at(BrokerId(4)).is_alive);
    cluster.simulation().run_for(5s);
    const Instant paused = cluster.simulation().now();
    cluster.pause(4);
    EXPECT_TRUE(cluster.simulation().run_until(
        [&] { return !cluster.metadata(second)->brokers().at(BrokerId(4)).is_alive; }, 10s));
    EXPECT_LE(cluster.simulation().now() - paused, configured(second) + 200ms);
    EXPECT_GE(cluster.simulation().now() - paused, configured(second) * 3 / 4);
}

// [B14]
TEST(Cluster, ABrokerSaysWhichIncarnationItIsNowAndWhatItsStartWaitsFor) {
    ClusterWorld cluster(4, 3);
    cluster.config(4).metrics_enabled = true;
    cluster.config(4).metrics = {"0.0.0.0", 9401};
    cluster.start(4);
    EXPECT_FALSE(cluster.try_ready(4, 5s));
    EXPECT_NE(cluster.health(4).find("503"), std::string::npos);
    EXPECT_NE(cluster.health(4).find("not registered"), std::string::npos) << cluster.health(4);
    for (int32_t id : {1, 2, 3}) cluster.start(id);
    for (int32_t id : {1, 2, 3, 4}) cluster.wait_ready(id);
    EXPECT_NE(cluster.health(4).find("200 OK"), std::string::npos) << cluster.health(4);
    EXPECT_EQ(cluster.incarnation(4), 1);
    cluster.pause(4);
    cluster.simulation().run_for(5s);
    cluster.resume(4);
    cluster.simulation().run_for(5s);
    EXPECT_EQ(cluster.incarnation(4), 2);
}

TEST(Cluster, NothingAcknowledgedIsLostWhenTheActiveControllerIsKilledAgainAndAgain) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    std::vector<std::string> acknowledged;
    for (int round = 0; round < 10; ++round) {
        const int32_t active = cluster.active();
        const int32_t other = active % 3 + 1;
        for (int count = 0; count < 3; ++count) {
            const std::string name = "t" + std::to_string(round) + "-" + std::to_string(count);
            const Said said = cluster.create_topic(other, name);
            EXPECT_TRUE(said.ok()) << said;
            acknowledged.push_back(name);
        }
        cluster.kill(active);
        const std::string name = "t" + std::to_string(round) + "-without";
        const Said said = cluster.create_topic(other, name);
        EXPECT_TRUE(said.ok()) << said;
        acknowledged.push_back(name);
        cluster.start(active);
        cluster.wait_ready(active);
    }
    for (int32_t id : {1, 2, 3}) {
        cluster.simulation().run_for(5s);
        for (const std::string& name : acknowledged) EXPECT_NE(cluster.metadata(id)->find(name), nullptr) << name;
    }
}

TEST(Cluster, WithoutAMajorityNothingChangesAndNothingIsLost) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    EXPECT_TRUE(cluster.create_topic(1, "before").ok());
    cluster.kill(2);
    cluster.kill(3);
    Said said = said_by(cluster.call(1, rpc::Method::create_topic, create_request("never", {})));
    EXPECT_FALSE(said.ok());
    EXPECT_TRUE(said.mentions("majority") || said.mentions("controller")) << said;
    cluster.start(2);
    cluster.wait_ready(2);
    EXPECT_TRUE(cluster.create_topic(1, "after").ok());
    EXPECT_NE(cluster.metadata(1)->find("before"), nullptr);
}

// What is committed is applied when it is on the own disk, too: whoever has no room executes nothing more.
TEST(Cluster, AnActiveControllerWithoutRoomForItsLogLeavesItToAnother) {
    ClusterWorld cluster(3, 3);
    for (int32_t id : {1, 2, 3}) {
        cluster.config(id).metrics_enabled = true;
        cluster.config(id).metrics = {"0.0.0.0", 9401};
    }
    cluster.start_all();
    const int32_t full = cluster.active();
    const int32_t other = full % 3 + 1;
    simulation::SimulatedDisk& disk = cluster.node(full).disk();
    disk.set_capacity(disk.used_bytes());
    int commands = 0;
    int failed = 0;
    for (; commands < 2000 && cluster.active() == full; ++commands) {
        failed += cluster.execute(other, set_failover(commands % 2 == 0, Timestamp())).ok() ? 0 : 1;
    }
    ASSERT_LT(commands, 2000) << "there was always room";
    EXPECT_LE(failed, 1) << "but for the one that found no room";
    const Instant begin = cluster.simulation().now();
    EXPECT_TRUE(cluster.execute(other, set_failover(false, Timestamp())).ok());
    EXPECT_LT(cluster.simulation().now() - begin, 2s);
    EXPECT_NE(cluster.active(), full);
    // With room it has a vote that counts again.
    disk.set_capacity(uint64_t{1} << 40);
    cluster.simulation().run_for(10s);
    const std::string health = cluster.health(full);
    EXPECT_NE(health.find("200 OK"), std::string::npos) << health;
    cluster.kill(cluster.active());
    EXPECT_TRUE(cluster.create_topic(full, "after", {.replicas = 1}).ok());
}

TEST(Cluster, AnActiveControllerWhoseDiskHangsLeavesItToAnother) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    const int32_t hangs = cluster.active();
    const int32_t other = hangs % 3 + 1;
    ASSERT_TRUE(cluster.create_topic(other, "before").ok());
    cluster.node(hangs).disk().hang(60s);
    const Instant begin = cluster.simulation().now();
    EXPECT_TRUE(cluster.create_topic(other, "meanwhile", {.replicas = 1}).ok());
    EXPECT_LT(cluster.simulation().now() - begin, 10s);
    EXPECT_NE(cluster.active(), hangs);
}

TEST(Cluster, AllOfThemMayLoseTheirPower) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    EXPECT_TRUE(cluster.create_topic(1, "t", {.partitions = 3}).ok());
    for (int32_t id : {1, 2, 3}) cluster.lose_power(id);
    cluster.start_all();
    for (int32_t id : {1, 2, 3}) EXPECT_NE(cluster.metadata(id)->find("t"), nullptr);
}

TEST(Cluster, ASecondBrokerWithTheSameIdIsRefusedWhileTheFirstLives) {
    ClusterWorld cluster(5, 3);
    for (int32_t id : {1, 2, 3, 4}) cluster.start(id);
    for (int32_t id : {1, 2, 3, 4}) cluster.wait_ready(id);
    cluster.config(5).broker_id = 4;
    cluster.start(5);
    EXPECT_FALSE(cluster.try_ready(5, 10s));
    EXPECT_NE(cluster.broker(5)->facts().control->status().problem.find("broker.id = 4 is in use"), std::string::npos)
        << cluster.broker(5)->facts().control->status().problem;
    EXPECT_TRUE(cluster.describe(1).brokers[4].is_alive);
    cluster.kill(4);
    cluster.wait_ready(5);
}

TEST(Cluster, AnotherSecretIsRefusedWithAWord) {
    ClusterWorld cluster(4, 3);
    for (int32_t id : {1, 2, 3}) cluster.start(id);
    for (int32_t id : {1, 2, 3}) cluster.wait_ready(id);
    cluster.config(4).cluster_secret = "another secret altogether";
    cluster.start(4);
    EXPECT_FALSE(cluster.try_ready(4, 10s));
    EXPECT_NE(cluster.broker(4)->facts().control->status().problem.find("secret"), std::string::npos)
        << cluster.broker(4)->facts().control->status().problem;
}

TEST(Cluster, AChangedListOfVotersIsRefused) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    cluster.stop(1);
    cluster.config(1).voters.resize(1);
    cluster.start(1);
    EXPECT_FALSE(cluster.try_ready(1, 10s));
    EXPECT_NE(cluster.problem(1).find("this cluster's controllers are 1, 2, 3"), std::string::npos)
        << cluster.problem(1);
}

TEST(Cluster, AVoterWithAWipedDiskIsAdmittedByHandAndByNobodyElse) {
    ClusterWorld cluster(3, 3);
    cluster.start_all();
    EXPECT_TRUE(cluster.create_topic(1, "t").ok());
    cluster.stop(3);
    cluster.config(3).data_dir = "/new";
    cluster.start(3);
    cluster.simulation().run_for(5s);
    EXPECT_NE(cluster.broker(3)->facts().control->status().controller_problem.find("replace-voter"), std::string::npos)
        << cluster.broker(3)->facts().control->status().controller_problem;
    flatbuffers::FlatBufferBuilder builder;
    rpc::Metadata request = rpc::finish(builder, wire::CreateReplaceVoterRequest(builder, 3, 10'000));
    Said said = said_by(cluster.call(1, rpc::Method::replace_voter, std::move(request)));
    EXPECT_TRUE(said.ok()) << said;
    cluster.wait_ready(3);
    cluster.kill(1);
    said = cluster.create_topic(3, "after");
    EXPECT_TRUE(said.ok()) << "it votes: with the second one it is a majority; " << said;
}

}  // namespace
}  // namespace ironbark::broker
