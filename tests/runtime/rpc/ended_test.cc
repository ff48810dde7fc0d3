// Whoever serves a session is told when its connection has ended.
#include <gtest/gtest.h>

#include "tests/runtime/rpc/channel_fixture.h"

namespace ironbark::rpc {
namespace {

using Numbers = std::vector<uint64_t>;

TEST(SessionEnd, IsToldOnceWhenTheClientIsGone) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce(text("a"))).ok());
    EXPECT_TRUE(test.broker->handler.ended_sessions.empty());
    test.client.run(test.program->channel.close());
    test.simulation.run_for(1ms);
    EXPECT_EQ(test.broker->handler.ended_sessions, Numbers{1});
}

TEST(SessionEnd, IsToldWhileARequestStillRuns) {
    ChannelTest test;
    test.broker->handler.released.reset();
    test.begin(test.produce(text("held")));
    test.simulation.run_for(100ms);
    test.client.run(test.program->channel.close());
    test.simulation.run_for(1ms);
    EXPECT_EQ(test.broker->handler.ended_sessions, Numbers{1});
    EXPECT_EQ(test.broker->handler.running, 1u);
    test.broker->handler.released.set();
    test.simulation.run_for(1s);
    EXPECT_EQ(test.broker->server.connections(), 0u);
    EXPECT_EQ(test.broker->handler.ended_sessions, Numbers{1});
}

TEST(SessionEnd, IsNotToldOfStrangers) {
    RpcTest test;
    test.exchange(frame_of(Method::metadata, 1, metadata_request()), 1s);
    test.exchange(text("GET / HTTP/1.1\r\n\r\n"), 1s);
    EXPECT_TRUE(test.broker->handler.ended_sessions.empty());
}

TEST(SessionEnd, IsToldWhenTheServerEndsIt) {
    RpcTest test;
    test.exchange(handshake_frame(1) + text("nonsense that is no frame of ours, and long enough"), 1s);
    EXPECT_EQ(test.broker->handler.ended_sessions, Numbers{1});
}

TEST(SessionEnd, IsToldWhenTheServerStops) {
    ChannelTest test;
    EXPECT_TRUE(test.client.run(test.produce(text("a"))).ok());
    test.broker_node.run(stop_orderly(test.broker));
    EXPECT_EQ(test.broker->handler.ended_sessions, Numbers{1});
}

}  // namespace
}  // namespace ironbark::rpc
