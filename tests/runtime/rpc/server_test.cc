// What a server does for clients that behave, that are slow, and that are many.
#include "runtime/rpc/server.h"

#include <gtest/gtest.h>

#include <numeric>

#include "tests/runtime/rpc/test_broker.h"

namespace ironbark::rpc {
namespace {

using simulation::Options;

Text produce_frame(uint64_t correlation, const Text& payload) {
    return frame_of(Method::produce, correlation, produce_request(payload.size()), payload);
}
Text fetch_frame(uint64_t correlation, int32_t wait_ms, uint32_t bytes) {
    return frame_of(Method::fetch, correlation, fetch_request(wait_ms, bytes));
}

TEST(Server, ChoosesAProtocolAndSaysWhoItIs) {
    RpcTest test;
    std::vector<ReceivedFrame> answers = test.exchange_frames(handshake_frame(42), 1s);
    ASSERT_EQ(answers.size(), 1u);
    EXPECT_EQ(answers[0].header.correlation, 42u);
    Result<ServerDescription> server = read_handshake(answers[0].metadata);
    ASSERT_TRUE(server.ok());
    EXPECT_EQ(server->protocol, protocol_max);
    EXPECT_EQ(server->identity.cluster, Uuid::from_words(1, 2));
    EXPECT_EQ(server->identity.broker, BrokerId(5));
    EXPECT_EQ(server->identity.incarnation, Incarnation(9));
    EXPECT_EQ(server->identity.version, "1.2.3");
    EXPECT_EQ(server->identity.features, (std::vector<std::string>{"one", "two"}));
    EXPECT_EQ(test.broker->handler.last_client_name, "test");
    EXPECT_EQ(test.broker->handler.last_client_version, "0.1");
}

TEST(Server, StartsRequestsInTheOrderInWhichTheyCame) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        Options options;
        options.network.split = true;
        RpcTest test({}, seed, options);
        Text frames = handshake_frame(1);
        for (uint64_t number = 2; number <= 60; ++number) {
            frames = frames + produce_frame(number, Text(number * 37 % 900, 'p'));
        }
        std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 5s);
        ASSERT_EQ(answers.size(), 60u);
        std::vector<uint64_t> expected(60);
        std::iota(expected.begin(), expected.end(), 1);
        EXPECT_EQ(test.broker->handler.started, expected);
    }
}

TEST(Server, HandsOnPayloadsAsTheyWereSent) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Options options;
        options.network.split = true;
        RpcTest test({}, seed, options);
        simulation::RandomStream random = test.simulation.stream("payloads");
        Text frames = handshake_frame(1);
        std::vector<std::string> expected;
        for (uint64_t number = 2; number < 30; ++number) {
            Text payload(random.below(uint64_t{1} << random.below(19)), 0);
            for (uint8_t& byte : payload) byte = static_cast<uint8_t>(random.next());
            frames = frames + produce_frame(number, payload);
            expected.emplace_back(payload.begin(), payload.end());
        }
        test.exchange(frames, 60s);
        EXPECT_EQ(test.broker->handler.produced, expected);
    }
}

TEST(Server, LetsAnswersOvertake) {
    RpcTest test;
    Text frames = handshake_frame(1) + fetch_frame(2, 500, 10) + fetch_frame(3, 100, 10) + fetch_frame(4, 300, 10);
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 2s);
    ASSERT_EQ(answers.size(), 4u);
    EXPECT_EQ(answers[1].header.correlation, 3u);
    EXPECT_EQ(answers[2].header.correlation, 4u);
    EXPECT_EQ(answers[3].header.correlation, 2u);
    EXPECT_EQ(answers[3].payload, Text(10, 'f'));
}

TEST(Server, DoesNotAnswerOneWayRequests) {
    RpcTest test;
    Metadata metadata = produce_request(3);
    uint16_t produce = static_cast<uint16_t>(Method::produce);
    Text one_way = frame_of(produce, 2, bytes_of(metadata), as_bytes("abc"), flag_one_way);
    Text unknown = frame_of(999, 3, {}, {}, flag_one_way);
    Text frames = handshake_frame(1) + one_way + unknown + produce_frame(4, {});
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 1s);
    ASSERT_EQ(answers.size(), 2u);
    EXPECT_EQ(answers[1].header.correlation, 4u);
    EXPECT_EQ(test.broker->handler.produced[0], "abc");
    EXPECT_EQ(test.broker->handler.one_way, 1u);
}

