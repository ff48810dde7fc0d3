// The client library's producer and the real broker, in one simulated world: what the two make of each other's words.

#include <gmock/gmock.h>

#include "tests/broker/service/service_fixture.h"
#include "tests/client/engine_test.h"

namespace ironbark::broker {
namespace {

using client::ProducerProgram;
using testing::ElementsAre;

SERVICE_TESTS(ProducerAndBroker);

struct ProducerNode {
    ProducerNode(BrokerWorld& world, Acks acks) : simulation(world.simulation), node(simulation.node("producer")) {
        ironbark::Settings settings = client::test_settings();
        settings.bootstrap_servers = "server:9400";
        settings.acks = acks;
        program = &node.start([settings](World& its) { return std::make_unique<ProducerProgram>(its, settings); });
        program->engine.on_loss([this](const Loss& loss) { losses.push_back(loss); });
    }
    ~ProducerNode() {
        (void)node.run(client::stop_program(program, 10s));
        node.end();
    }
    // Sends a record and waits for what becomes of it.
    const ProducerProgram::Sent& send(const std::string& value) {
        size_t before = program->results.size();
        bool is_accepted = node.run(client::accept(program, "t", 0, value)).ok();
        bool is_resolved = simulation.run_until([&] { return program->results.size() > before; }, 600s);
        if (!is_accepted || !is_resolved) simulation.fail("a record is resolved");
        return program->results.back();
    }

    Simulation& simulation;
    Node& node;
    ProducerProgram* program = nullptr;
    std::vector<Loss> losses;
};

TEST_P(ProducerAndBroker, RecordsOfAMemoryLevelThatAKillTookAreReportedAndTheProducerGoesOn) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    ProducerNode producer(world(), Acks::leader);
    ASSERT_TRUE(producer.send("kept").receipt);
    world().produce(partition, make_batch(partition, {"synced"}), AckLevel::leader_durable);
    ASSERT_TRUE(producer.send("lost 1").receipt);
    world().produce(partition, make_batch(partition, {"of somebody else"}), AckLevel::leader);
    ASSERT_TRUE(producer.send("lost 2").receipt);
    world().lose_power();
    world().start();
    const ProducerProgram::Sent& next = producer.send("next");
    ASSERT_TRUE(next.receipt) << next.failure.to_string();
    EXPECT_EQ(next.receipt->offset, 2);
    ASSERT_EQ(producer.losses.size(), 1u);
    const Loss& loss = producer.losses[0];
    EXPECT_EQ(loss.topic, "t");
    EXPECT_EQ(loss.records, 2);
    EXPECT_EQ(loss.first_offset, 2);
    EXPECT_EQ(loss.last_offset, 4);
    EXPECT_EQ(loss.level, Acks::leader);
    EXPECT_FALSE(loss.is_final);
    EXPECT_FALSE(loss.is_fatal);
    ASSERT_TRUE(producer.send("and on").receipt);
    EXPECT_EQ(producer.losses.size(), 1u);
    EXPECT_EQ(world().read_all(partition, 0, Visibility::replicated), numbered({"kept", "synced", "next", "and on"}));
}

// In the memory of one broker, `isr` promises no more than `leader`: that is no reason to stop.
TEST_P(ProducerAndBroker, WithOneReplicaTheLossOfAnIsrRecordIsFinalAndNotFatal) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    ProducerNode producer(world(), Acks::isr);
    ASSERT_TRUE(producer.send("kept").receipt);
    world().produce(partition, make_batch(partition, {"synced"}), AckLevel::leader_durable);
    ASSERT_TRUE(producer.send("lost").receipt);
    world().lose_power();
    world().start();
    ASSERT_TRUE(producer.send("next").receipt);
    ASSERT_EQ(producer.losses.size(), 1u);
    EXPECT_EQ(producer.losses[0].level, Acks::isr);
    EXPECT_TRUE(producer.losses[0].is_final);
    EXPECT_FALSE(producer.losses[0].is_fatal);
    ASSERT_TRUE(producer.send("and on").receipt);
}

TEST_P(ProducerAndBroker, AProducerThatLostEverythingGoesOnUnderANewEpochAndIsToldSo) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    ProducerNode producer(world(), Acks::leader);
    ASSERT_TRUE(producer.send("lost 1").receipt);
    ASSERT_TRUE(producer.send("lost 2").receipt);
    world().kill();
    world().start();
    ASSERT_TRUE(producer.send("next").receipt);
    ASSERT_EQ(producer.losses.size(), 1u);
    EXPECT_EQ(producer.losses[0].records, 2);
    EXPECT_EQ(producer.losses[0].first_offset, 0);
    EXPECT_EQ(producer.losses[0].last_offset, 1);
    EXPECT_FALSE(producer.losses[0].is_final);
    EXPECT_EQ(world().read_all(partition, 0, Visibility::replicated), numbered({"next"}));
}

// A kill between the answer and the next record: the batch that was under way is repeated, not given up.
TEST_P(ProducerAndBroker, WhatWasUnderWayAtTheKillIsRepeatedBehindTheGap) {
    PartitionIdentity partition = world().make_topic("t", {.settings = {{"flush.interval.ms", "1h"}}});
    ProducerNode producer(world(), Acks::leader);
    ASSERT_TRUE(producer.send("kept").receipt);
    world().produce(partition, make_batch(partition, {"synced"}), AckLevel::leader_durable);
    ASSERT_TRUE(producer.send("lost").receipt);
    world().simulation.network().cut(world().server, producer.node);
    ASSERT_TRUE(producer.node.run(client::accept(producer.program, "t", 0, "under way")).ok());
    world().simulation.run_for(50ms);
    world().lose_power();
    world().simulation.network().heal_all();
    world().start();
    ASSERT_TRUE(producer.send("next").receipt);
    ASSERT_EQ(producer.losses.size(), 1u);
    EXPECT_EQ(producer.losses[0].records, 1);
    EXPECT_EQ(producer.losses[0].first_offset, 2);
    EXPECT_EQ(world().read_all(partition, 0, Visibility::replicated),
              numbered({"kept", "synced", "under way", "next"}));
}

}  // namespace
}  // namespace ironbark::broker
