// Scripts: what is sent, what is answered, what comes out. A batch has ten records unless it says otherwise; time is
// in milliseconds from 0.
#include "client/send_window.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace ironbark::client {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Instant at(int64_t milliseconds) {
    return Instant(std::chrono::milliseconds(milliseconds));
}

struct Script {
    explicit Script(bool is_idempotent = true, size_t unresolved_max = 5) : window(is_idempotent, unresolved_max) {
        if (is_idempotent) window.set_identity({ProducerId(1), ProducerEpoch(0)});
    }

    // Takes up a batch; its name is its number, from 1.
    void batch(int32_t records = 10, int64_t deadline = 100'000) {
        auto pending = std::make_unique<PendingBatch>();
        pending->records = records;
        entries.push_back(&window.admit(std::move(pending), at(deadline)));
    }
    // Sends what there is to send; says which batches, in order.
    std::vector<size_t> send(int64_t now = 0) {
        std::vector<size_t> sent;
        while (SendWindow::Entry* entry = window.next_to_send(at(now))) {
            entry->is_sealed = true;
            window.begin_attempt(*entry);
            sent.push_back(number_of(entry));
        }
        return sent;
    }
    void written(size_t number) {
        Written receipt;
        receipt.base_offset = static_cast<int64_t>(number) * 100;
        window.succeeded(*entries[number - 1], receipt);
        collect();
    }
    void refused(size_t number, ErrorCode code, Outcome outcome = Outcome::not_written, int64_t again = 0) {
        SendWindow::Refusal refusal;
        refusal.failure = {code, outcome, "refused"};
        refusal.may_be_repeated = is_retriable(code) || outcome == Outcome::unknown;
        window.refused(*entries[number - 1], refusal, at(again));
        collect();
    }
    void connection_lost(size_t number, int64_t again = 0) {
        refused(number, ErrorCode::connection_closed, Outcome::unknown, again);
    }
    void expire(int64_t now) {
        window.expire(at(now));
        collect();
    }
    void new_identity(int64_t id, int16_t epoch) {
        window.set_identity({ProducerId(id), ProducerEpoch(epoch)});
        collect();
    }
    std::string sequence(size_t number) const {
        const record::ProducerSequence& sequence = entries[number - 1]->sequence;
        return std::to_string(sequence.id.value) + "." + std::to_string(sequence.epoch.value) + ":" +
               std::to_string(sequence.base_sequence);
    }
    size_t number_of(const SendWindow::Entry* entry) const {
        for (size_t index = 0; index < entries.size(); ++index) {
            if (entries[index] == entry) return index + 1;
        }
        return 0;
    }
    void collect() {
        while (std::unique_ptr<SendWindow::Entry> entry = window.pop_resolved()) {
            std::string result = std::to_string(number_of(entry.get())) + " ";
            result += entry->state == SendWindow::State::written ? "written" : name(entry->failure.outcome);
            results.push_back(result);
            kept.push_back(std::move(entry));
        }
    }
    std::vector<std::string> take() { return std::exchange(results, {}); }

    SendWindow window;
    std::vector<SendWindow::Entry*> entries;
    std::vector<std::unique_ptr<SendWindow::Entry>> kept;
    std::vector<std::string> results;
};

using Sent = std::vector<size_t>;

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
    script.refused(2, ErrorCode::unknown_producer_id);
    EXPECT_FALSE(script.window.needs_identity());  // 3 is still in flight
    script.refused(3, ErrorCode::unknown_producer_id);
    ASSERT_TRUE(script.window.needs_identity());
    EXPECT_FALSE(script.window.must_change_id());
    script.new_identity(1, 1);
    EXPECT_EQ(script.send(), (Sent{2, 3}));
    EXPECT_EQ(script.sequence(2), "1.1:0");
    EXPECT_EQ(script.sequence(3), "1.1:10");
    EXPECT_FALSE(script.window.take_loss());
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

TEST(SendWindow, OutOfOrderInAnswerToAnEarlierAttemptIsNoLoss) {
    Script script;
    script.batch();
    script.batch();
    script.send();
    script.connection_lost(1);
    script.refused(2, ErrorCode::out_of_order_sequence);
    script.send();
    script.written(1);
    EXPECT_FALSE(script.window.take_loss());
    EXPECT_EQ(script.send(), Sent{2});
    script.written(2);
    EXPECT_THAT(script.take(), ElementsAre("1 written", "2 written"));
}

TEST(SendWindow, OutOfOrderAfterEverythingBeforeWasResolvedIsALoss) {
    Script script;
    script.batch();
    script.send();
    script.written(1);
    script.batch();
    script.send();
    script.refused(2, ErrorCode::out_of_order_sequence);
    EXPECT_TRUE(script.window.take_loss());
    EXPECT_FALSE(script.window.take_loss());
    ASSERT_TRUE(script.window.needs_identity());
    script.new_identity(1, 1);
    EXPECT_EQ(script.send(), Sent{2});
    EXPECT_EQ(script.sequence(2), "1.1:0");
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
