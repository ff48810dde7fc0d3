// The checker's own books, by scripts of a few events. (What it concludes of whole runs, whole runs show.)

#include "tests/simulation/cluster/history.h"

#include <gtest/gtest.h>

namespace ironbark::simulation {
namespace {

const PartitionIdentity partition{Uuid::from_words(1, 2), PartitionIndex(0)};
constexpr uint64_t life = 1;

// One broker, and one idempotent producer that writes to one partition at level leader.
struct OneProducer {
    OneProducer() : excuses(simulation, false, true), history(simulation, &excuses, &atlas, Duration::max(), false) {}

    uint64_t write(int64_t offset, int32_t epoch) {
        SentRecord record;
        record.number = history.next_number();
        record.producer = life;
        record.is_ordered = true;
        record.partition = partition;
        record.asked = Acks::leader;
        const uint64_t number = record.number;
        history.send("producer", std::move(record));
        Receipt receipt;
        receipt.offset = offset;
        receipt.leader_epoch = epoch;
        receipt.level = Acks::leader;
        history.resolved("producer", number, receipt);
        simulation.run_for(1s);
        return number;
    }
    void crash() {
        history.broker_ended(1, false);
        simulation.run_for(1s);
    }
    void tell_loss(int64_t offset) {
        Loss loss;
        loss.records = 1;
        loss.first_offset = loss.last_offset = offset;
        loss.level = Acks::leader;
        history.lost("producer", life, partition, loss);
    }

    Simulation simulation{1};
    Excuses excuses;
    Atlas atlas;
    History history;
};

TEST(History, ALossThatNobodyIsToldOfIsFound) {
    OneProducer world;
    world.write(0, 1);
    world.crash();
    const uint64_t after = world.write(0, 2);
    EXPECT_DEATH(world.history.check_final(partition, 0, {{0, 2, after}}), "nobody said so");
}

TEST(History, ALossThatItsProducerIsToldOfIsNone) {
    OneProducer world;
    world.write(0, 1);
    world.crash();
    world.tell_loss(0);
    const uint64_t after = world.write(0, 2);
    world.history.check_final(partition, 0, {{0, 2, after}});
}

// Nobody knows whether the topic is there: what its broker says of the log meanwhile is true all the same.
TEST(History, WhatIsToldWhileATopicMayBeDeletedIsNotForgotten) {
    OneProducer world;
    world.write(0, 1);
    world.history.topic_may_go(partition.topic);
    world.crash();
    world.tell_loss(0);
    const uint64_t after = world.write(0, 2);
    world.history.topic_stands(partition.topic);
    world.history.check_final(partition, 0, {{0, 2, after}});
}

TEST(History, WhatIsAcknowledgedWhileATopicMayBeDeletedIsInItsLog) {
    OneProducer world;
    world.history.topic_may_go(partition.topic);
    world.write(0, 1);
    world.history.topic_stands(partition.topic);
    EXPECT_DEATH(world.history.check_final(partition, 0, {}), "the log ends at");
}

TEST(History, WhatWasDeletedForCertainDoesNotStand) {
    OneProducer world;
    world.history.topic_may_go(partition.topic);
    world.history.topic_deleted(partition.topic);
    EXPECT_DEATH(world.history.topic_stands(partition.topic), "was deleted");
}

}  // namespace
}  // namespace ironbark::simulation
