// What a call becomes when the connection is cut, at each byte of it, and when either side dies.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "tests/runtime/rpc/channel_fixture.h"

namespace ironbark::rpc {
namespace {

constexpr size_t lost_payload_size = 300;

// How many bytes a handshake and one produce take, each way.
struct Sizes {
    size_t handshake_sent, handshake_received, all_sent, all_received;
};
Sizes measure() {
    ChannelTest test;
    Sizes sizes;
    sizes.handshake_sent = handshake_frame(1).size();
    EXPECT_TRUE(test.client.run(test.produce(Text(lost_payload_size, 'p'))).ok());
    sizes.all_sent = test.program->network.sent;
    sizes.all_received = test.program->network.received;
    std::vector<ReceivedFrame> answer = test.exchange_frames(handshake_frame(1), 1s);
    sizes.handshake_received = answer[0].header.frame_size();
    return sizes;
}

TEST(Channel, KnowsWhatWasSentWhereverTheRequestIsCut) {
    Sizes sizes = measure();
    for (bool is_silent : {false, true}) {
        for (size_t cut = 0; cut <= sizes.all_sent; ++cut) {
            ChannelTest test(one_attempt(), Cut{cut, SIZE_MAX, is_silent, true});
            CallResult result = test.client.run(test.produce(Text(lost_payload_size, 'p')));
            test.simulation.run_for(1s);
            size_t written = test.broker->handler.produced.size();
            // Cut right behind the handshake, too: the socket was given the request, and what it took is not known.
            Delivery expected = cut < sizes.handshake_sent ? Delivery::never_sent
                                : cut < sizes.all_sent     ? Delivery::unknown
                                                           : Delivery::answered;
            EXPECT_EQ(result.delivery, expected) << "cut after " << cut;
            EXPECT_EQ(written, cut == sizes.all_sent ? 1u : 0u) << "cut after " << cut;
            EXPECT_EQ(result.ok(), cut == sizes.all_sent);
            Outcome outcome = expected == Delivery::answered    ? Outcome::written
                              : expected == Delivery::unknown   ? Outcome::unknown
                                                                : Outcome::not_written;
            EXPECT_EQ(result.outcome, outcome) << "cut after " << cut;
        }
    }
}

TEST(Channel, KnowsWhatWasSentWhereverTheAnswerIsCut) {
    Sizes sizes = measure();
    for (size_t cut = 0; cut <= sizes.all_received; ++cut) {
        ChannelTest test(one_attempt(), Cut{SIZE_MAX, cut, false, true});
        CallResult result = test.client.run(test.produce(Text(lost_payload_size, 'p')));
        test.simulation.run_for(1s);
        // Cut right behind the handshake's answer, the request may have gone out already, or not.
        Delivery expected = cut < sizes.handshake_received    ? Delivery::never_sent
                            : cut == sizes.handshake_received ? result.delivery
                            : cut < sizes.all_received     ? Delivery::unknown
                                                           : Delivery::answered;
        EXPECT_EQ(result.delivery, expected) << "cut after " << cut;
        size_t written = test.broker->handler.produced.size();
        if (expected == Delivery::never_sent) { EXPECT_EQ(written, 0u); }
        if (expected == Delivery::answered) { EXPECT_EQ(written, 1u); }
        EXPECT_EQ(result.delivery == Delivery::answered, cut == sizes.all_received);
    }
}

TEST(Channel, SendsAgainWhatWasCertainlyNeverSent) {
    Sizes sizes = measure();
    for (size_t cut = 0; cut < sizes.handshake_sent; ++cut) {
        ChannelTest test({}, Cut{cut, SIZE_MAX, false, false});
        CallResult result = test.client.run(test.produce(Text(lost_payload_size, 'p')));
        EXPECT_TRUE(result.ok());
        EXPECT_EQ(test.broker->handler.produced.size(), 1u);
        EXPECT_EQ(test.program->network.connections, 2u);
    }
}

TEST(Channel, NeverWritesTwiceWhateverTheNetworkDoes) {
    std::map<Delivery, size_t> deliveries;
    for (uint64_t seed = 0; seed < 300; ++seed) {
        Options options;
        options.network.split = true;
        options.network.reset = simulation::one_in(60);
        options.network.delay = simulation::one_in(100);
        options.network.blackhole = seed % 3 == 0 ? simulation::one_in(200) : simulation::Chance{};
        ChannelTest test({}, no_cut, seed, options);
        for (int call = 0; call < 20; ++call) {
            test.simulation.after(call % 7 * 200ms, [&test, call] { test.begin_numbered(call); });
        }
        ASSERT_TRUE(test.simulation.run_until([&] { return test.finished.size() == 20; }, 100s)) << "seed " << seed;
        test.simulation.run_for(10s);
        for (size_t call = 0; call < 20; ++call) {
            const CallResult& result = *test.results[call];
            const std::vector<std::string>& produced = test.broker->handler.produced;
            auto times = std::count(produced.begin(), produced.end(), test.payloads[call]);
            if (result.delivery == Delivery::answered) { EXPECT_EQ(times, 1) << "seed " << seed; }
            if (result.delivery == Delivery::never_sent) { EXPECT_EQ(times, 0) << "seed " << seed; }
            EXPECT_LE(times, 1) << "seed " << seed;
            ++deliveries[result.delivery];
        }
    }
    EXPECT_GT(deliveries[Delivery::answered], 1000u);
    EXPECT_GT(deliveries[Delivery::unknown], 500u);
    EXPECT_GT(deliveries[Delivery::never_sent], 0u);
}

TEST(Channel, TakesBackACallWhoseDeadlineComesWhileItIsQueued) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce(text("first"))).ok());
    test.broker_node.pause();
    test.begin(test.produce(Text(4 << 20, 'p'), 30s));  // more than the connection takes unread
    test.simulation.run_for(100ms);
    CallResult result = test.client.run(test.produce(text("late"), 1s));
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::timed_out);
    test.broker_node.resume();
    EXPECT_TRUE(test.client.run(test.produce(text("last"))).ok());
    std::vector<std::string> expected{"first", std::string(4 << 20, 'p'), "last"};
    EXPECT_TRUE(test.broker->handler.produced == expected);
    EXPECT_TRUE(test.results[0]->ok());
}

