#include "tools/produce_tally.h"

#include <gtest/gtest.h>

namespace ironbark::tools {
namespace {

Receipt receipt(int32_t partition, int64_t offset) {
    Receipt receipt;
    receipt.partition = partition;
    receipt.offset = offset;
    receipt.level = Acks::leader;
    return receipt;
}

Failure failure(ErrorCode code, Outcome outcome, const char* hint = "") {
    return {code, outcome, hint};
}

TEST(ProduceTally, CountsWhereRecordsWent) {
    ProduceTally tally;
    tally.note_answer(1, receipt(0, 10));
    tally.note_answer(2, receipt(1, 7));
    tally.note_answer(3, receipt(0, 11));
    EXPECT_EQ(tally.written(), 3u);
    EXPECT_EQ(tally.partitions().at(0).first, 10);
    EXPECT_EQ(tally.partitions().at(0).last, 11);
    EXPECT_EQ(tally.partitions().at(0).records, 2u);
    EXPECT_EQ(tally.partitions().at(1).last, 7);
    EXPECT_TRUE(tally.all_well());
    EXPECT_FALSE(tally.should_stop());
}

TEST(ProduceTally, CountsWhatIsWrittenNobodyKnowsWhere) {
    ProduceTally tally;
    tally.note_answer(1, receipt(0, -1));
    tally.note_answer(2, failure(ErrorCode::sequence_expired, Outcome::written));
    EXPECT_EQ(tally.written(), 2u);
    EXPECT_EQ(tally.partitions().at(0).first, -1);
    EXPECT_TRUE(tally.all_well());
}

TEST(ProduceTally, CallsNothingWrittenThatNobodyAcknowledged) {
    ProduceTally tally;
    Receipt silence = receipt(0, -1);
    silence.level = Acks::none;
    tally.note_answer(1, silence);
    tally.note_answer(2, receipt(0, 3));
    EXPECT_EQ(tally.unacknowledged(), 1u);
    EXPECT_EQ(tally.written(), 1u);
    EXPECT_EQ(tally.resolved(), 2u);
    EXPECT_TRUE(tally.all_well());
}

TEST(ProduceTally, TellsNotWrittenFromUnknown) {
    ProduceTally tally;
    tally.note_answer(5, failure(ErrorCode::timed_out, Outcome::unknown));
    tally.note_refusal(3, failure(ErrorCode::queue_full, Outcome::unknown));
    EXPECT_EQ(tally.unknown(), 1u);
    EXPECT_EQ(tally.not_written(), 1u);
    EXPECT_EQ(tally.first_failed_line(), 3u);
    EXPECT_FALSE(tally.all_well());
    EXPECT_TRUE(tally.should_stop());
}

TEST(ProduceTally, GoesOnBehindARecordThatIsToBlameItself) {
    ProduceTally tally;
    tally.note_refusal(1, failure(ErrorCode::message_too_large, Outcome::not_written));
    EXPECT_FALSE(tally.should_stop());
    EXPECT_FALSE(tally.all_well());
}

TEST(ProduceTally, ReportsFailuresOfOneKindOnce) {
    ProduceTally tally;
    for (uint64_t line = 100; line > 0; --line) {
        tally.note_answer(line, failure(ErrorCode::timed_out, Outcome::unknown, "the same"));
    }
    ASSERT_EQ(tally.failures().size(), 1u);
    EXPECT_EQ(tally.failures()[0].records, 100u);
    EXPECT_EQ(tally.failures()[0].first_line, 1u);
}

TEST(ProduceTally, KeepsABoundedNumberOfKinds) {
    ProduceTally tally;
    for (uint64_t line = 1; line <= 100; ++line) {
        tally.note_refusal(line,
                           failure(ErrorCode::message_too_large, Outcome::not_written, std::to_string(line).c_str()));
    }
    EXPECT_EQ(tally.failures().size(), ProduceTally::kinds_max);
    EXPECT_EQ(tally.not_written(), 100u);
}

TEST(ProduceTally, IsNotWellAfterALoss) {
    ProduceTally tally;
    tally.note_answer(1, receipt(0, 0));
    tally.note_loss({});
    EXPECT_FALSE(tally.all_well());
}

}  // namespace
}  // namespace ironbark::tools
