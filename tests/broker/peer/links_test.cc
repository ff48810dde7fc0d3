// What links carry, what they drop, and when they say that a process has died.
#include "broker/peer/links.h"

#include <algorithm>
#include <gtest/gtest.h>

#include "broker/voter/message_codec.h"
#include "runtime/rpc/convert.h"
#include "tests/broker/peer/peer_fixture.h"
#include "wire/controller_generated.h"

namespace ironbark::peer {
namespace {

using consensus::AppendRequest;
using consensus::LogIndex;
using consensus::Payload;
using consensus::Term;
using consensus::Voter;
using simulation::Crash;

Voter voter(int32_t id) {
    return {VoterId(id), Uuid::from_words(static_cast<uint64_t>(id), 1)};
}

// A heartbeat with a number.
Message heartbeat(int32_t from, int32_t to, uint64_t number) {
    AppendRequest body;
    body.round = number;
    return {Uuid::from_words(1, 2), voter(from), voter(to), Term(1), LogIndex(1), body};
}

// Entries with so many bytes in all.
Message entries(int32_t from, int32_t to, size_t count, size_t size) {
    AppendRequest body;
    for (size_t number = 0; number < count; ++number) {
        auto command = std::make_shared<const std::vector<uint8_t>>(size, static_cast<uint8_t>(number));
        body.entries.push_back({LogIndex(number + 1), Term(1), consensus::EntryKind::command, command, nullptr});
    }
    return {Uuid::from_words(1, 2), voter(from), voter(to), Term(1), LogIndex(1), body};
}

std::vector<uint64_t> rounds(const std::vector<Message>& messages) {
    std::vector<uint64_t> numbers;
    for (const Message& message : messages) numbers.push_back(std::get<AppendRequest>(message.body).round);
    return numbers;
}

struct Pair : LinkTest {
    explicit Pair(uint64_t seed = 1, simulation::Options options = {}) : LinkTest(seed, options) {
        start_all(2);
        EXPECT_TRUE(simulation.run_until([this] { return are_connected(); }, 5s));
    }
    bool are_connected() {
        return daemon(1).links.is_connected(VoterId(2)) && daemon(2).links.is_connected(VoterId(1));
    }
    void send(uint64_t number) { daemon(1).links.send(heartbeat(1, 2, number)); }
};

TEST(PeerLinks, CarryMessagesInOrder) {
    simulation::Options options;
    options.network.split = true;
    Pair test(1, options);
    std::vector<uint64_t> expected;
    for (uint64_t number = 1; number <= 500; ++number) {
        test.send(number);
        expected.push_back(number);
        if (number % 7 == 0) test.simulation.run_for(1ms);
    }
    test.simulation.run_for(1s);
    EXPECT_EQ(rounds(test.daemon(2).received), expected);
    EXPECT_EQ(test.daemon(1).links.counters().sent, 500u);
    EXPECT_EQ(test.daemon(1).links.counters().dropped, 0u);
    test.stop();
}

TEST(PeerLinks, CarryEntriesSmallAndLargeAsTheyAre) {
    Pair test;
    for (auto [count, size] : {std::pair(1u, 1u), std::pair(40u, 100u), std::pair(3u, 0u), std::pair(7u, 100'000u)}) {
        Message sent = entries(1, 2, count, size);
        test.daemon(1).links.send(sent);
        test.simulation.run_for(1s);
        ASSERT_EQ(test.daemon(2).received.size(), 1u);
        const auto& wanted = std::get<AppendRequest>(sent.body).entries;
        const auto& got = std::get<AppendRequest>(test.daemon(2).received[0].body).entries;
        ASSERT_EQ(got.size(), wanted.size());
        for (size_t at = 0; at < got.size(); ++at) EXPECT_EQ(*got[at].command, *wanted[at].command);
        test.daemon(2).received.clear();
    }
    test.stop();
}

TEST(PeerLinks, SendBeforeAnythingElseRuns) {
    Pair test;
    const Instant sent = test.simulation.now();
    test.send(1);
    EXPECT_TRUE(test.simulation.run_until([&] { return !test.daemon(2).received.empty(); }, 5ms));
    EXPECT_LT(test.simulation.now() - sent, 1ms);
    test.stop();
}

TEST(PeerLinks, AMessageForNobodyIsDropped) {
    Pair test;
    test.daemon(1).links.send(heartbeat(1, 7, 1));
    test.daemon(1).links.send(heartbeat(1, 1, 1));
    EXPECT_EQ(test.daemon(1).links.counters().dropped, 2u);
    test.stop();
}

TEST(PeerLinks, HoldTheNewestMessagesWhileThereIsNoConnection) {
    LinkTest test;
    test.start(DaemonSettings{1, {1, 2}});
    test.simulation.run_for(30s);
    test.start(DaemonSettings{2, {1, 2}});
    while (!test.daemon(1).links.is_connected(VoterId(2))) {
        for (uint64_t number = 1; number <= 1000; ++number) test.daemon(1).links.send(heartbeat(1, 2, number));
        test.simulation.run_for(100ms);
    }
    test.simulation.run_for(1s);
    std::vector<uint64_t> expected;
    for (uint64_t number = 1000 - held_messages_max + 1; number <= 1000; ++number) expected.push_back(number);
    EXPECT_EQ(rounds(test.daemon(2).received), expected);
    EXPECT_EQ(test.daemon(1).links.counters().sent, held_messages_max);
    test.stop();
}

TEST(PeerLinks, HoldNoMoreBytesThanTheyMay) {
    LinkTest test;
    test.start(DaemonSettings{1, {1, 2}});
    for (int number = 0; number < 10; ++number) test.daemon(1).links.send(entries(1, 2, 1, 1 << 20));
    EXPECT_EQ(test.daemon(1).links.counters().dropped, 9u);
    test.stop();
}

TEST(PeerLinks, DropWhatWasHeldForTooLong) {
    LinkTest test;
    test.start(DaemonSettings{1, {1, 2}});
    test.simulation.run_for(5s);
    test.daemon(1).links.send(heartbeat(1, 2, 1));
    test.simulation.run_for(2s);
    test.start(DaemonSettings{2, {1, 2}});
    test.simulation.run_for(2s);
    EXPECT_TRUE(test.daemon(1).links.is_connected(VoterId(2)));
    EXPECT_TRUE(test.daemon(2).received.empty());
    EXPECT_EQ(test.daemon(1).links.counters().dropped, 1u);
    test.stop();
}

TEST(PeerLinks, DropWhatAPeerDoesNotTake) {
    Pair test;
    test.node(2).pause();
    for (int number = 0; number < 20; ++number) test.daemon(1).links.send(entries(1, 2, 1, 1 << 20));
    EXPECT_EQ(test.daemon(1).links.counters().sent, link_bytes_max / (1 << 20) - 1);
    EXPECT_EQ(test.daemon(1).links.counters().dropped, 20 - test.daemon(1).links.counters().sent);
    test.node(2).resume();
    test.simulation.run_for(5s);
    EXPECT_EQ(test.daemon(2).received.size(), test.daemon(1).links.counters().sent);
    test.stop();
}

TEST(PeerLinks, ConnectAgainAtOnceAfterAReset) {
    simulation::Options options;
    options.network.reset = simulation::one_in(20);
    Pair test(3, options);
    for (uint64_t number = 1; number <= 2000; ++number) {
        test.send(number);
        test.simulation.run_for(5ms);
    }
    test.simulation.end_faults();
    test.simulation.run_for(3s);
    test.send(2001);
    test.simulation.run_for(100ms);
    const std::vector<uint64_t> came = rounds(test.daemon(2).received);
    EXPECT_TRUE(std::is_sorted(came.begin(), came.end()));
    EXPECT_EQ(came.back(), 2001u);
    EXPECT_GT(came.size(), 1000u);
    EXPECT_LT(came.size(), 2001u);
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    EXPECT_TRUE(test.daemon(2).deaths.empty());
    test.stop();
}

TEST(PeerLinks, SeeAProcessDieThoughNothingIsSent) {
    Pair test;
    test.simulation.run_for(10s);
    const Instant killed = test.simulation.now();
    test.crash(2);
    ASSERT_TRUE(test.simulation.run_until([&] { return !test.daemon(1).deaths.empty(); }, 1s));
    EXPECT_EQ(test.daemon(1).deaths[0].id, 2);
    EXPECT_LT(test.simulation.now() - killed, 5ms);
    EXPECT_EQ(test.daemon(1).ended_nodes, std::vector<int32_t>{2});
    // It is said once, however long the process stays away, and again when the next one dies.
    test.simulation.run_for(30s);
    EXPECT_EQ(test.daemon(1).deaths.size(), 1u);
    test.start(2);
    test.simulation.run_for(3s);
    EXPECT_TRUE(test.are_connected());
    test.crash(2);
    test.simulation.run_for(10ms);
    EXPECT_EQ(test.daemon(1).deaths.size(), 2u);
    test.stop();
}

TEST(PeerLinks, SeeAProcessDieRightAfterItWasConnected) {
    for (uint64_t seed = 1; seed <= 30; ++seed) {
        Pair test(seed);
        test.crash(2);
        test.simulation.run_for(30ms);
        EXPECT_EQ(test.daemon(1).deaths.size(), 1u) << seed;
        test.stop();
    }
}

TEST(PeerLinks, APathThatIsCutIsNoDeath) {
    Pair test;
    test.simulation.run_for(5s);
    test.simulation.network().cut_both(test.node(1), test.node(2));
    for (uint64_t number = 0; number < 300; ++number) {
        test.send(number);
        test.simulation.run_for(100ms);
    }
    EXPECT_FALSE(test.are_connected()) << "a silent connection is given up";
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    EXPECT_TRUE(test.daemon(2).deaths.empty());
    test.simulation.network().heal_all();
    EXPECT_TRUE(test.simulation.run_until([&] { return test.are_connected(); }, 5s));
    test.simulation.run_for(1s);
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    test.stop();
}

TEST(PeerLinks, AMachineWithoutPowerIsNoDeathUntilItsPortRefuses) {
    Pair test;
    test.simulation.run_for(5s);
    test.crash(2, Crash::power_loss);
    test.simulation.run_for(60s);
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    test.start(2);
    EXPECT_TRUE(test.simulation.run_until([&] { return test.are_connected(); }, 5s));
    test.stop();
}

TEST(PeerLinks, AProcessThatStandsStillIsNoDeath) {
    Pair test;
    test.simulation.run_for(5s);
    test.node(2).pause();
    test.simulation.run_for(30s);
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    test.node(2).resume();
    EXPECT_TRUE(test.simulation.run_until([&] { return test.are_connected(); }, 5s));
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    test.stop();
}

TEST(PeerLinks, WhoWasNeverThereHasNotDied) {
    LinkTest test;
    test.node(2);  // the machine is
    test.start(DaemonSettings{1, {1, 2}});
    test.simulation.run_for(10s);
    EXPECT_TRUE(test.daemon(1).deaths.empty());
    EXPECT_EQ(test.daemon(1).links.last_error(VoterId(2)).code, ErrorCode::connection_refused);
    test.stop();
}

TEST(PeerLinks, WhoDoesNotKnowTheSecretIsNotConnected) {
    LinkTest test;
    test.start(DaemonSettings{1, {1, 2}});
    test.start(DaemonSettings{2, {1, 2}, "another"});
    test.simulation.run_for(5s);
    EXPECT_FALSE(test.daemon(1).links.is_connected(VoterId(2)));
    EXPECT_EQ(test.daemon(1).links.last_error(VoterId(2)).code, ErrorCode::authentication_failed);
    EXPECT_EQ(test.daemon(2).links.last_error(VoterId(1)).code, ErrorCode::authentication_failed);
    test.stop();
}

TEST(PeerLinks, ADaemonSpeaksForItselfAlone) {
    Pair test;
    test.daemon(1).links.send(heartbeat(3, 2, 1));
    test.daemon(1).links.send(heartbeat(1, 2, 2));
    test.simulation.run_for(100ms);
    EXPECT_EQ(rounds(test.daemon(2).received), std::vector<uint64_t>{2});
    ASSERT_EQ(test.daemon(2).refused.size(), 1u);
    EXPECT_EQ(test.daemon(2).refused[0].code, ErrorCode::permission_denied);
    test.stop();
}

TEST(PeerLinks, CallsGoToOneVoter) {
    Pair test;
    auto call = [&](int32_t to) {
        flatbuffers::FlatBufferBuilder builder;
        rpc::Metadata request = rpc::finish(builder, wire::CreateVoterStateRequest(builder));
        return test.node(1).run(test.daemon(1).links.call(VoterId(to), rpc::Method::voter_state, std::move(request), {},
                                                          test.simulation.now() + 1s));
    };
    EXPECT_EQ(call(2).error.code, ErrorCode::invalid_request);  // that is what this daemon says
    EXPECT_EQ(call(2).delivery, rpc::Delivery::answered);
    EXPECT_EQ(call(1).error.code, ErrorCode::not_found);
    EXPECT_EQ(call(3).error.code, ErrorCode::not_found);
    test.stop();
}

TEST(PeerLinks, DieWithTheirProcessWhereverThatStands) {
    for (uint64_t seed = 1; seed <= 100; ++seed) {
        LinkTest test(seed);
        test.start_all(3);
        test.simulation.run_for(std::chrono::microseconds(seed * 37));
        for (uint64_t number = 0; number < 50; ++number) test.daemon(1).links.send(heartbeat(1, 2, number));
        test.simulation.run_for(std::chrono::microseconds(seed * 11));
        test.crash(1);
        test.crash(2, Crash::power_loss);
        test.simulation.run_for(1s);
        test.stop();
    }
}

}  // namespace
}  // namespace ironbark::peer
