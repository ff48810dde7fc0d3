// What was acknowledged and is lost: how it is found out, and what becomes of the batch that found it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/client/send_window_script.h"

namespace ironbark::client {
namespace {

using testing::ElementsAre;

TEST(SendWindowLoss, AProducerThatIsForgottenSoonMayHaveLostWhatWasAcknowledged) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.send();
    script.forgotten(2, false);
    EXPECT_EQ(script.loss(), "10 records at 100..109, leader");
    ASSERT_TRUE(script.window.needs_identity());
    script.new_identity(1, 1);
    script.send();
    script.forgotten(2, false);
    EXPECT_EQ(script.loss(), "") << "nothing was acknowledged since";
}

// Its answer waits for the one before it, and is out of date by then.
TEST(SendWindowLoss, WhatWasWrittenBehindTheOneThatIsForgottenMayBeLostToo) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.written(2);
    script.connection_lost(1);
    script.send();
    script.forgotten(1, false);
    ASSERT_TRUE(script.window.needs_identity());
    script.new_identity(1, 1);
    EXPECT_THAT(script.take(), ElementsAre("1 unknown", "2 unknown"));
}

// It goes unsaid if the numbers begin anew, as they do after an outcome that stays unknown.
TEST(SendWindowLoss, WhatWasWrittenBehindTheOneThatIsGivenUpIsMissedByTheNext) {
    Script script;
    script.batch(10, 1000);
    script.batch();
    script.send();
    script.connection_lost(1, 2000);
    script.written(2);
    script.expire(1000);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written"));
    script.batch();
    script.send();
    script.expected(3, 0);
    EXPECT_EQ(script.send(), Sent{3});
    script.written(3);
    EXPECT_EQ(script.loss(), "20 records at -1..209, leader");
}

TEST(SendWindowLoss, OutOfOrderInAnswerToAnEarlierAttemptIsNoLoss) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.connection_lost(1);
    script.refused(2, ErrorCode::out_of_order_sequence);
    script.send();
    script.written(1);
    EXPECT_EQ(script.loss(), "");
    EXPECT_EQ(script.send(), Sent{2});
    script.written(2);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written"));
}

TEST(SendWindowLoss, OutOfOrderAfterEverythingBeforeWasResolvedIsALoss) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.written(1);
    script.written(2);
    script.batch();
    script.batch();
    script.send();
    script.expected(3, 17);
    script.expected(4, 17);
    EXPECT_EQ(script.loss(), "") << "told with the answer to the batch behind the gap";
    EXPECT_FALSE(script.window.has_room());
    EXPECT_EQ(script.send(), Sent{3});
    EXPECT_EQ(script.sequence(3), "1.0:20") << "the same number, and what it knows";
    EXPECT_EQ(script.entries[2]->gap_from, 17);
    script.written(3);
    EXPECT_EQ(script.loss(), "3 records at 207..209, leader");
    EXPECT_EQ(script.loss(), "") << "once";
    EXPECT_EQ(script.send(), Sent{4});
    EXPECT_EQ(script.entries[3]->gap_from, -1);
    script.written(4);
    EXPECT_FALSE(script.window.needs_identity());
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written", "3 written", "4 written"));
}

TEST(SendWindowLoss, ALossIsTheSameOneWhenItsBatchHasToBeRepeated) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.send();
    script.expected(2, 4);
    script.send();
    script.connection_lost(2);
    EXPECT_EQ(script.loss(), "");
    EXPECT_EQ(script.send(), Sent{2});
    EXPECT_EQ(script.entries[1]->gap_from, 4);
    script.expected(2, 1);  // the broker was killed once more
    EXPECT_EQ(script.send(), Sent{2});
    EXPECT_EQ(script.entries[1]->gap_from, 1);
    script.written(2);
    EXPECT_EQ(script.loss(), "9 records at 101..109, leader");
}

TEST(SendWindowLoss, WhatAnotherBrokerStillHasIsNotLost) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.send();
    script.expected(2, 4);
    script.send();
    script.expected(2, 10, 50);
    EXPECT_EQ(script.send(49), Sent{});
    EXPECT_EQ(script.send(50), Sent{2});
    EXPECT_EQ(script.entries[1]->gap_from, -1);
    script.written(2);
    EXPECT_EQ(script.loss(), "");
}

