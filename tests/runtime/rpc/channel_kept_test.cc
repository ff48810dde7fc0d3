// A channel that keeps itself connected, and what its observer is told.
#include <gtest/gtest.h>

#include "tests/runtime/rpc/channel_fixture.h"

namespace ironbark::rpc {
namespace {

struct Watcher : ChannelObserver {
    void connected() override { seen.push_back("connected"); }
    void ended(const Error&) override { seen.push_back("ended"); }
    void attempt_failed(const Error& error) override { seen.push_back(name(error.code)); }

    std::vector<std::string> seen;
};

struct KeptChannelTest : Watcher, ChannelTest {
    explicit KeptChannelTest(bool is_kept = true) : ChannelTest(options(this, is_kept)) {
        if (is_kept) program->channel.open();
    }
    static ChannelOptions options(Watcher* watcher, bool is_kept) {
        ChannelOptions options;
        options.keep_connected = is_kept;
        options.observer = watcher;
        return options;
    }
    Result<void> post(Text payload) {
        std::vector<BufferSlice> slices;
        slices.push_back(program->world.buffers.copy_of(payload));
        Metadata metadata = produce_request(payload.size());
        return program->channel.post(Method::produce, bytes_of(metadata), std::move(slices));
    }
};

using Seen = std::vector<std::string>;

TEST(KeptChannel, ConnectsWithoutBeingCalled) {
    KeptChannelTest test;
    test.simulation.run_for(100ms);
    EXPECT_TRUE(test.program->channel.is_connected());
    EXPECT_EQ(test.seen, Seen{"connected"});
}

TEST(KeptChannel, SeesWithinMillisecondsThatTheOtherProcessIsGone) {
    KeptChannelTest test;
    test.simulation.run_for(5s);
    test.broker_node.kill();
    test.simulation.run_for(3ms);
    EXPECT_EQ(test.seen, (Seen{"connected", "ended", "connection_refused"}));
}

TEST(KeptChannel, ConnectsAgainToAProcessThatWasStartedAgain) {
    KeptChannelTest test;
    test.simulation.run_for(5s);
    test.broker_node.kill();
    test.simulation.run_for(20s);
    EXPECT_GT(test.program->channel.counters().attempts_failed, 10u);
    test.start_broker();
    test.simulation.run_for(1100ms);
    EXPECT_TRUE(test.program->channel.is_connected());
    EXPECT_EQ(test.seen.back(), "connected");
}

TEST(KeptChannel, DoesNotTakeSilenceForAnEnd) {
    KeptChannelTest test;
    test.simulation.run_for(1s);
    test.simulation.network().cut_both(test.broker_node, test.client);
    test.simulation.run_for(20s);
    EXPECT_EQ(test.seen, Seen{"connected"});
}

TEST(KeptChannel, PostsOnlyWhereThereIsAConnection) {
    KeptChannelTest test;
    EXPECT_EQ(test.post(text("early")).error().code, ErrorCode::connection_closed);
    test.simulation.run_for(100ms);
    EXPECT_TRUE(test.post(text("a")).ok());
    EXPECT_TRUE(test.post(text("b")).ok());
    test.simulation.run_for(100ms);
    EXPECT_EQ(test.broker->handler.produced, (Seen{"a", "b"}));
    EXPECT_EQ(test.broker->handler.one_way, 2u);
}

TEST(KeptChannel, PostsNoMoreThanItMayHoldToWhoDoesNotRead) {
    KeptChannelTest test;
    test.simulation.run_for(100ms);
    test.broker_node.pause();
    size_t posted = 0;
    while (test.post(Text(1 << 20, 'p')).ok()) ++posted;
    EXPECT_EQ(posted, (ChannelOptions().bytes_max >> 20) - 1);
    EXPECT_EQ(test.post(text("more" + std::string(1 << 20, 'p'))).error().code, ErrorCode::queue_full);
    test.broker_node.resume();
    test.simulation.run_for(5s);
    EXPECT_EQ(test.broker->handler.produced.size(), posted);
    EXPECT_TRUE(test.post(text("again")).ok());
}

TEST(KeptChannel, AnotherChannelConnectsOnlyForACall) {
    KeptChannelTest test(false);
    test.simulation.run_for(1s);
    EXPECT_TRUE(test.seen.empty());
    EXPECT_TRUE(test.client.run(test.produce(text("a"))).ok());
    EXPECT_EQ(test.seen, Seen{"connected"});
    test.broker_node.kill();
    test.simulation.run_for(10s);
    EXPECT_EQ(test.seen, (Seen{"connected", "ended"}));
}

}  // namespace
}  // namespace ironbark::rpc
