// Several brokers: leaders that move, brokers that die, addresses that lead nowhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/engine_test.h"

namespace ironbark::client {
namespace {

using testing::ElementsAre;

struct FailoverTest : ProducerTest {
    explicit FailoverTest(Settings settings = test_settings())
        : ProducerTest(settings),
          second_node(simulation.node("broker2")),
          second(second_node.start([this](World& world) { return std::make_unique<SecondBroker>(world, broker()); })) {
        Address address{"0.0.0.0", test_port};
        second_node.run(start(&second.server, address));
    }
    simulation::Node& second_node;
    SecondBroker& second;
};

TEST(Failover, TheLeaderThatARefusalNamesIsAskedAtOnce) {
    FailoverTest test;
    test.warm_up();
    test.move_leader(2);
    size_t asked_before = test.broker().requests[rpc::Method::metadata];
    Instant begun = test.simulation.now();
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_LT(test.simulation.now() - begun, 50ms);
    EXPECT_EQ(test.broker().requests[rpc::Method::metadata], asked_before + 1);  // only to be sure, in the background
    ASSERT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_EQ(test.program.results[1].receipt->leader_epoch, 2);
    EXPECT_EQ(test.second.broker.produces, 1u);
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_TRUE(test.close().ok());
}

TEST(Failover, WhenTheLeaderDiesTheOtherBrokerSaysWhoFollows) {
    FailoverTest test(two_addresses());
    // The topics live on the first broker: it is only cut off, which to its clients is the same.
    test.warm_up();
    test.simulation.network().isolate(test.broker_node);
    ASSERT_TRUE(test.send("x").ok());
    test.simulation.run_for(100ms);
    test.move_leader(2);
    ASSERT_TRUE(test.wait_for(2));
    ASSERT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_TRUE(test.close().ok());
}

// A machine that loses its power, or a path that is cut, ends no connection.
TEST(Failover, ALeaderThatFallsSilentIsLeftAsSoonAsAnotherLeads) {
    FailoverTest test(two_addresses());
    test.warm_up();
    test.simulation.network().isolate(test.broker_node);
    ASSERT_TRUE(test.send("x").ok());
    test.simulation.run_for(1600ms);
    test.move_leader(2);
    test.second.broker.remove_broker(1);
    const Instant moved = test.simulation.now();
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_LT(test.simulation.now() - moved, 500ms);
    ASSERT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_EQ(test.program.results[1].receipt->leader_epoch, 2);
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_TRUE(test.close().ok());
}

// A leader that waits for a silent follower is in doubt, too, and knows what has become of the silent one.
TEST(Failover, WhoOnlyWaitsForASilentBrokerIsAskedBeforeIt) {
    FailoverTest test(two_addresses());
    test.broker().find("t")->partitions[1].leader = 2;
    test.warm_up();
    ASSERT_TRUE(test.send("first", 1).ok());
    ASSERT_TRUE(test.wait_for(2));
    test.simulation.network().isolate(test.broker_node);
    test.second.broker.script({.delay = 10s});
    ASSERT_TRUE(test.send("x").ok());
    ASSERT_TRUE(test.send("y", 1).ok());
    test.simulation.run_for(1600ms);
    test.move_leader(2);
    const Instant moved = test.simulation.now();
    ASSERT_TRUE(test.wait_for(3));
    EXPECT_LT(test.simulation.now() - moved, 500ms);
    EXPECT_EQ(test.program.results[2].value, "x");
    ASSERT_TRUE(test.program.results[2].receipt.has_value());
    EXPECT_TRUE(test.close(30s).ok());
}

TEST(Failover, WhoIsSilentCostsAShareOfTheTimeAndIsAskedLastAfterwards) {
    FailoverTest test(two_addresses());
    test.simulation.network().isolate(test.broker_node);
    Router& router = test.program.router;
    for (const Duration most : {1100ms, 50ms}) {
        const Instant begun = test.simulation.now();
        const rpc::CallResult result = test.client_node.run(router.refresh_brokers(begun + 2s));
        EXPECT_TRUE(result.ok());
        EXPECT_LE(test.simulation.now() - begun, most);
    }
    EXPECT_TRUE(test.close().ok());
}

TEST(Failover, ALeaderThatIsNotReachedIsLeftAsSoonAsAnotherLeads) {
    Settings settings = test_settings();
    settings.bootstrap_servers = "broker2:9400,broker:9400";
    settings.enable_idempotence = false;  // or the controller, which is the same broker, would be asked for an id
    FailoverTest test(settings);
    test.simulation.network().isolate(test.broker_node);
    ASSERT_TRUE(test.send("x").ok());
    test.simulation.run_for(1600ms);
    test.move_leader(2);
    const Instant moved = test.simulation.now();
    ASSERT_TRUE(test.wait_for(1));
    EXPECT_LT(test.simulation.now() - moved, 1s);
    ASSERT_TRUE(test.program.results[0].receipt.has_value());
    EXPECT_TRUE(test.close().ok());
}

TEST(Failover, ASilentLeaderThatStillLeadsIsWaitedFor) {
    FailoverTest test(two_addresses());
    test.warm_up();
    test.simulation.network().isolate(test.broker_node);
    ASSERT_TRUE(test.send("x").ok());
    test.simulation.run_for(5s);
    const size_t asked = test.second.broker.requests[rpc::Method::metadata];
    EXPECT_GT(asked, 0u);
    EXPECT_LT(asked, 60u) << "not more often than every doubt_pause";
    EXPECT_EQ(test.program.results.size(), 1u);
    test.simulation.network().heal_all();
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_THAT(test.written(), ElementsAre("first", "x"));
    EXPECT_TRUE(test.close().ok());
}

TEST(Failover, ABootstrapAddressThatLeadsNowhereIsPassedOver) {
    Settings settings = test_settings();
    settings.bootstrap_servers = "no-such-host:9400,broker:9401,broker:9400";
    ProducerTest test(settings);
    test.warm_up();
    EXPECT_TRUE(test.close().ok());
}

TEST(Failover, AddressesOfWhichNoneIsRightFailAtOnce) {
    Settings settings = test_settings();
    settings.bootstrap_servers = "no-such-host:9400,neither-this:9400";
    ProducerTest test(settings);
    Instant begun = test.simulation.now();
    Expected<void> sent = test.send("x");
    ASSERT_FALSE(sent.ok());
    EXPECT_EQ(sent.error().code, ErrorCode::not_found);
    EXPECT_LT(test.simulation.now() - begun, 1s);
    EXPECT_TRUE(test.close().ok());
}

TEST(Failover, APartitionWithoutALeaderWaitsForOne) {
    FailoverTest test;
    test.warm_up();
    test.move_leader(-1);
    ASSERT_TRUE(test.send("x").ok());
    test.simulation.run_for(3s);
    EXPECT_EQ(test.program.results.size(), 1u);
    test.move_leader(2);
    ASSERT_TRUE(test.wait_for(2));
    EXPECT_TRUE(test.program.results[1].receipt.has_value());
    EXPECT_TRUE(test.close().ok());
}

}  // namespace
}  // namespace ironbark::client
