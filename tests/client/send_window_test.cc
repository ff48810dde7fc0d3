// Numbers, order, repetition, failures. Losses are in send_window_loss_test.cc.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/send_window_script.h"

namespace ironbark::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(SendWindow, NumbersRecordsAndSendsInOrder) {
    Script script;
    script.batch(10);
    script.batch(7);
    script.batch(1);
    EXPECT_EQ(script.send(), (Sent{1, 2, 3}));
    EXPECT_EQ(script.sequence(1), "1.0:0");
    EXPECT_EQ(script.sequence(2), "1.0:10");
    EXPECT_EQ(script.sequence(3), "1.0:17");
}

TEST(SendWindow, HasRoomForFiveUnresolvedBatches) {
    Script script;
    for (int count = 0; count < 5; ++count) {
        EXPECT_TRUE(script.window.has_room());
        script.batch();
        script.send();
    }
    EXPECT_FALSE(script.window.has_room());
    script.written(1);
    EXPECT_TRUE(script.window.has_room());
}

TEST(SendWindow, ResultsComeInOrder) {
    Script script;
    script.batch();
    script.batch();
    script.batch();
    script.send();
    script.written(2);
    script.written(3);
    EXPECT_THAT(script.take(), IsEmpty());
    script.written(1);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written", "3 written"));
}

TEST(SendWindow, ARetriableRefusalIsRepeatedAfterAPauseAndNothingOvertakes) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.refused(1, ErrorCode::not_leader_or_follower, Outcome::not_written, 100);
    script.refused(2, ErrorCode::out_of_order_sequence);
    EXPECT_FALSE(script.window.has_room());
    EXPECT_EQ(script.send(99), Sent{});
    EXPECT_EQ(script.send(100), Sent{1});  // 2 goes again when 1 is resolved
    script.written(1);
    EXPECT_EQ(script.send(100), Sent{2});
    script.written(2);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written"));
    EXPECT_EQ(script.sequence(2), "1.0:10");
}

TEST(SendWindow, AnUnknownOutcomeIsRepeatedWithTheSameSequence) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.connection_lost(1);
    script.connection_lost(2);
    EXPECT_EQ(script.send(), (Sent{1, 2}));
    EXPECT_EQ(script.sequence(1), "1.0:0");
    EXPECT_EQ(script.sequence(2), "1.0:10");
    script.written(1);
    script.written(2);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written"));
}

TEST(SendWindow, NotWrittenIsNotBelievedWhileAnEarlierAttemptIsOpen) {
    Script script;
    script.batch();
    script.send();
    script.connection_lost(1);
    script.send();
    script.refused(1, ErrorCode::policy_violation);
    EXPECT_THAT(script.take(), ElementsAre("1 unknown"));
}

TEST(SendWindow, WhatIsAcknowledgedProvesThatWhatCameBeforeWasWritten) {
    Script script;
    script.batch(10, 1000);
    script.batch();
    script.batch();
    script.send();
    script.connection_lost(1, 2000);
    script.written(2);
    script.written(3);
    EXPECT_THAT(script.take(), IsEmpty()) << "its own receipt says more, if it comes in time";
    script.expire(1000);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written", "3 written"));
    EXPECT_FALSE(script.window.needs_identity()) << "the numbers go on";
    EXPECT_EQ(script.kept[0]->receipt.level, Acks::leader);
    EXPECT_EQ(script.kept[0]->receipt.base_offset, -1);
    EXPECT_TRUE(script.kept[0]->receipt.duplicate);
}

TEST(SendWindow, AlsoIfItWasGivenUpBefore) {
    Script script;
    script.batch();
    script.batch(10, 1000);
    script.batch();
    script.send();
    script.connection_lost(2, 2000);
    script.expire(1000);
    script.written(3);
    EXPECT_THAT(script.take(), IsEmpty());
    script.written(1);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written", "3 written"));
}

TEST(SendWindow, WithoutAnAnswerNothingIsProven) {
    Script script;
    script.batch(10, 1000);
    script.batch();
    script.send();
    script.connection_lost(1, 2000);
    script.written(2, Acks::none, {});
    script.expire(1000);
    EXPECT_THAT(script.take(), ElementsAre("1 unknown", "2 written"));
}