TEST(Channel, GivesUpASilentConnectionAlsoWhenEachCallIsShort) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce(text("first"))).ok());
    test.simulation.network().cut(test.broker_node, test.client);
    for (int call = 0; call < 12; ++call) EXPECT_FALSE(test.client.run(test.produce(text("lost"), 1s)).ok());
    EXPECT_FALSE(test.program->channel.is_connected());
    test.simulation.network().heal_all();
    EXPECT_TRUE(test.client.run(test.produce(text("again"))).ok());
}

// A fetch may wait at the broker for longer than a dead connection is kept.
TEST(Channel, KeepsAConnectionOnWhichALongPollWaits) {
    ChannelTest test;
    test.begin(test.fetch(60'000, 1, 100s));
    test.simulation.run_for(50s);
    test.broker_node.pause();
    EXPECT_FALSE(test.client.run(test.produce(text("late"), 1s)).ok());
    test.broker_node.resume();
    EXPECT_TRUE(test.simulation.run_until([&] { return test.finished.size() == 1; }, 100s));
    EXPECT_TRUE(test.results[0]->ok());
    EXPECT_EQ(test.program->channel.counters().connections, 1u);
}

Task<void> fetch_for_ever(TestClient* program) {
    while (true) {
        Instant deadline = program->world.executor.now() + 1s;
        CallResult result = co_await program->channel.call(Method::fetch, fetch_request(20, 100'000), {}, deadline);
        co_await sleep_for(program->world.executor, 1ms);
    }
}

TEST(Channel, DiesWithItsProcessWhereverThatStands) {
    for (uint64_t seed = 0; seed < 200; ++seed) {
        RpcTest test({}, seed);
        test.client.end();
        auto make = [](World& world) { return std::make_unique<TestClient>(world, ChannelOptions(), no_cut); };
        TestClient& program = test.client.start(make);
        for (int task = 0; task < 5; ++task) test.client.spawn(fetch_for_ever(&program));
        test.simulation.run_for(std::chrono::microseconds(seed * 321));
        test.client.kill();
        test.simulation.run_for(1s);
        EXPECT_EQ(test.broker->server.connections(), 0u);
        EXPECT_EQ(test.broker->server.memory_used(), 0u);
    }
}

TEST(Channel, OutlivesABrokerThatIsKilledAgainAndAgain) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        ChannelTest test({}, no_cut, seed);
        simulation::RandomStream random = test.simulation.stream("kills");
        size_t calls = 0;
        for (int kill = 0; kill < 10; ++kill) {
            for (int call = 0; call < 5; ++call, ++calls) test.begin(test.fetch(20, 100'000, 30s));
            test.simulation.run_for(std::chrono::microseconds(random.below(60'000)));
            test.broker_node.kill();
            test.simulation.run_for(std::chrono::microseconds(random.below(60'000)));
            test.start_broker();
        }
        EXPECT_TRUE(test.simulation.run_until([&] { return test.finished.size() == calls; }, 60s));
    }
}

}  // namespace
}  // namespace ironbark::rpc
