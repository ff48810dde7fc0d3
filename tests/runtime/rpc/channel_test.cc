#include "runtime/rpc/channel.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/runtime/rpc/channel_fixture.h"

namespace ironbark::rpc {
namespace {

TEST(Channel, ConnectsWhenItIsCalledAndAnswers) {
    ChannelTest test;
    EXPECT_FALSE(test.program->channel.is_connected());
    CallResult result = test.client.run(test.produce(Text(100, 'p')));
    ASSERT_TRUE(result.ok());
    EXPECT_EQ(result.delivery, Delivery::answered);
    EXPECT_EQ(result.outcome, Outcome::written);
    EXPECT_EQ(result.as<wire::ProduceResponse>().partitions()->Get(0)->base_offset(), 0);
    EXPECT_EQ(test.broker->handler.produced[0], std::string(100, 'p'));
    EXPECT_TRUE(test.program->channel.is_connected());
    EXPECT_EQ(test.program->introduction.server().identity.version, "1.2.3");
}

TEST(Channel, ReceivesPayloads) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Options options;
        options.network.split = true;
        ChannelTest test({}, no_cut, seed, options);
        for (uint32_t size : {0u, 1u, 70'000u, 3u, 200'000u}) {
            CallResult result = test.client.run(test.fetch(0, size));
            ASSERT_TRUE(result.ok());
            EXPECT_EQ(as_text(result.payload.bytes()), std::string(size, 'f'));
        }
    }
}

TEST(Channel, TellsTheHeadOfALargeAnswerWhileItsPayloadIsOnTheWay) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Options options;
        options.network.split = true;
        ChannelTest test({}, no_cut, seed, options);
        for (uint32_t size : {0u, 100u, 70'000u, 2'000'000u, 300'000u}) {
            std::vector<uint32_t> told;
            Preview preview = [&](Bytes metadata) {
                EXPECT_TRUE(test.finished.empty());
                const auto& response = *flatbuffers::GetRoot<wire::FetchResponse>(metadata.data());
                told.push_back(response.partitions()->Get(0)->payload_size());
            };
            test.results.clear();
            test.finished.clear();
            test.begin(test.program->channel.call(Method::fetch, fetch_request(0, size), {}, test.in(10s), preview));
            test.simulation.run_for(5s);
            ASSERT_TRUE(test.results[0] && test.results[0]->ok());
            EXPECT_EQ(as_text(test.results[0]->payload.bytes()), std::string(size, 'f'));
            EXPECT_LE(told.size(), size >= preview_payload_size_min ? 1u : 0u);
            for (uint32_t payload_size : told) EXPECT_EQ(payload_size, size);
            // What is larger than the network's window cannot have come in one piece.
            if (size > (1 << 20)) {
                EXPECT_EQ(told.size(), 1u);
            }
        }
    }
}

TEST(Channel, PipelinesCallsAndMatchesAnswersThatOvertake) {
    ChannelTest test;
    for (int32_t wait_ms : {400, 100, 300, 200}) test.begin(test.fetch(wait_ms, static_cast<uint32_t>(wait_ms)));
    test.simulation.run_for(1s);
    EXPECT_EQ(test.finished, (std::vector<size_t>{1, 3, 2, 0}));
    EXPECT_EQ(test.results[2]->payload.size, 300u);
    EXPECT_EQ(test.program->channel.counters().connections, 1u);
    EXPECT_EQ(test.broker->handler.running_most, 4u);
}

TEST(Channel, SendsCallsInTheOrderInWhichTheyWereMade) {
    ChannelTest test;
    for (char letter = 'a'; letter <= 'z'; ++letter) test.begin(test.produce(Text(1, static_cast<uint8_t>(letter))));
    test.simulation.run_for(1s);
    std::string letters;
    for (const std::string& payload : test.broker->handler.produced) letters += payload;
    EXPECT_EQ(letters, "abcdefghijklmnopqrstuvwxyz");
}

TEST(Channel, GivesTheErrorThatTheBrokerGave) {
    ChannelTest test;
    flatbuffers::FlatBufferBuilder builder;
    Metadata metadata = finish(builder, wire::CreateDescribeNodeRequest(builder));
    CallResult result = test.client.run(
        test.program->channel.call(Method::describe_node, std::move(metadata), {}, test.in(1s)));
    EXPECT_EQ(result.delivery, Delivery::answered);
    EXPECT_EQ(result.error.code, ErrorCode::invalid_request);
    EXPECT_EQ(result.outcome, Outcome::not_written);
    EXPECT_EQ(result.hint, "not in this test");
}

TEST(Channel, SendsOneWayMessages) {
    ChannelTest test;
    Result<void> sent = test.client.run(
        test.program->channel.send(Method::produce, produce_request(0), {}, test.in(1s)));
    EXPECT_TRUE(sent.ok());
    CallResult result = test.client.run(test.produce({}));
    EXPECT_TRUE(result.ok());
    EXPECT_EQ(test.broker->handler.one_way, 1u);
}

TEST(Channel, ConnectsAgainAfterTheBrokerWasKilled) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    test.broker_node.kill();
    test.simulation.run_for(1s);
    test.simulation.after(3s, [&] { test.start_broker(); });
    Instant begin = test.simulation.now();
    CallResult result = test.client.run(test.produce({}));
    EXPECT_TRUE(result.ok());
    // At most the longest pause after the broker is back.
    EXPECT_LT(test.simulation.now() - begin, 3s + 1100ms);
    EXPECT_EQ(test.program->channel.counters().connections, 2u);
}