TEST(Server, CountsWhatItDoes) {
    RpcTest test;
    Text frames = handshake_frame(1) + produce_frame(2, Text(100, 'p')) + produce_frame(3, {});
    std::string answer = test.exchange(frames, 1s);
    ServerCounters counters = test.counters();
    EXPECT_EQ(counters.requests[static_cast<size_t>(Method::produce)], 2u);
    EXPECT_EQ(counters.requests[static_cast<size_t>(Method::handshake)], 1u);
    EXPECT_EQ(counters.connections_accepted, 1u);
    EXPECT_EQ(counters.traffic.bytes_in, frames.size());
    EXPECT_EQ(counters.traffic.bytes_out, answer.size());
    EXPECT_EQ(test.refused(Refusal::peer_closed), 1u);
}

TEST(Server, RefusesAnAnswerThatDoesNotFitAFrame) {
    RpcTest test;
    Text frames = handshake_frame(1) + fetch_frame(2, 0, frame_size_max);
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 10s);
    ASSERT_EQ(answers.size(), 2u);
    ASSERT_TRUE(answers[1].header.has(flag_error));
    EXPECT_EQ(answers[1].error().code(), static_cast<int16_t>(ErrorCode::message_too_large));
}

TEST(Server, HasAtMostSoManyRequestsOfAConnectionInFlight) {
    ServerLimits limits;
    limits.requests_max = 4;
    RpcTest test(limits);
    test.broker->handler.released.reset();
    test.simulation.after(1s, [&] { EXPECT_EQ(test.broker->handler.running, 4u); });
    test.simulation.after(2s, [&] { test.broker->handler.released.set(); });
    Text frames = handshake_frame(1);
    for (uint64_t number = 2; number < 40; ++number) frames = frames + produce_frame(number, Text(50, 'p'));
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 5s);
    EXPECT_EQ(answers.size(), 39u);
    EXPECT_EQ(test.broker->handler.running_most, 4u);
}

ServerLimits little_memory() {
    ServerLimits limits;
    limits.frame_size_max = 64 << 10;
    limits.memory_bytes = 256 << 10;
    limits.connections_max = 16;
    return limits;
}

Task<void> produce_steadily(RpcTest* test, size_t size, size_t count, size_t* answered) {
    World* world = &test->client_world();
    Result<std::unique_ptr<Socket>> socket = co_await connect_to_broker(world);
    ASSERT(socket.ok());
    Text frames = handshake_frame(1);
    for (size_t number = 0; number < count; ++number) frames = frames + produce_frame(number + 2, Text(size, 'p'));
    ASSERT(co_await send_bytes(world, socket->get(), std::move(frames)));
    std::string answer = co_await read_to_end(world, socket->get(), 100s);
    *answered += frames_in(as_bytes(answer)).size() - 1;
}

TEST(Server, StopsReadingWhenMemoryIsShortAndDropsNothing) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
        RpcTest test(little_memory(), seed);
        test.broker->handler.released.reset();
        size_t answered = 0;
        for (size_t index = 0; index < 16; ++index) {
            // Sizes from a few bytes to the largest frame, so that every kind of block waits for every other.
            size_t size = index % 2 == 0 ? 60'000 : index * 1000;
            test.client.spawn(produce_steadily(&test, size, 20, &answered));
        }
        size_t most = 0;
        size_t buffers_most = 0;
        bool is_full = false;
        auto watch = [&] {
            most = std::max(most, test.broker->server.memory_used());
            buffers_most = std::max(buffers_most, test.broker_node.buffers().bytes_in_use());
            return answered == 16 * 20;
        };
        test.simulation.after(1s, [&] {
            is_full = test.broker->server.memory_used() > little_memory().memory_bytes / 2;
            test.broker->handler.released.set();
        });
        EXPECT_TRUE(test.simulation.run_until(watch, 200s)) << answered << " answered";
        EXPECT_TRUE(is_full);
        EXPECT_LE(most, little_memory().memory_bytes);
        // Besides what is received there are only the blocks that answers are sent from.
        EXPECT_LE(buffers_most, little_memory().memory_bytes + 16 * 2 * output_block_size);
        EXPECT_GT(test.broker->server.time_blocked_on_memory(), 0s);
    }
}

Task<void> hold_open(RpcTest* test, Text bytes, Duration patience, size_t* open) {
    World* world = &test->client_world();
    Result<std::unique_ptr<Socket>> socket = co_await connect_to_broker(world);
    if (!socket.ok()) co_return;
    ++*open;
    ASSERT(co_await send_bytes(world, socket->get(), std::move(bytes)));
    std::string answer = co_await read_to_end(world, socket->get(), patience);
    --*open;
}

