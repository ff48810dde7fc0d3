#include "log/retention.h"

#include <gtest/gtest.h>

#include "tests/log/printing.h"

namespace ironbark::log {
namespace {

constexpr Offset no_limit{INT64_MAX};
constexpr Timestamp now{1'000'000};

// Three segments of ten records and 100 bytes, the youngest records 3000, 2000 and 1000 ms old; the last one is active.
std::vector<SegmentFacts> segments() {
    return {{Offset(0), Offset(10), 100, Timestamp(now.milliseconds - 3000), true},
            {Offset(10), Offset(20), 100, Timestamp(now.milliseconds - 2000), true},
            {Offset(20), Offset(30), 100, Timestamp(now.milliseconds - 1000), false}};
}

Offset start_by(RetentionLimits limits, Offset limit = no_limit) {
    return decide_retention(segments(), limits, now, limit).log_start;
}

TEST(Retention, WithoutLimitsRemovesNothing) { EXPECT_EQ(start_by({}), Offset(0)); }

TEST(Retention, BySizeRemovesTheOldestUntilTheRestFits) {
    EXPECT_EQ(start_by({.bytes = 300}), Offset(0));
    EXPECT_EQ(start_by({.bytes = 299}), Offset(10));
    EXPECT_EQ(start_by({.bytes = 200}), Offset(10));
    EXPECT_EQ(start_by({.bytes = 199}), Offset(20));
}

TEST(Retention, BySizeNeverRemovesTheActiveSegment) {
    EXPECT_EQ(start_by({.bytes = 0}), Offset(20));
    EXPECT_FALSE(decide_retention(segments(), {.bytes = 0}, now, no_limit).roll_active);
}

TEST(Retention, ByTimeRemovesWhatHasExpiredAsAWhole) {
    EXPECT_EQ(start_by({.milliseconds = 3000}), Offset(0)) << "exactly as old is not older";
    EXPECT_EQ(start_by({.milliseconds = 2999}), Offset(10));
    EXPECT_EQ(start_by({.milliseconds = 1999}), Offset(20));
}

TEST(Retention, ByTimeRemovesAnOldActiveSegmentToo) {
    RetentionVerdict verdict = decide_retention(segments(), {.milliseconds = 999}, now, no_limit);
    EXPECT_EQ(verdict.log_start, Offset(30));
    EXPECT_TRUE(verdict.roll_active);
}

TEST(Retention, LeavesAnActiveSegmentThatIsEmpty) {
    std::vector<SegmentFacts> facts = segments();
    facts.back().end = facts.back().base;
    RetentionVerdict verdict = decide_retention(facts, {.milliseconds = 0}, now, no_limit);
    EXPECT_EQ(verdict.log_start, Offset(20));
    EXPECT_FALSE(verdict.roll_active);
}

TEST(Retention, NeverRemovesRecordsAtOrBeyondTheLimit) {
    RetentionLimits all{.bytes = 0, .milliseconds = 0};
    EXPECT_EQ(start_by(all, Offset(0)), Offset(0));
    EXPECT_EQ(start_by(all, Offset(9)), Offset(0)) << "a segment goes as a whole";
    EXPECT_EQ(start_by(all, Offset(10)), Offset(10));
    EXPECT_EQ(start_by(all, Offset(29)), Offset(20));
    EXPECT_EQ(start_by(all, Offset(30)), Offset(30));
}

TEST(Retention, StopsAtTheFirstSegmentThatStays) {
    std::vector<SegmentFacts> facts = segments();
    facts[0].max_append_time = now;
    EXPECT_EQ(decide_retention(facts, {.milliseconds = 1500}, now, no_limit).log_start, Offset(0));
}

TEST(Retention, ByEitherLimitIsEnough) {
    EXPECT_EQ(start_by({.bytes = 250, .milliseconds = 1999}), Offset(20));
    EXPECT_EQ(start_by({.bytes = 150, .milliseconds = 2999}), Offset(20));
}

TEST(Retention, OfAbsurdLengthKeepsEverything) {
    EXPECT_EQ(start_by({.bytes = INT64_MAX, .milliseconds = INT64_MAX}), Offset(0));
}

TEST(Retention, KeepsRecordsOfAClockThatWasAhead) {
    std::vector<SegmentFacts> facts = segments();
    for (SegmentFacts& segment : facts) segment.max_append_time = Timestamp(now.milliseconds + 5000);
    EXPECT_EQ(decide_retention(facts, {.milliseconds = 0}, now, no_limit).log_start, Offset(0));
}

TEST(Retention, OfNoSegmentsHasNothingToDo) {
    EXPECT_EQ(decide_retention({}, {.bytes = 0, .milliseconds = 0}, now, no_limit).log_start, Offset(0));
}

}  // namespace
}  // namespace ironbark::log