TEST(Channel, WaitsLongerAndLongerBetweenAttempts) {
    ChannelTest test;
    test.broker_node.kill();
    CallResult result = test.client.run(test.produce({}, 20s));
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::connection_refused);
    size_t attempts = test.program->network.connections;
    // 10, 20, 40 ... 640 ms and then a second, or down to half of each.
    EXPECT_GE(attempts, 8u + 18u);
    EXPECT_LE(attempts, 8u + 40u);
}

TEST(Channel, DoesNotConnectWhenNobodyCalls) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    test.broker_node.kill();
    test.simulation.run_for(100s);
    EXPECT_EQ(test.program->network.connections, 1u);
}

TEST(Channel, GivesUpAfterAsManyAttemptsAsItIsTold) {
    ChannelOptions options;
    options.attempts_max = 3;
    ChannelTest test(options);
    test.broker_node.kill();
    CallResult result = test.client.run(test.produce({}));
    EXPECT_EQ(result.error.code, ErrorCode::connection_refused);
    EXPECT_EQ(test.program->network.connections, 3u);
}

TEST(Channel, EndsAtTheDeadlineWhenTheBrokerIsCutOff) {
    ChannelTest test;
    test.simulation.network().cut_both(test.client, test.broker_node);
    Instant begin = test.simulation.now();
    CallResult result = test.client.run(test.produce({}, 2s));
    EXPECT_EQ(test.simulation.now() - begin, 2s);
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::timed_out);
}

TEST(Channel, SaysUnknownAtTheDeadlineOfWhatWasSent) {
    ChannelTest test;
    test.broker->handler.released.reset();
    CallResult result = test.client.run(test.produce({}, 2s));
    EXPECT_EQ(result.delivery, Delivery::unknown);
    EXPECT_EQ(result.outcome, Outcome::unknown);
    EXPECT_EQ(result.error.code, ErrorCode::timed_out);
    // The late answer disturbs nobody.
    test.broker->handler.released.set();
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    EXPECT_EQ(test.program->channel.counters().connections, 1u);
}

TEST(Channel, DoesNotSendACallWhoseDeadlineHasPassed) {
    ChannelTest test;
    CallResult result = test.client.run(test.produce({}, -1s));
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    result = test.client.run(test.produce({}, 0s));
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(test.broker->handler.produced.size(), 1u);
}

TEST(Channel, LeavesAConnectionOnWhichNothingComes) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    test.broker_node.pause();
    EXPECT_EQ(test.client.run(test.produce({}, 11s)).delivery, Delivery::unknown);
    EXPECT_FALSE(test.program->channel.is_connected());
    test.broker_node.resume();
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    EXPECT_EQ(test.program->channel.counters().connections, 2u);
}

TEST(Channel, ClosesAConnectionThatIsNotUsedAndOpensAnother) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    test.simulation.run_for(std::chrono::minutes(4));
    EXPECT_TRUE(test.program->channel.is_connected());
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    test.simulation.run_for(std::chrono::minutes(4));
    EXPECT_TRUE(test.program->channel.is_connected());
    test.simulation.run_for(std::chrono::minutes(2));
    EXPECT_FALSE(test.program->channel.is_connected());
    EXPECT_TRUE(test.client.run(test.produce({})).ok());
    EXPECT_EQ(test.program->channel.counters().connections, 2u);
}

TEST(Channel, HasAtMostSoManyCallsInFlight) {
    ChannelOptions options;
    options.calls_max = 3;
    ChannelTest test(options);
    for (int call = 0; call < 10; ++call) test.begin(test.fetch(100, 1));
    test.simulation.run_for(5s);
    EXPECT_EQ(test.finished.size(), 10u);
    EXPECT_EQ(test.broker->handler.running_most, 3u);
}

TEST(Channel, HasAtMostSoManyBytesInFlight) {
    ChannelOptions options;
    options.bytes_max = 10'000;
    ChannelTest test(options);
    test.broker->handler.released.reset();
    for (int call = 0; call < 10; ++call) test.begin(test.produce(Text(3000, 'p'), 3s));
    test.simulation.run_for(1s);
    EXPECT_EQ(test.broker->handler.running, 3u);
    // Those that had to wait and whose time has passed were never sent.
    test.simulation.run_for(5s);
    EXPECT_EQ(std::count_if(test.results.begin(), test.results.end(),
                            [](const auto& result) { return result->delivery == Delivery::never_sent; }),
              7);
    test.broker->handler.released.set();
}

TEST(Channel, RefusesARequestThatFitsNoFrame) {
    ChannelTest test;
    CallResult result = test.client.run(test.produce(Text(frame_size_max, 'p')));
    EXPECT_EQ(result.error.code, ErrorCode::message_too_large);
    EXPECT_EQ(result.delivery, Delivery::never_sent);
}

TEST(Channel, EndsItsCallsWhenItIsClosed) {
    ChannelTest test;
    test.broker->handler.released.reset();
    test.begin(test.produce({}));
    test.simulation.run_for(1s);
    test.client.run(test.program->channel.close());
    ASSERT_EQ(test.finished.size(), 1u);
    EXPECT_EQ(test.results[0]->delivery, Delivery::unknown);
    EXPECT_EQ(test.results[0]->error.code, ErrorCode::closed);
    CallResult result = test.client.run(test.produce({}));
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::closed);
    test.broker->handler.released.set();
}

TEST(Channel, EndsCallsThatWaitForAConnectionWhenItIsClosed) {
    ChannelTest test;
    test.broker_node.kill();
    test.begin(test.produce({}, 100s));
    test.simulation.run_for(5s);
    test.client.run(test.program->channel.close());
    ASSERT_EQ(test.finished.size(), 1u);
    EXPECT_EQ(test.results[0]->delivery, Delivery::never_sent);
}

}  // namespace
}  // namespace ironbark::rpc