TEST(SendWindow, AFinalRefusalIsNotWrittenAndTheNextBatchTakesItsNumber) {
    Script script;
    script.batch();
    script.batch();
    script.batch();
    script.send();
    script.refused(1, ErrorCode::invalid_record);
    EXPECT_THAT(script.take(), ElementsAre("1 not_written"));
    EXPECT_FALSE(script.window.has_room());
    EXPECT_EQ(script.send(), Sent{});  // 2 and 3 are still in flight with their old numbers
    script.refused(2, ErrorCode::out_of_order_sequence);
    script.refused(3, ErrorCode::out_of_order_sequence);
    EXPECT_FALSE(script.window.needs_identity());
    EXPECT_EQ(script.send(), (Sent{2, 3}));
    EXPECT_EQ(script.sequence(2), "1.0:0");
    EXPECT_EQ(script.sequence(3), "1.0:10");
}

TEST(SendWindow, AfterAFailureInTheMiddleEarlierBatchesKeepTheirNumbers) {
    Script script;
    script.batch();
    script.batch();
    script.batch();
    script.send();
    script.refused(2, ErrorCode::invalid_record);
    script.refused(3, ErrorCode::out_of_order_sequence);
    script.refused(1, ErrorCode::overloaded);
    EXPECT_THAT(script.take(), IsEmpty());
    EXPECT_EQ(script.send(), Sent{1});
    EXPECT_EQ(script.sequence(1), "1.0:0");
    script.written(1);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 not_written"));
    EXPECT_EQ(script.send(), Sent{3});
    EXPECT_EQ(script.sequence(3), "1.0:10");
}

TEST(SendWindow, TwoFailuresLeaveOneHole) {
    Script script;
    script.batch(10);
    script.batch(7);
    script.batch(3);
    script.send();
    script.refused(1, ErrorCode::invalid_record);
    script.refused(2, ErrorCode::invalid_record);
    script.refused(3, ErrorCode::out_of_order_sequence);
    EXPECT_THAT(script.take(), ElementsAre("1 not_written", "2 not_written"));
    EXPECT_EQ(script.send(), Sent{3});
    EXPECT_EQ(script.sequence(3), "1.0:0");
    script.batch(1);
    EXPECT_EQ(script.sequence(4), "1.0:3");
}

TEST(SendWindow, AHoleBehindWhichSomethingMayBeWrittenNeedsANewEpoch) {
    Script script;
    script.batch();
    script.batch();
    script.batch();
    script.send();
    script.refused(1, ErrorCode::invalid_record);
    script.connection_lost(2);
    script.refused(3, ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.send(), Sent{});
    ASSERT_TRUE(script.window.needs_identity());
    script.new_identity(1, 1);
    // 2 may be in the log: it is never sent under another epoch. 3 is not, for certain.
    EXPECT_THAT(script.take(), ElementsAre("1 not_written", "2 unknown"));
    EXPECT_EQ(script.send(), Sent{3});
    EXPECT_EQ(script.sequence(3), "1.1:0");
}

TEST(SendWindow, WhatIsUnknownAtItsDeadlineNeedsANewEpochForTheRest) {
    Script script;
    script.batch(10, 1000);
    script.batch(10, 2000);
    script.send();
    script.connection_lost(1, 1500);
    script.refused(2, ErrorCode::out_of_order_sequence);
    script.expire(1000);
    EXPECT_THAT(script.take(), ElementsAre("1 unknown"));
    ASSERT_TRUE(script.window.needs_identity());
    script.new_identity(1, 1);
    EXPECT_EQ(script.send(1000), Sent{2});
    EXPECT_EQ(script.sequence(2), "1.1:0");
}

TEST(SendWindow, WhatWasNeverTriedIsNotWrittenAtItsDeadline) {
    Script script;
    script.batch(10, 1000);
    script.send();
    script.refused(1, ErrorCode::connection_refused, Outcome::not_written, 5000);
    EXPECT_EQ(script.window.next_time(at(0)), at(1000));
    script.expire(999);
    EXPECT_THAT(script.take(), IsEmpty());
    script.expire(1000);
    EXPECT_THAT(script.take(), ElementsAre("1 not_written"));
    EXPECT_FALSE(script.window.needs_identity());
    script.batch();
    EXPECT_EQ(script.sequence(2), "1.0:0");
}