TEST(SendWindowLoss, AGapThatTheBrokerDoesNotConfirmIsNoLoss) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.send();
    script.expected(2, 4);
    script.send();
    Written found;  // an earlier attempt, behind everything
    found.duplicate = true;
    script.window.succeeded(*script.entries[1], found);
    EXPECT_EQ(script.loss(), "");
}

TEST(SendWindowLoss, ALossIsFinalIfEveryInSyncReplicaHasWhatStandsInItsPlace) {
    for (Acks level : {Acks::leader, Acks::leader_durable, Acks::isr, Acks::isr_durable}) {
        Script script;
        script.batch();
        script.send();
        script.written(1);
        script.batch();
        script.send();
        script.expected(2, 0);
        script.send();
        script.written(2, level);
        bool is_final = level == Acks::isr || level == Acks::isr_durable;
        EXPECT_EQ(script.loss(), std::string("10 records at 100..109, leader") + (is_final ? ", final" : ""));
    }
}

TEST(SendWindowLoss, TheLossOfAPromisedRecordIsFatal) {
    struct Case {
        Acks level;
        std::vector<int32_t> replicas;
        bool is_fatal;
    };
    for (const Case& kind :
         {Case{Acks::leader, {1}, false}, Case{Acks::leader_durable, {1}, false}, Case{Acks::isr, {1}, false},
          Case{Acks::isr, {1, 2}, true}, Case{Acks::isr_durable, {1}, true}}) {
        Script script;
        script.batch();
        script.send();
        script.written(1, kind.level, kind.replicas);
        script.batch();
        script.batch();
        script.send();
        script.take();
        script.expected(2, 5);
        if (!kind.is_fatal) {
            EXPECT_EQ(script.loss(), "") << name(kind.level);
            continue;
        }
        EXPECT_EQ(script.loss(), std::string("5 records at 105..109, ") + name(kind.level) + ", fatal");
        EXPECT_THAT(script.take(), ElementsAre("2 not_written"));
        script.expected(3, 5);
        script.window.give_up({ErrorCode::out_of_order_sequence, Outcome::not_written, "fatal"});
        script.collect();
        EXPECT_THAT(script.take(), ElementsAre("3 not_written"));
    }
}

TEST(SendWindowLoss, AFatalLossTakesWhatWasWrittenBehindItToo) {
    Script script;
    script.batch();
    script.send();
    script.written(1, Acks::isr_durable);
    script.batch();
    script.batch();
    script.send();
    script.written(3, Acks::isr_durable);
    script.connection_lost(2);
    script.take();
    EXPECT_EQ(script.send(), Sent{2});
    script.expected(2, 0);
    EXPECT_EQ(script.loss(), "10 records at 100..109, isr_durable, fatal");
    EXPECT_THAT(script.take(), ElementsAre("2 unknown", "3 unknown"));
}

TEST(SendWindowLoss, ABrokerThatDoesNotTellWhatItExpectsGetsANewEpoch) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.send();
    script.expected(2, -1);
    EXPECT_EQ(script.loss(), "-1 records at -1..109, leader");
    EXPECT_EQ(script.loss(), "");
    ASSERT_TRUE(script.window.needs_identity());
    script.new_identity(1, 1);
    EXPECT_EQ(script.send(), Sent{2});
    EXPECT_EQ(script.sequence(2), "1.1:0");
}

TEST(SendWindowLoss, ABrokerThatExpectsMoreThanWasEverSentGetsANewEpoch) {
    Script script;
    script.batch();
    script.send();
    script.expected(1, 5);
    EXPECT_EQ(script.loss(), "");
    EXPECT_TRUE(script.window.needs_identity());
}

TEST(SendWindowLoss, AGapIsFoundAgainByWhatTakesTheNumberOfABatchThatFailed) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch(10, 1000);
    script.send();
    script.expected(2, 6);
    script.expire(1000);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 not_written"));
    script.batch();
    EXPECT_EQ(script.send(), Sent{3});
    EXPECT_EQ(script.sequence(3), "1.0:10");
    EXPECT_EQ(script.entries[2]->gap_from, -1);
    script.expected(3, 6);
    script.send();
    script.written(3);
    EXPECT_EQ(script.loss(), "4 records at 106..109, leader");
}

}  // namespace
}  // namespace ironbark::client
