// A leader's side of a planned move: what it promises, and when it may go on without it.

#include "broker/replication/planned_move.h"

#include <gtest/gtest.h>

namespace ironbark::broker {
namespace {

using Step = PlannedMove::Step;

struct MoveScript {
    PartitionRecord record;
    PlannedMove move;
    Instant now{1s};

    MoveScript() {
        record.leader = BrokerId(1);
        decide(-1);
    }
    // The record changes: this is the target now.
    void decide(int32_t target) {
        record.target = BrokerId(target);
        ++record.partition_epoch;
        move.take(record, now);
    }
    std::optional<Step> look(bool has_everything) { return move.next(has_everything, now); }
};

TEST(PlannedMove, WithoutOneTheLeaderGoesOn) {
    MoveScript script;
    EXPECT_FALSE(script.move.stops_appends());
    EXPECT_EQ(script.look(true), std::nullopt);
    EXPECT_EQ(script.move.due(), never);
}

TEST(PlannedMove, TheLeaderStopsAndPromisesOnce) {
    MoveScript script;
    script.decide(3);
    EXPECT_TRUE(script.move.stops_appends());
    EXPECT_EQ(script.look(false), std::nullopt);
    EXPECT_EQ(script.look(true), Step::hand_over);
    EXPECT_EQ(script.look(true), std::nullopt) << "it is told already";
    script.now += 10 * PlannedMove::patience;
    EXPECT_EQ(script.look(false), std::nullopt) << "a promise has no end of its own";
    EXPECT_TRUE(script.move.stops_appends());
    EXPECT_EQ(script.move.due(), never);
}

TEST(PlannedMove, OnlyTheRecordLetsALeaderGoOnThatHasPromised) {
    MoveScript script;
    script.decide(3);
    ASSERT_EQ(script.look(true), Step::hand_over);
    script.move.take(script.record, script.now);
    EXPECT_TRUE(script.move.stops_appends()) << "the same record once more says nothing";
    PartitionRecord older = script.record;
    --older.partition_epoch;
    older.target = BrokerId(-1);
    script.move.take(older, script.now);
    EXPECT_TRUE(script.move.stops_appends()) << "nor does an older one";
    script.decide(-1);
    EXPECT_FALSE(script.move.stops_appends());
}

TEST(PlannedMove, APromiseIsMadeAnewForAHigherPartitionEpoch) {
    MoveScript script;
    script.decide(3);
    ASSERT_EQ(script.look(true), Step::hand_over);
    script.decide(3);  // somebody else has left the in-sync set
    EXPECT_TRUE(script.move.stops_appends());
    EXPECT_EQ(script.look(false), std::nullopt);
    EXPECT_EQ(script.look(true), Step::hand_over);
}

TEST(PlannedMove, ATargetThatTakesTooLongIsGivenUp) {
    MoveScript script;
    script.decide(3);
    EXPECT_EQ(script.move.due(), script.now + PlannedMove::patience);
    script.now += PlannedMove::patience;
    EXPECT_EQ(script.look(false), Step::withdraw);
    EXPECT_FALSE(script.move.stops_appends()) << "it has promised nothing";
    EXPECT_EQ(script.look(true), std::nullopt) << "and promises nothing any more";
    script.decide(3);
    EXPECT_EQ(script.look(true), Step::withdraw) << "of the epoch that is current";
    script.decide(-1);
    script.decide(3);
    EXPECT_TRUE(script.move.stops_appends()) << "another move";
    EXPECT_EQ(script.look(true), Step::hand_over);
}

TEST(PlannedMove, WhatNobodyWasToldIsToldAgain) {
    MoveScript script;
    script.decide(3);
    ASSERT_EQ(script.look(true), Step::hand_over);
    script.move.untold();
    EXPECT_TRUE(script.move.stops_appends());
    EXPECT_EQ(script.look(true), Step::hand_over);
    script.move.untold();
    script.now += PlannedMove::patience;
    EXPECT_EQ(script.look(false), Step::withdraw) << "a promise that nobody has heard binds nobody";
    script.move.untold();
    EXPECT_EQ(script.look(false), Step::withdraw);
}

}  // namespace
}  // namespace ironbark::broker