TEST(Server, TurnsAwayConnectionsBeyondItsLimit) {
    ServerLimits limits;
    limits.connections_max = 3;
    RpcTest test(limits);
    size_t open = 0;
    for (int index = 0; index < 3; ++index) test.client.spawn(hold_open(&test, handshake_frame(1), 5s, &open));
    test.simulation.run_until([&] { return test.broker->server.connections() == 3; }, 1s);
    std::vector<ReceivedFrame> answers = test.exchange_frames(handshake_frame(1), 5s);
    ASSERT_EQ(answers.size(), 1u);
    ASSERT_TRUE(answers[0].header.has(flag_error));
    EXPECT_EQ(answers[0].error().code(), static_cast<int16_t>(ErrorCode::overloaded));
    EXPECT_EQ(test.refused(Refusal::connections_full), 1u);
    test.simulation.run_for(10s);
    EXPECT_EQ(test.exchange_frames(handshake_frame(1), 1s).size(), 1u);
}

TEST(Server, EndsAConnectionThatDoesNotIntroduceItself) {
    RpcTest test;
    Instant begin = test.simulation.now();
    EXPECT_EQ(test.exchange({}, 60s), "");
    EXPECT_GE(test.simulation.now() - begin, 10s);
    EXPECT_LT(test.simulation.now() - begin, 11s);
    EXPECT_EQ(test.refused(Refusal::handshake_timeout), 1u);
}

// Sends `bytes` one by one.
Task<void> drip(RpcTest* test, Text bytes, Duration pause, Instant* ended) {
    World* world = &test->client_world();
    Result<std::unique_ptr<Socket>> socket = co_await connect_to_broker(world);
    ASSERT(socket.ok());
    bool is_sent = co_await send_bytes(world, socket->get(), handshake_frame(1));
    for (size_t index = 0; index < bytes.size() && is_sent; ++index) {
        co_await sleep_for(world->executor, pause);
        Text byte(1, bytes[index]);
        is_sent = co_await send_bytes(world, socket->get(), std::move(byte));
    }
    *ended = world->executor.now();
    socket.value()->close();
}

TEST(Server, EndsAConnectionWhoseHeaderDripsIn) {
    RpcTest test;
    Instant begin = test.simulation.now();
    Instant ended{};
    test.client.run(drip(&test, produce_frame(2, {}), 1s, &ended));
    EXPECT_EQ(test.refused(Refusal::header_timeout), 1u);
    EXPECT_LT(ended - begin, 13s);
}

