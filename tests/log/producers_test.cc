#include "log/producers.h"

#include <gtest/gtest.h>

#include "log/limits.h"
#include "tests/log/printing.h"

namespace ironbark::log {
namespace {

struct Sent {
    int32_t sequence = 0;
    int32_t count = 1;
    int64_t id = 7;
    int16_t epoch = 0;
    int32_t gap_from = -1;
};

record::BatchHeader batch(Sent sent) {
    record::BatchHeader header;
    header.producer_id = ProducerId(sent.id);
    header.producer_epoch = ProducerEpoch(sent.epoch);
    header.base_sequence = sent.sequence;
    header.last_offset_delta = sent.count - 1;
    return header;
}

class Script {
  public:
    // What becomes of a batch that is sent; one that is new is appended.
    ErrorCode send(Sent sent) {
        SequenceCheck check = producers.check(batch(sent), sent.gap_from);
        duplicate = check.duplicate;
        expected = check.expected;
        gap_from = check.gap_from;
        if (check.code == ErrorCode::none && !check.duplicate) append(sent);
        return check.code;
    }
    void append(Sent sent) {
        record::FrameView frame;
        frame.batch = batch(sent);
        frame.header.base_offset = end;
        frame.header.leader_epoch = Epoch(1);
        frame.header.append_time = Timestamp(++time);
        producers.apply(frame);
        end = frame.next_offset();
    }
    void restart() { producers = Producers::decode(producers.encode()).value(); }

    Producers producers;
    std::optional<RememberedBatch> duplicate;  // of the last send
    int32_t expected = 0;
    int32_t gap_from = -1;
    Offset end{100};
    int64_t time = 0;
};

constexpr ErrorCode is_new = ErrorCode::none;

TEST(Producers, AcceptBatchesInOrder) {
    Script script;
    EXPECT_EQ(script.send({.sequence = 0, .count = 3}), is_new);
    EXPECT_EQ(script.send({.sequence = 3, .count = 2}), is_new);
    EXPECT_EQ(script.send({.sequence = 5}), is_new);
    EXPECT_FALSE(script.duplicate);
    EXPECT_EQ(script.producers.last_sequence(ProducerId(7), ProducerEpoch(0)), 5);
    EXPECT_EQ(script.end, Offset(106));
}

TEST(Producers, GiveTheReceiptOfABatchThatIsSentAgain) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    script.send({.sequence = 3, .count = 2});
    EXPECT_EQ(script.send({.sequence = 0, .count = 3}), ErrorCode::none);
    ASSERT_TRUE(script.duplicate);
    EXPECT_EQ(script.duplicate->base, Offset(100));
    EXPECT_EQ(script.duplicate->last, Offset(102));
    EXPECT_EQ(script.duplicate->leader_epoch, Epoch(1));
    EXPECT_EQ(script.duplicate->append_time, Timestamp(1));
    EXPECT_EQ(script.end, Offset(105)) << "written once";
}

TEST(Producers, RememberFiveBatches) {
    Script script;
    for (int32_t sequence = 0; sequence < 7; ++sequence) EXPECT_EQ(script.send({.sequence = sequence}), is_new);
    for (int32_t sequence = 2; sequence < 7; ++sequence) {
        EXPECT_EQ(script.send({.sequence = sequence}), ErrorCode::none);
        ASSERT_TRUE(script.duplicate) << sequence;
        EXPECT_EQ(script.duplicate->base, Offset(100 + sequence));
    }
    EXPECT_EQ(script.send({.sequence = 1}), ErrorCode::sequence_expired) << "written, and nobody knows where";
}

TEST(Producers, RefuseAGapAndSayWhatIsExpected) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    EXPECT_EQ(script.send({.sequence = 4}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.expected, 3);
    EXPECT_EQ(script.send({.sequence = 3}), is_new);
}

TEST(Producers, AcceptABatchBehindAGapThatItsProducerKnowsOf) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    EXPECT_EQ(script.send({.sequence = 9, .gap_from = 2}), ErrorCode::out_of_order_sequence) << "it knows of another";
    EXPECT_EQ(script.send({.sequence = 9, .gap_from = 4}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.expected, 3);
    EXPECT_EQ(script.send({.sequence = 9, .count = 2, .gap_from = 3}), is_new);
    EXPECT_EQ(script.gap_from, 3);
    EXPECT_EQ(script.send({.sequence = 11}), is_new);
    EXPECT_EQ(script.gap_from, -1);
}

TEST(Producers, AcceptNothingBehindAGapThatIsNone) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    EXPECT_EQ(script.send({.sequence = 3, .gap_from = 3}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.send({.sequence = 3, .gap_from = 1}), ErrorCode::out_of_order_sequence)
        << "it was there after all";
    EXPECT_EQ(script.expected, 3);
    EXPECT_EQ(script.send({.sequence = 2, .gap_from = 3}), ErrorCode::out_of_order_sequence) << "that is no gap";
}

TEST(Producers, GiveTheReceiptOfABatchBehindAGapAgain) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    script.send({.sequence = 9, .gap_from = 3});
    script.restart();
    EXPECT_EQ(script.send({.sequence = 9, .gap_from = 3}), ErrorCode::none);
    ASSERT_TRUE(script.duplicate);
    EXPECT_EQ(script.gap_from, 3);
    // One that arrived late, before the gap was known, is answered alike.
    EXPECT_EQ(script.send({.sequence = 9}), ErrorCode::none);
    EXPECT_TRUE(script.duplicate);
    // And one whose gap is none: another broker had everything.
    script.send({.sequence = 10});
    EXPECT_EQ(script.send({.sequence = 10, .gap_from = 5}), ErrorCode::none);
    EXPECT_TRUE(script.duplicate);
    EXPECT_EQ(script.gap_from, -1);
}