TEST(SendWindow, AForgottenProducerGoesOnUnderANewEpoch) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.batch();
    script.send();
    script.forgotten(2, true);
    EXPECT_FALSE(script.window.needs_identity());  // 3 is still in flight
    script.refused(3, ErrorCode::unknown_producer_id);
    ASSERT_TRUE(script.window.needs_identity());
    EXPECT_FALSE(script.window.must_change_id());
    script.new_identity(1, 1);
    EXPECT_EQ(script.send(), (Sent{2, 3}));
    EXPECT_EQ(script.sequence(2), "1.1:0");
    EXPECT_EQ(script.sequence(3), "1.1:10");
    EXPECT_EQ(script.loss(), "") << "its state may have expired";
}

TEST(SendWindow, UnknownProducerBehindAFirstBatchThatHasNotArrivedIsNoReasonForANewEpoch) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.connection_lost(1);
    script.refused(2, ErrorCode::unknown_producer_id);
    EXPECT_FALSE(script.window.needs_identity());
    EXPECT_EQ(script.send(), Sent{1});
    script.written(1);
    EXPECT_EQ(script.send(), Sent{2});
    EXPECT_EQ(script.sequence(2), "1.0:10");
}

TEST(SendWindow, AHigherEpochElsewhereMeansAnotherId) {
    Script script;
    script.batch();
    script.send();
    script.refused(1, ErrorCode::invalid_producer_epoch);
    ASSERT_TRUE(script.window.needs_identity());
    EXPECT_TRUE(script.window.must_change_id());
    script.new_identity(2, 0);
    EXPECT_EQ(script.send(), Sent{1});
    EXPECT_EQ(script.sequence(1), "2.0:0");
}

TEST(SendWindow, WrittenLongAgoIsWritten) {
    Script script;
    script.batch();
    script.send();
    script.connection_lost(1);
    script.send();
    script.refused(1, ErrorCode::sequence_expired, Outcome::written);
    EXPECT_THAT(script.take(), ElementsAre("1 written"));
    EXPECT_EQ(script.kept[0]->receipt.base_offset, -1);
    EXPECT_TRUE(script.kept[0]->receipt.duplicate);
    script.batch();
    EXPECT_EQ(script.sequence(2), "1.0:10");
}

TEST(SendWindow, SequencesWrap) {
    Script script;
    script.batch(INT32_MAX);
    script.batch(2);
    script.batch(3);
    EXPECT_EQ(script.sequence(2), "1.0:2147483647");
    EXPECT_EQ(script.sequence(3), "1.0:1");
}

TEST(SendWindow, WithoutIdempotenceNothingIsRepeatedThatMayBeWritten) {
    Script script(false, 1);
    script.batch();
    EXPECT_EQ(script.sequence(1), "-1.-1:-1");
    script.send();
    script.refused(1, ErrorCode::overloaded);
    EXPECT_EQ(script.send(), Sent{1});
    script.connection_lost(1);
    EXPECT_THAT(script.take(), ElementsAre("1 unknown"));
    EXPECT_TRUE(script.window.has_room());
    EXPECT_FALSE(script.window.needs_identity());
}

TEST(SendWindow, GivingUpLeavesWhatIsInFlight) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.connection_lost(2);
    script.window.give_up({ErrorCode::closed, Outcome::not_written, "closed"});
    script.collect();
    EXPECT_THAT(script.take(), IsEmpty());
    script.written(1);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 unknown"));
}

TEST(SendWindow, ANewLeaderEndsThePause) {
    Script script;
    script.batch();
    script.send();
    script.refused(1, ErrorCode::not_leader_or_follower, Outcome::not_written, 1000);
    EXPECT_EQ(script.send(1), Sent{});
    script.window.hasten();
    EXPECT_EQ(script.send(1), Sent{1});
}

TEST(SendWindow, APauseThatIsOverIsNoReasonToLookAgain) {
    Script script;
    script.batch();
    script.send();
    script.refused(1, ErrorCode::not_leader_or_follower, Outcome::not_written, 100);
    EXPECT_EQ(script.window.next_time(at(99)), at(100));
    EXPECT_EQ(script.window.next_time(at(100)), at(100'000)) << "its deadline: a full connection may let it wait";
}

TEST(SendWindow, NeedsAnIdentityBeforeItTakesAnything) {
    SendWindow window(true, 5);
    EXPECT_TRUE(window.needs_identity());
    EXPECT_FALSE(window.has_room());
}

}  // namespace
}  // namespace ironbark::client
