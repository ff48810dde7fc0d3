#include "broker/voter/driver.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "tests/broker/voter/quorum_fixture.h"

namespace ironbark::consensus {
namespace {

std::string numbered(int number) {
    return "command " + std::to_string(number);
}

DriverSettings small_snapshots() {
    DriverSettings settings;
    settings.snapshot_bytes_min = 2000;
    settings.core.limits.trail_entries = 4;
    settings.core.limits.snapshot_chunk_size = 300;
    return settings;
}

TEST(Driver, AVoterAloneLeadsAtOnceAndRemembers) {
    QuorumTest test(1);
    EXPECT_EQ(test.leader(100ms), 1);
    for (int number = 0; number < 20; ++number) EXPECT_TRUE(test.write(numbered(number)));
    test.crash(1, simulation::Crash::power_loss);
    ASSERT_TRUE(test.start(1));
    EXPECT_EQ(test.leader(1s), 1);
    EXPECT_TRUE(test.agree_on(20));
    EXPECT_EQ(test.voter(1).commands.back(), numbered(19));
    test.stop();
}

TEST(Driver, ThreeVotersElectOneAndAgree) {
    QuorumTest test(3);
    int32_t leader = test.leader();
    ASSERT_NE(leader, 0);
    for (int number = 0; number < 50; ++number) EXPECT_TRUE(test.write(numbered(number)));
    EXPECT_TRUE(test.agree_on(50));
    int32_t follower = leader % 3 + 1;
    ProposalResult refused = test.propose(follower, "no");
    EXPECT_EQ(refused.outcome, Outcome::not_written);
    EXPECT_EQ(refused.code, ErrorCode::not_leader_or_follower);
    Instant deadline = test.simulation.now() + 1s;
    EXPECT_TRUE(test.node(leader).run(test.voter(leader).driver->read_barrier(deadline)).ok());
    EXPECT_EQ(test.node(follower).run(test.voter(follower).driver->read_barrier(deadline)).error().code,
              ErrorCode::not_leader_or_follower);
    test.stop();
}

TEST(Driver, AnotherLeadsWhenTheLeaderDies) {
    QuorumTest test(3);
    for (int number = 0; number < 10; ++number) EXPECT_TRUE(test.write(numbered(number)));
    int32_t first = test.leader();
    test.kill(first);
    Instant died = test.simulation.now();
    int32_t second = test.leader();
    ASSERT_NE(second, 0);
    EXPECT_NE(second, first);
    EXPECT_LT(test.simulation.now() - died, 3s);
    EXPECT_TRUE(test.write("after"));
    ASSERT_TRUE(test.start(first));
    EXPECT_TRUE(test.agree_on(11));
    test.stop();
}

TEST(Driver, WhoSawTheProcessDieDoesNotWait) {
    QuorumTest test(3);
    int32_t first = test.leader();
    Voter dead = test.voter(first).self();
    test.simulation.run_for(1s);
    test.kill(first);
    Instant died = test.simulation.now();
    for (auto& [id, program] : test.voters) program->driver->peer_process_died(dead);
    ASSERT_NE(test.leader(), 0);
    // Less than the shortest election timeout.
    EXPECT_LT(test.simulation.now() - died, 300ms);
    test.stop();
}

TEST(Driver, AMajorityIsNeededAndAMinorityDoesNotAnswer) {
    QuorumTest test(3);
    int32_t leader = test.leader();
    EXPECT_TRUE(test.write("one"));
    test.paths.cut(leader);
    ProposalResult result = test.propose(leader, "lost?");
    EXPECT_EQ(result.outcome, Outcome::unknown);
    Instant deadline = test.simulation.now() + 5s;
    EXPECT_FALSE(test.node(leader).run(test.voter(leader).driver->read_barrier(deadline)).ok());
    test.simulation.run_for(2s);
    EXPECT_TRUE(test.write("two"));
    test.paths.mend(leader);
    EXPECT_TRUE(test.agree_on(2));
    EXPECT_EQ(test.voter(leader).commands, (std::vector<std::string>{"one", "two"}));
    test.stop();
}

TEST(Driver, WhoWasAwayForLongIsSentASnapshot) {
    QuorumTest test(3, 1, small_snapshots());
    int32_t away = test.leader() % 3 + 1;
    test.kill(away);
    for (int number = 0; number < 200; ++number) ASSERT_TRUE(test.write(numbered(number)));
    EXPECT_GT(test.voter(test.leader()).driver->status().snapshot, LogIndex(100));
    ASSERT_TRUE(test.start(away));
    EXPECT_TRUE(test.agree_on(200));
    EXPECT_GT(test.voter(away).restored, 100u);
    // It is durable there, too.
    test.crash(away, simulation::Crash::power_loss);
    ASSERT_TRUE(test.start(away));
    EXPECT_TRUE(test.write("after"));
    EXPECT_TRUE(test.agree_on(201));
    test.stop();
}

TEST(Driver, HandsTheLeadOverWithoutAnElectionTimeout) {
    QuorumTest test(3);
    int32_t first = test.leader();
    EXPECT_TRUE(test.write("before"));
    int32_t next = first % 3 + 1;
    Instant begin = test.simulation.now();
    EXPECT_TRUE(test.node(first).run(test.voter(first).driver->transfer_leadership(VoterId(next))));
    EXPECT_EQ(test.leader(), next);
    EXPECT_LT(test.simulation.now() - begin, 300ms);
    EXPECT_FALSE(test.node(first).run(test.voter(first).driver->transfer_leadership({})));
    EXPECT_TRUE(test.write("after"));
    test.stop();
}

TEST(Driver, AnEmptiedVoterIsAdmittedUnderItsNewDirectoryOnly) {
    QuorumTest test(3);
    for (int number = 0; number < 10; ++number) EXPECT_TRUE(test.write(numbered(number)));
    int32_t leader = test.leader();
    int32_t lost = leader % 3 + 1;
    test.kill(lost);
    // A machine of another name has an empty disk; the voter's number is the same.
    simulation::Node& spare = test.simulation.node("spare");
    VoterProgram& program = spare.start(
        [&](World& world) { return std::make_unique<VoterProgram>(world, test.paths, lost, test.settings); });
    ASSERT_TRUE(spare.run(program.start()));
    test.simulation.run_for(2s);
    EXPECT_TRUE(program.commands.empty());
    Driver& driver = *test.voter(leader).driver;
    ProposalResult replaced =
        test.node(leader).run(driver.replace_voter(driver.status().term, program.self(), test.simulation.now() + 10s));
    EXPECT_EQ(replaced.outcome, Outcome::written);
    EXPECT_TRUE(test.simulation.run_until([&] { return program.commands.size() == 10; }, 10s));
    // It counts: with it and one more there is a majority.
    test.kill(6 - leader - lost);
    EXPECT_TRUE(test.write("with the new one"));
    spare.run(program.stop());
    spare.end();
    test.stop();
}

TEST(Driver, WhoWaitsLearnsOfTheEnd) {
    QuorumTest test(3);
    int32_t leader = test.leader();
    test.paths.cut(leader);
    VoterProgram& program = test.voter(leader);
    std::optional<ProposalResult> result;
    auto ask = [](Driver* driver, Instant deadline, std::optional<ProposalResult>* into) -> Task<void> {
        auto command = std::make_shared<const std::vector<uint8_t>>(3, 'x');
        *into = co_await driver->propose(driver->status().term, command, deadline);
    };
    test.node(leader).spawn(ask(program.driver.get(), test.simulation.now() + 1h, &result));
    test.simulation.run_for(10ms);
    test.stop();
    ASSERT_TRUE(result);
    EXPECT_EQ(result->outcome, Outcome::unknown);
}

// Crashes, cuts and restarts at random: what was acknowledged is there, once, in order, on every voter.
TEST(Driver, LosesNothingThatWasAcknowledged) {
    size_t acknowledged = 0;
    for (uint64_t seed = 1; seed <= 15; ++seed) {
        QuorumTest test(3, seed, small_snapshots());
        simulation::RandomStream random = test.simulation.stream("chaos");
        std::vector<std::string> written;
        std::set<std::string> unknown;
        for (int number = 0; number < 60; ++number) {
            auto id = static_cast<int32_t>(random.between(1, 3));
            switch (random.below(8)) {
                case 0:
                    if (test.voters.size() == 3) test.kill(id);
                    break;
                case 1:
                    if (test.voters.size() == 3) test.crash(id, simulation::Crash::power_loss);
                    break;
                case 2: test.paths.cut(id); break;
                default: break;
            }
            if (random.below(3) == 0) {
                for (int32_t one : {1, 2, 3}) {
                    test.paths.mend(one);
                    ASSERT_TRUE(test.is_up(one) || test.start(one)) << "seed " << seed;
                }
            }
            int32_t leader = test.leader(3s);
            if (leader == 0) continue;
            ProposalResult result = test.propose(leader, numbered(number));
            if (result.outcome == Outcome::written) written.push_back(numbered(number));
            if (result.outcome == Outcome::unknown) unknown.insert(numbered(number));
        }
        for (int32_t one : {1, 2, 3}) {
            test.paths.mend(one);
            ASSERT_TRUE(test.is_up(one) || test.start(one)) << "seed " << seed;
        }
        ASSERT_TRUE(test.write("the end")) << "seed " << seed;
        written.emplace_back("the end");
        int32_t leader = test.leader();
        ASSERT_TRUE(test.agree_on(test.voter(leader).commands.size())) << "seed " << seed;
        std::vector<std::string> sure = test.voter(1).commands;
        std::erase_if(sure, [&](const std::string& command) { return unknown.count(command) > 0; });
        EXPECT_EQ(sure, written) << "seed " << seed;
        acknowledged += written.size();
        test.stop();
    }
    EXPECT_GT(acknowledged, 400u);
}

}  // namespace
}  // namespace ironbark::consensus
