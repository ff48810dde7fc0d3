#include "runtime/rpc/channel.h"

#include <gtest/gtest.h>

#include <map>

#include "tests/runtime/rpc/cutting_network.h"
#include "tests/runtime/rpc/test_broker.h"

namespace ironbark::rpc {
namespace {

using simulation::Options;

// A client program: a channel to the test's broker, through a network that may cut it.
struct TestClient {
    TestClient(World& the_world, ChannelOptions options, Cut cut)
        : network(the_world.network, cut),
          world{the_world.executor, the_world.disk, network, the_world.random, the_world.buffers},
          introduction(ClientIdentity{"test", "0.1", {}}),
          channel(world, Address{"broker", test_port}, introduction, options) {}

    CuttingNetwork network;
    World world;
    Introduction introduction;
    Channel channel;
};

Text text(std::string_view characters) { return Text(characters.begin(), characters.end()); }

constexpr Cut no_cut{SIZE_MAX, SIZE_MAX, false, false};

struct ChannelTest : RpcTest {
    explicit ChannelTest(ChannelOptions options = {}, Cut cut = no_cut, uint64_t seed = 1, Options world_options = {})
        : RpcTest({}, seed, world_options) {
        client.end();
        program = &client.start([=](World& world) { return std::make_unique<TestClient>(world, options, cut); });
    }
    ~ChannelTest() {
        client.run(program->channel.close());
        client.end();
    }
    Instant in(Duration duration) const { return simulation.now() + duration; }
    Task<CallResult> produce(Text payload, Duration patience = 10s) {
        std::vector<BufferSlice> slices;
        slices.push_back(program->world.buffers.copy_of(payload));
        return program->channel.call(Method::produce, produce_request(payload.size()), std::move(slices), in(patience));
    }
    Task<CallResult> fetch(int32_t wait_ms, uint32_t bytes, Duration patience = 10s) {
        return program->channel.call(Method::fetch, fetch_request(wait_ms, bytes), {}, in(patience));
    }
    // Starts a call beside the script; its result appears in `results`.
    void begin(Task<CallResult> call) {
        results.emplace_back();
        client.spawn(keep(std::move(call), this, results.size() - 1));
    }
    void begin_numbered(int number) {
        payloads.push_back(std::to_string(number));
        begin(produce(text(payloads.back()), 5s));
    }
    static Task<void> keep(Task<CallResult> call, ChannelTest* test, size_t index) {
        CallResult result = co_await std::move(call);
        test->results[index] = std::move(result);
        test->finished.push_back(index);
    }

