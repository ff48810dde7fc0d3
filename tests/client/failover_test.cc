// Several brokers: leaders that move, brokers that die, addresses that lead nowhere.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/engine_test.h"

namespace ironbark::client {
namespace {

using testing::ElementsAre;

struct SecondBroker {
    SecondBroker(World& world, FakeBroker& first) : broker(world, {"broker2", test_port}, 2), server(world, broker) {
        broker.share_topics(first);
        broker.add_broker(1, {"broker", test_port});
        first.add_broker(2, {"broker2", test_port});
    }
    FakeBroker broker;
    FakeServer server;
};

struct FailoverTest : ProducerTest {
    explicit FailoverTest(Settings settings = test_settings())
        : ProducerTest(settings),
          second_node(simulation.node("broker2")),
          second(second_node.start([this](World& world) { return std::make_unique<SecondBroker>(world, broker()); })) {
        Address address{"0.0.0.0", test_port};
        second_node.run(start(&second.server, address));
    }
    void move_leader(int32_t to) {
        FakePartition& partition = broker().find("t")->partitions[0];
        partition.leader = to;
        ++partition.epoch;
    }

    simulation::Node& second_node;
    SecondBroker& second;
};

Settings two_addresses() {
    Settings settings = test_settings();
    settings.bootstrap_servers = "broker:9400,broker2:9400";
    return settings;
}

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
