// What excuses a loss, and what does not: by scripts of a few events.

#include "tests/simulation/cluster/excuses.h"

#include <gtest/gtest.h>

namespace ironbark::simulation {
namespace {

const PartitionIdentity partition{Uuid::from_words(1, 2), PartitionIndex(0)};  // whose replicas may move
const PartitionIdentity still{Uuid::from_words(1, 3), PartitionIndex(0)};      // and one that keeps them

Told at_leader(int32_t epoch) {
    return {epoch, false, false, false};
}
Told on_leaders_disk(int32_t epoch) {
    return {epoch, true, false, false};
}
Told replicated(int32_t epoch) {
    return {epoch, false, true, false};
}

// Three replicas, of which two must be in sync; broker 1 leads in epoch 0.
struct Excused {
    Excused() : excuses(simulation, true, true) {
        excuses.has_replicas(partition, {0, {1, 2, 3}, 3, 2});
        excuses.leads(partition, 0, 1);
        sent = simulation.now();
        simulation.run_for(1s);
    }
    void crash(int32_t broker) {
        simulation.run_for(1s);
        excuses.broker_ended(broker, false);
    }
    bool is_excused(const Told& told) { return excuses.may_be_lost(partition, told, sent); }

    Simulation simulation{1};
    Excuses excuses;
    Instant sent;
};

TEST(Excuses, NothingIsLostWhileNothingHappens) {
    Excused world;
    EXPECT_FALSE(world.is_excused(at_leader(0)));
    EXPECT_FALSE(world.is_excused(replicated(0)));
}

TEST(Excuses, AMoveTakesNothing) {
    Excused world;
    world.excuses.leads(partition, 1, 2);
    EXPECT_FALSE(world.is_excused(at_leader(0)));
}

TEST(Excuses, AnAppointmentTakesWhatOnlyTheLeaderHad) {
    Excused world;
    world.crash(1);
    EXPECT_FALSE(world.is_excused(at_leader(0)));
    world.excuses.leads(partition, 2, 2);
    EXPECT_TRUE(world.is_excused(at_leader(0)));
    EXPECT_TRUE(world.is_excused(on_leaders_disk(0)));
    EXPECT_FALSE(world.is_excused(replicated(0)));
    EXPECT_FALSE(world.is_excused(at_leader(2)));
}

TEST(Excuses, WhatIsOnTheLeadersDiskStaysWhileNobodyElseLeads) {
    Excused world;
    world.crash(1);
    world.excuses.leads(partition, 2, 1);
    EXPECT_TRUE(world.is_excused(at_leader(0)));
    EXPECT_FALSE(world.is_excused(on_leaders_disk(0)));
    // Whom it was handed over to has it, too.
    world.excuses.leads(partition, 3, 3);
    world.excuses.leads(partition, 5, 3);
    EXPECT_FALSE(world.is_excused(on_leaders_disk(0)));
    world.excuses.leads(partition, 7, 2);
    EXPECT_TRUE(world.is_excused(on_leaders_disk(0)));
}

TEST(Excuses, WhoLedUnseenMayHaveLackedIt) {
    Excused world;
    world.excuses.leads(partition, 5, 1);
    EXPECT_TRUE(world.is_excused(on_leaders_disk(0)));
}

TEST(Excuses, TwoMemoriesMustBeLostAtOneTime) {
    Excused world;
    world.crash(1);
    world.excuses.leads(partition, 2, 2);
    world.simulation.run_for(1s);
    world.excuses.is_back_in_sync(partition, 1);
    world.crash(2);
    world.excuses.leads(partition, 4, 3);
    EXPECT_FALSE(world.is_excused(replicated(0)));
    world.crash(3);
    EXPECT_TRUE(world.is_excused(replicated(0)));
}

TEST(Excuses, WhatWasLostBeforeDoesNotCount) {
    Excused world;
    world.crash(1);
    world.excuses.leads(partition, 2, 2);
    world.simulation.run_for(1s);
    world.sent = world.simulation.now();
    world.crash(2);
    world.excuses.leads(partition, 4, 3);
    EXPECT_FALSE(world.is_excused(replicated(2)));
}

TEST(Excuses, WhatIsDurableStays) {
    Excused world;
    for (int32_t broker : {1, 2, 3}) world.crash(broker);
    world.excuses.leads(partition, 2, 2);
    EXPECT_FALSE(world.is_excused({0, true, true, true}));
}

TEST(Excuses, ADamagedReplicaHasLostMemoryAndDisk) {
    Excused world;
    world.simulation.run_for(1s);
    world.excuses.replica_damaged(partition, 1);
    EXPECT_FALSE(world.is_excused(replicated(0)));
    world.excuses.leads(partition, 2, 2);
    world.excuses.leads(partition, 4, 1);
    EXPECT_TRUE(world.is_excused(on_leaders_disk(0)));
    EXPECT_FALSE(world.is_excused(replicated(0)));
    world.crash(2);
    EXPECT_TRUE(world.is_excused(replicated(0)));
    EXPECT_FALSE(world.is_excused({0, true, true, true}));
}

TEST(Excuses, OfOneReplicaMemoryIsLostWithItsBroker) {
    Excused world;
    world.excuses.has_replicas(still, {0, {2}, 1, 1});
    world.excuses.leads(still, 1, 2);
    auto is_excused = [&] { return world.excuses.may_be_lost(still, at_leader(0), world.sent); };
    world.crash(1);
    EXPECT_FALSE(is_excused());
    world.excuses.broker_ended(2, true);
    EXPECT_FALSE(is_excused());
    world.crash(2);
    EXPECT_TRUE(is_excused());
    EXPECT_TRUE(world.excuses.is_single(still));
}

// ---- replicas that move --------------------------------------------------------------------------------------------

TEST(Excuses, WhereReplicasMoveOneDiskIsNotEveryDisk) {
    Excused world;
    world.excuses.has_replicas(partition, {1, {1}, 1, 1});
    EXPECT_FALSE(world.excuses.is_single(partition));
}

TEST(Excuses, AStartOfTheOnlyReplicaTakesItsMemory) {
    Excused world;
    world.excuses.has_replicas(partition, {1, {1}, 1, 1});
    world.excuses.broker_ended(1, true);
    world.excuses.leads(partition, 1, 1);
    EXPECT_FALSE(world.is_excused(at_leader(0)));
    world.crash(1);
    world.excuses.leads(partition, 2, 1);
    EXPECT_TRUE(world.is_excused(at_leader(0)));
    EXPECT_TRUE(world.is_excused(replicated(0)));
    EXPECT_FALSE(world.is_excused(on_leaders_disk(0)));
}

TEST(Excuses, WhoIsLetGoIsNotMissed) {
    Excused world;
    world.crash(3);
    world.excuses.has_replicas(partition, {1, {1, 2}, 2, 2});
    world.crash(1);
    world.excuses.leads(partition, 2, 2);
    EXPECT_FALSE(world.is_excused(replicated(0)));
    world.crash(3);  // it keeps nothing any more
    EXPECT_FALSE(world.is_excused(replicated(0)));
    world.crash(2);
    EXPECT_TRUE(world.is_excused(replicated(0)));
}

TEST(Excuses, WhoIsLetGoIsMissedWhileTooFewAreInSync) {
    Excused world;
    world.crash(3);
    world.excuses.has_replicas(partition, {1, {1, 2}, 1, 2});
    world.crash(1);
    world.excuses.leads(partition, 2, 2);
    EXPECT_TRUE(world.is_excused(replicated(0)));
}

TEST(Excuses, WhatIsOlderThanWhatIsKnownDoesNoHarm) {
    Excused world;
    world.excuses.has_replicas(partition, {2, {1, 2}, 2, 2});
    world.excuses.has_replicas(partition, {1, {1, 2, 3}, 3, 2});
    world.crash(1);
    world.crash(3);
    world.excuses.leads(partition, 2, 2);
    EXPECT_FALSE(world.is_excused(replicated(0)));
}

}  // namespace
}  // namespace ironbark::simulation