    TestClient* program;
    std::vector<std::optional<CallResult>> results;
    std::vector<std::string> payloads;  // of calls with a number, as in `results`
    std::vector<size_t> finished;  // indices of results, in the order of their coming
};

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

// ---- cutting ---------------------------------------------------------------------------------------------------------

constexpr size_t payload_size = 300;

ChannelOptions one_attempt() {
    ChannelOptions options;
    options.attempts_max = 1;
    return options;
}

// How many bytes a handshake and one produce take, each way.
struct Sizes {
    size_t handshake_sent, handshake_received, all_sent, all_received;
};
Sizes measure() {
    ChannelTest test;
    Sizes sizes;
    sizes.handshake_sent = handshake_frame(1).size();
    EXPECT_TRUE(test.client.run(test.produce(Text(payload_size, 'p'))).ok());
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
            CallResult result = test.client.run(test.produce(Text(payload_size, 'p')));
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
        CallResult result = test.client.run(test.produce(Text(payload_size, 'p')));
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
        CallResult result = test.client.run(test.produce(Text(payload_size, 'p')));
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

// ---- connecting ------------------------------------------------------------------------------------------------------

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

// ---- limits and ends -------------------------------------------------------------------------------------------------

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

// ---- the other side is not what it should be -------------------------------------------------------------------------

Task<void> receive_something(World* world, Socket* socket) {
    BufferSlice into(world->buffers.take(4096), 0, 4096);
    Result<size_t> count = co_await socket->receive(std::move(into));
    ASSERT(count.ok());
}

// Accepts one connection at the broker's address, answers the handshake with `greeting` and what comes then with
// `answer`, and waits for the end.
Task<void> impersonate(World* world, Text greeting, Text answer) {
    Address address{"0.0.0.0", test_port};
    Result<std::unique_ptr<Listener>> listener = co_await world->network.listen(std::move(address));
    ASSERT(listener.ok());
    Result<std::unique_ptr<Socket>> socket = co_await listener.value()->accept();
    ASSERT(socket.ok());
    co_await receive_something(world, socket->get());
    co_await send_bytes(world, socket->get(), std::move(greeting));
    if (!answer.empty()) {
        co_await receive_something(world, socket->get());
        co_await send_bytes(world, socket->get(), std::move(answer));
    }
    co_await read_to_end(world, socket->get(), 60s);
    listener.value()->close();
}

Text greeting(uint16_t protocol = protocol_max) {
    flatbuffers::FlatBufferBuilder builder;
    Metadata metadata = finish(builder, wire::CreateHandshakeResponse(builder, 0, protocol));
    return frame_of(static_cast<uint16_t>(Method::handshake), 1, bytes_of(metadata), {}, flag_response);
}

Text answer_frame(Method method, uint64_t correlation, const Metadata& metadata, uint16_t flags = 0, Bytes payload = {}) {
    uint16_t all_flags = static_cast<uint16_t>(flags | flag_response);
    return frame_of(static_cast<uint16_t>(method), correlation, bytes_of(metadata), payload, all_flags);
}

// What a produce becomes when the other side says this.
CallResult produce_to_impostor(Text greeting_bytes, Text answer) {
    ChannelTest test(one_attempt());
    test.broker_node.kill();
    test.broker_node.boot();
    test.broker_node.spawn(impersonate(&test.broker_node.world(), std::move(greeting_bytes), std::move(answer)));
    test.simulation.run_for(1ms);
    CallResult result = test.client.run(test.produce({}, 5s));
    test.client.run(test.program->channel.close());
    test.simulation.run_for(61s);
    return result;
}

void expect_hopeless(Text greeting_bytes, Refusal refusal) {
    CallResult result = produce_to_impostor(std::move(greeting_bytes), {});
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, error_of(refusal).code);
    EXPECT_EQ(result.hint, error_of(refusal).text);
}

void expect_unknown(Text answer, Refusal refusal) {
    CallResult result = produce_to_impostor(greeting(), std::move(answer));
    EXPECT_EQ(result.delivery, Delivery::unknown);
    EXPECT_EQ(result.error.code, error_of(refusal).code);
    EXPECT_EQ(result.hint, error_of(refusal).text);
}

TEST(Channel, RecognisesAPortThatIsNotABrokers) {
    expect_hopeless(text("HTTP/1.1 400 Bad Request\r\n\r\n"), Refusal::http);
    expect_hopeless(text("\x15\x03\x03 alert"), Refusal::tls);
    expect_hopeless(text("220 smtp.example.org"), Refusal::foreign);
}

TEST(Channel, RecognisesABrokerWithoutACommonVersion) {
    CallResult result = produce_to_impostor(greeting(0), {});
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::unsupported_version);
    result = produce_to_impostor(greeting(protocol_max + 1), {});
    EXPECT_EQ(result.error.code, ErrorCode::unsupported_version);
}

TEST(Channel, HearsWhyItsConnectionIsRefused) {
    Response full = error_response(error_of(Refusal::connections_full), Outcome::not_written);
    CallResult result = produce_to_impostor(answer_frame(Method::none, 0, full.metadata, flag_error), {});
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::overloaded);
}

TEST(Channel, EndsAConnectionWithAnswersThatCannotBe) {
    Metadata good = produce_response(0);
    Text altered = answer_frame(Method::produce, 2, good);
    altered.back() ^= 1;
    expect_unknown(altered, Refusal::checksum);
    Text large = answer_frame(Method::produce, 2, good);
    store_le<uint32_t>(large.data() + 4, UINT32_MAX);
    expect_unknown(large, Refusal::too_large);
    expect_unknown(answer_frame(Method::produce, 3, good), Refusal::direction);
    expect_unknown(answer_frame(Method::fetch, 2, good), Refusal::direction);
    expect_unknown(frame_of(Method::produce, 2, good), Refusal::direction);
    expect_unknown(answer_frame(Method::produce, 2, good, 0, as_bytes("payload")), Refusal::payload);
    expect_unknown(frame_of(static_cast<uint16_t>(Method::produce), 2, Text(40, 0xff), {}, flag_response), Refusal::metadata);
    expect_unknown(text("what is this, then?"), Refusal::foreign);
}

}  // namespace
}  // namespace ironbark::rpc
