// A quorum as it will run: cores, drivers and stores, that find each other over links and servers of their own.
#include <gtest/gtest.h>

#include "tests/broker/peer/peer_fixture.h"

namespace ironbark::peer {
namespace {

using simulation::Crash;

struct Quorum : VoterTest {
    explicit Quorum(int32_t count = 3, uint64_t seed = 1, simulation::Options options = {}) : VoterTest(seed, options) {
        start_all(count);
        EXPECT_TRUE(form_within(10s));
    }
};

TEST(PeerQuorum, FormsElectsAndAgrees) {
    Quorum test;
    ASSERT_NE(test.leader(), 0);
    for (int number = 0; number < 50; ++number) EXPECT_TRUE(test.write("command " + std::to_string(number)));
    EXPECT_TRUE(test.agree_on(50));
    const Uuid cluster = test.status(1).cluster;
    for (int32_t id : {1, 2, 3}) {
        EXPECT_EQ(test.status(id).cluster, cluster);
        EXPECT_EQ(test.daemon(id).identity.cluster, cluster);
        EXPECT_TRUE(test.daemon(id).problems.empty());
        EXPECT_TRUE(test.daemon(id).refused.empty());
    }
    test.stop();
}

TEST(PeerQuorum, FiveAgreeToo) {
    Quorum test(5);
    for (int number = 0; number < 20; ++number) EXPECT_TRUE(test.write("command " + std::to_string(number)));
    EXPECT_TRUE(test.agree_on(20));
    test.stop();
}

TEST(PeerQuorum, TheNextLeaderIsThereBeforeAnyElectionTimeout) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        Quorum test(3, seed);
        EXPECT_TRUE(test.write("before"));
        const int32_t first = test.leader();
        test.simulation.run_for(3s);
        const Instant died = test.simulation.now();
        test.crash(first);
        const int32_t second = test.leader();
        ASSERT_NE(second, 0);
        EXPECT_NE(second, first);
        // The shortest election timeout is 300 ms.
        EXPECT_LT(test.simulation.now() - died, 250ms) << "seed " << seed;
        EXPECT_TRUE(test.write("after"));
        test.start(first);
        EXPECT_TRUE(test.agree_on(2)) << "seed " << seed;
        test.stop();
    }
}

TEST(PeerQuorum, ALeaderWhosePathsAreCutIsReplacedAndComesBack) {
    Quorum test;
    EXPECT_TRUE(test.write("before"));
    const int32_t first = test.leader();
    test.simulation.network().isolate(test.node(first));
    test.simulation.run_for(5s);
    EXPECT_NE(test.leader(), first);
    EXPECT_TRUE(test.write("meanwhile"));
    for (auto& [id, daemon] : test.daemons) EXPECT_TRUE(daemon->deaths.empty());
    test.simulation.network().heal_all();
    EXPECT_TRUE(test.write("after"));
    EXPECT_TRUE(test.agree_on(3));
    test.stop();
}

TEST(PeerQuorum, SurvivesThePowerLossOfAll) {
    Quorum test;
    for (int number = 0; number < 20; ++number) EXPECT_TRUE(test.write("command " + std::to_string(number)));
    const Uuid cluster = test.status(1).cluster;
    for (int32_t id : {1, 2, 3}) test.crash(id, Crash::power_loss);
    for (int32_t id : {1, 2, 3}) test.start(id);
    EXPECT_TRUE(test.write("after"));
    EXPECT_TRUE(test.agree_on(21));
    for (int32_t id : {1, 2, 3}) {
        EXPECT_EQ(test.status(id).cluster, cluster);
        EXPECT_TRUE(test.daemon(id).notices.empty()) << test.daemon(id).last_notice();
    }
    test.stop();
}

TEST(PeerQuorum, GoesOnWithoutOneMachine) {
    Quorum test;
    EXPECT_TRUE(test.write("before"));
    const int32_t first = test.leader();
    test.crash(first, Crash::power_loss);
    EXPECT_TRUE(test.write("meanwhile"));
    test.simulation.run_for(60s);
    test.start(first);
    // Links to it were silent, and nobody waits for TCP to find out.
    EXPECT_TRUE(test.agree_on(2, 6s));
    test.stop();
}

TEST(PeerQuorum, OutlivesResetsAndKills) {
    for (uint64_t seed = 1; seed <= 10; ++seed) {
        simulation::Options options;
        options.network.split = true;
        options.network.reset = simulation::one_in(200);
        options.network.delay = simulation::one_in(500);
        Quorum test(3, seed, options);
        simulation::RandomStream random = test.simulation.stream("kills");
        size_t written = 0;
        for (int round = 0; round < 10; ++round) {
            if (test.write("command " + std::to_string(round))) ++written;
            const int32_t id = static_cast<int32_t>(random.between(1, 3));
            test.crash(id, random.below(2) == 0 ? Crash::kill : Crash::power_loss);
            test.simulation.run_for(std::chrono::milliseconds(random.below(1000)));
            test.start(id);
        }
        test.simulation.end_faults();
        // Links that have just been cut off, or are silent, take a moment; who leads until then may lose the lead.
        test.simulation.run_for(10s);
        EXPECT_TRUE(test.write("last")) << "seed " << seed;
        test.simulation.run_for(5s);
        const std::vector<std::string>& commands = test.daemon(1).commands;
        EXPECT_GE(commands.size(), written + 1) << "seed " << seed;
        for (int32_t id : {2, 3}) EXPECT_EQ(test.daemon(id).commands, commands) << "seed " << seed;
        test.stop();
    }
}

}  // namespace
}  // namespace ironbark::peer