TEST(Server, EndsAConnectionWhoseBodyDripsIn) {
    RpcTest test;
    Instant begin = test.simulation.now();
    Instant ended{};
    test.client.run(drip(&test, produce_frame(2, Text(100'000, 'p')), 100ms, &ended));
    EXPECT_EQ(test.refused(Refusal::body_timeout), 1u);
    EXPECT_LT(ended - begin, 20s);
    EXPECT_EQ(test.broker->server.memory_used(), 0u);
}

TEST(Server, EndsAnIdleConnectionButNotOneThatWaits) {
    RpcTest test;
    size_t open = 0;
    Text waiting = handshake_frame(1) + fetch_frame(2, 1'500'000, 1);
    test.client.spawn(hold_open(&test, handshake_frame(1), std::chrono::hours(1), &open));
    test.client.spawn(hold_open(&test, waiting, std::chrono::hours(1), &open));
    test.simulation.run_for(std::chrono::minutes(9));
    EXPECT_EQ(open, 2u);
    test.simulation.run_for(std::chrono::minutes(2));
    EXPECT_EQ(open, 1u);
    EXPECT_EQ(test.refused(Refusal::idle), 1u);
    test.simulation.run_for(std::chrono::minutes(20));
    EXPECT_EQ(open, 1u);
    test.simulation.run_for(std::chrono::minutes(10));
    EXPECT_EQ(open, 0u);
    EXPECT_EQ(test.refused(Refusal::idle), 2u);
}

Task<void> ask_and_never_read(RpcTest* test, Text frames) {
    World* world = &test->client_world();
    Result<std::unique_ptr<Socket>> socket = co_await connect_to_broker(world);
    ASSERT(socket.ok());
    co_await send_bytes(world, socket->get(), std::move(frames));
    co_await sleep_for(world->executor, 600s);
    socket.value()->close();
}

TEST(Server, EndsAConnectionThatDoesNotReadItsAnswers) {
    RpcTest test;
    test.client.spawn(ask_and_never_read(&test, handshake_frame(1) + fetch_frame(2, 0, 8 << 20)));
    test.simulation.run_for(5s);
    EXPECT_EQ(test.broker->server.connections(), 1u);
    test.simulation.run_for(60s);
    EXPECT_EQ(test.broker->server.connections(), 0u);
    EXPECT_EQ(test.refused(Refusal::slow_reader), 1u);
}

TEST(Server, EndsAConnectionWhoseAnswersPileUp) {
    RpcTest test;
    Text frames = handshake_frame(1);
    for (uint64_t number = 2; number < 22; ++number) frames = frames + fetch_frame(number, 0, 8 << 20);
    test.client.spawn(ask_and_never_read(&test, frames));
    test.simulation.run_for(1s);
    EXPECT_EQ(test.refused(Refusal::slow_reader), 1u);
    EXPECT_EQ(test.broker->server.connections(), 0u);
    EXPECT_EQ(test.broker_node.buffers().bytes_in_use(), 0u);
}

TEST(Server, FinishesWhatRunsWhenItStops) {
    RpcTest test;
    test.broker->handler.released.reset();
    test.simulation.after(1s, [&] { test.broker_node.spawn(stop_orderly(test.broker)); });
    test.simulation.after(2s, [&] { test.broker->handler.released.set(); });
    Text frames = handshake_frame(1) + produce_frame(2, {}) + produce_frame(3, {});
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 60s);
    EXPECT_EQ(answers.size(), 3u);
    EXPECT_EQ(test.broker->handler.produced.size(), 2u);
    EXPECT_EQ(test.broker->server.connections(), 0u);
}

Task<std::string> produce_then_produce_again(RpcTest* test) {
    World* world = &test->client_world();
    Result<std::unique_ptr<Socket>> socket = co_await connect_to_broker(world);
    ASSERT(socket.ok());
    Text frames = handshake_frame(1) + produce_frame(2, {});
    co_await send_bytes(world, socket->get(), std::move(frames));
    co_await sleep_for(world->executor, 2s);
    frames = produce_frame(3, {});
    co_await send_bytes(world, socket->get(), std::move(frames));
    std::string answer = co_await read_to_end(world, socket->get(), 60s);
    co_return answer;
}

TEST(Server, RefusesWhatComesWhileItStops) {
    RpcTest test;
    test.broker->handler.released.reset();
    test.simulation.after(1s, [&] { test.broker_node.spawn(stop_orderly(test.broker)); });
    test.simulation.after(3s, [&] { test.broker->handler.released.set(); });
    std::string answer = test.client.run(produce_then_produce_again(&test));
    std::vector<ReceivedFrame> answers = frames_in(as_bytes(answer));
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[1].header.correlation, 3u);
    ASSERT_TRUE(answers[1].header.has(flag_error));
    EXPECT_EQ(answers[1].error().outcome(), wire::Outcome::not_written);
    EXPECT_EQ(answers[2].header.correlation, 2u);
    EXPECT_FALSE(answers[2].header.has(flag_error));
    EXPECT_EQ(test.broker->handler.produced.size(), 1u);
}

TEST(Server, ClosesConnectionsWhoseRequestsOutlastTheStop) {
    RpcTest test;
    size_t open = 0;
    test.client.spawn(hold_open(&test, handshake_frame(1) + fetch_frame(2, 60'000, 1), 600s, &open));
    test.simulation.run_for(1s);
    test.broker_node.spawn(stop_orderly(test.broker));
    test.simulation.run_for(7s);
    EXPECT_EQ(open, 0u);
    test.simulation.run_for(60s);
    EXPECT_EQ(test.broker->server.connections(), 0u);
    test.broker_node.end();
}

TEST(Server, ChecksThatItsLimitsFitEachOther) {
    EXPECT_TRUE(check(ServerLimits{}).ok());
    EXPECT_TRUE(check(little_memory()).ok());
    ServerLimits limits;
    limits.memory_bytes = 63 << 20;
    EXPECT_FALSE(check(limits).ok());
    limits = {};
    limits.connections_max = 10'000;
    EXPECT_FALSE(check(limits).ok());
    limits = {};
    limits.requests_max = 0;
    EXPECT_FALSE(check(limits).ok());
    limits = {};
    limits.frame_size_max = frame_size_max + 1;
    EXPECT_FALSE(check(limits).ok());
    limits = {};
    limits.backlog_bytes_max = 1 << 20;
    EXPECT_FALSE(check(limits).ok());
}

}  // namespace
}  // namespace ironbark::rpc