TEST(Producers, TakeWhatWasLostForOutOfOrderIfItComesLate) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    script.send({.sequence = 9, .gap_from = 3});
    EXPECT_EQ(script.send({.sequence = 3, .count = 2}), ErrorCode::out_of_order_sequence);
}

TEST(Producers, InANewEpochExpectZeroBehindAGapToo) {
    Script script;
    script.send({.sequence = 0, .count = 10});
    EXPECT_EQ(script.send({.sequence = 4, .epoch = 1}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.expected, 0);
    EXPECT_EQ(script.send({.sequence = 4, .epoch = 1, .gap_from = 0}), is_new);
    EXPECT_EQ(script.gap_from, 0);
    EXPECT_EQ(script.send({.sequence = 4, .epoch = 1, .gap_from = 0}), ErrorCode::none);
    EXPECT_TRUE(script.duplicate);
    EXPECT_EQ(script.gap_from, 0);
    EXPECT_EQ(script.send({.sequence = 5, .id = 8, .gap_from = 0}), ErrorCode::unknown_producer_id);
}

TEST(Producers, KnowAGapAcrossTheEndOfTheNumbers) {
    Script script;
    script.append({.sequence = INT32_MAX - 1, .count = 1});
    EXPECT_EQ(script.send({.sequence = 1, .gap_from = INT32_MAX}), is_new);
    EXPECT_EQ(script.gap_from, INT32_MAX);
}

TEST(Producers, RefuseABatchThatOverlapsAnother) {
    Script script;
    script.send({.sequence = 0, .count = 3});
    script.send({.sequence = 3, .count = 3});
    EXPECT_EQ(script.send({.sequence = 3, .count = 2}), ErrorCode::out_of_order_sequence) << "cut differently";
    EXPECT_EQ(script.send({.sequence = 4, .count = 2}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.end, Offset(106));
}

TEST(Producers, OpenAnUnknownOneOnlyWithSequenceZero) {
    Script script;
    EXPECT_EQ(script.send({.sequence = 5}), ErrorCode::unknown_producer_id);
    EXPECT_EQ(script.send({.sequence = 0}), is_new);
}

TEST(Producers, BeginAgainWithAHigherEpoch) {
    Script script;
    script.send({.sequence = 0, .count = 10});
    EXPECT_EQ(script.send({.sequence = 10, .epoch = 1}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.send({.sequence = 0, .epoch = 1}), is_new);
    EXPECT_EQ(script.send({.sequence = 10, .epoch = 0}), ErrorCode::invalid_producer_epoch) << "of the one before";
    EXPECT_EQ(script.producers.last_sequence(ProducerId(7), ProducerEpoch(0)), std::nullopt);
    EXPECT_EQ(script.producers.last_sequence(ProducerId(7), ProducerEpoch(1)), 0);
}

TEST(Producers, CountOnFromZeroBehindTheHighestSequence) {
    Script script;
    script.append({.sequence = INT32_MAX - 1, .count = 2});
    EXPECT_EQ(script.send({.sequence = 0, .count = 2}), is_new);
    EXPECT_EQ(script.send({.sequence = 2}), is_new);
    EXPECT_EQ(script.send({.sequence = INT32_MAX - 1, .count = 2}), ErrorCode::none);
    EXPECT_TRUE(script.duplicate);
    EXPECT_EQ(script.send({.sequence = INT32_MAX - 5}), ErrorCode::sequence_expired);
    EXPECT_EQ(sequence_after(INT32_MAX, 1), 0);
    EXPECT_EQ(sequence_after(INT32_MAX - 1, 3), 1);
}

TEST(Producers, WrapInsideABatch) {
    Script script;
    script.append({.sequence = INT32_MAX, .count = 3});
    EXPECT_EQ(script.producers.last_sequence(ProducerId(7), ProducerEpoch(0)), 1);
    EXPECT_EQ(script.send({.sequence = 2}), is_new);
}

TEST(Producers, DoNotMixWithOneAnother) {
    Script script;
    script.send({.sequence = 0, .id = 7});
    EXPECT_EQ(script.send({.sequence = 1, .id = 8}), ErrorCode::unknown_producer_id);
    EXPECT_EQ(script.send({.sequence = 0, .id = 8}), is_new);
    EXPECT_EQ(script.send({.sequence = 1, .id = 7}), is_new);
    EXPECT_EQ(script.producers.size(), 2u);
}

TEST(Producers, AreNotFramesWithoutAnId) {
    Script script;
    script.append({.sequence = -1, .id = -1, .epoch = -1});
    EXPECT_EQ(script.producers.size(), 0u);
}

TEST(Producers, AreForgottenWhenTheyAreIdleForLong) {
    Script script;
    script.send({.sequence = 0, .id = 1});
    script.send({.sequence = 0, .id = 2});
    script.send({.sequence = 1, .id = 1});  // at time 3
    script.producers.expire(Timestamp(3));
    EXPECT_EQ(script.producers.size(), 1u);
    EXPECT_EQ(script.send({.sequence = 2, .id = 1}), is_new);
    EXPECT_EQ(script.send({.sequence = 1, .id = 2}), ErrorCode::unknown_producer_id);
}

TEST(Producers, BeyondTheLimitForgetWhoWasIdleLongest) {
    Script script;
    const auto most = static_cast<int64_t>(producers_per_partition_max);
    for (int64_t id = 0; id < most; ++id) script.append({.id = id});
    script.append({.sequence = 1, .id = 0});
    script.append({.id = most});
    EXPECT_EQ(script.producers.size(), producers_per_partition_max);
    EXPECT_TRUE(script.producers.last_sequence(ProducerId(0), ProducerEpoch(0)));
    EXPECT_FALSE(script.producers.last_sequence(ProducerId(1), ProducerEpoch(0)));
    EXPECT_TRUE(script.producers.last_sequence(ProducerId(most), ProducerEpoch(0)));
}

TEST(Producers, AreTheSameAfterARestart) {
    Script script;
    for (int32_t sequence = 0; sequence < 7; ++sequence) script.send({.sequence = sequence});
    script.send({.sequence = 0, .id = 8, .epoch = 3});
    script.restart();
    EXPECT_EQ(script.send({.sequence = 4}), ErrorCode::none);
    ASSERT_TRUE(script.duplicate);
    EXPECT_EQ(script.duplicate->base, Offset(104));
    EXPECT_EQ(script.send({.sequence = 1}), ErrorCode::sequence_expired);
    EXPECT_EQ(script.send({.sequence = 9}), ErrorCode::out_of_order_sequence);
    EXPECT_EQ(script.send({.sequence = 7}), is_new);
    EXPECT_EQ(script.send({.sequence = 1, .id = 8, .epoch = 3}), is_new);
}

}  // namespace
}  // namespace ironbark::log
