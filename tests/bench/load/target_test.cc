#include "bench/load/target.h"

#include <gtest/gtest.h>

#include "bench/load/measurement.h"

namespace ironbark::bench {
namespace {

TEST(Target, IsMetAtItsBoundAndOnTheRightSideOfIt) {
    const Target at_most{Target::Kind::at_most, 1.2};
    EXPECT_STREQ(at_most.verdict(1.2), "met");
    EXPECT_STREQ(at_most.verdict(1.1), "met");
    EXPECT_STREQ(at_most.verdict(1.201), "MISSED");
    const Target at_least{Target::Kind::at_least, 0.6};
    EXPECT_STREQ(at_least.verdict(0.6), "met");
    EXPECT_STREQ(at_least.verdict(0.7), "met");
    EXPECT_STREQ(at_least.verdict(0.599), "MISSED");
}

TEST(Target, SaysNothingWhereThereIsNone) {
    EXPECT_STREQ(Target{}.verdict(1000), "");
}

TEST(Target, MedianIsTheMiddleOrTheMeanOfTheTwoInTheMiddle) {
    EXPECT_EQ(median({3, 1, 2}), 2);
    EXPECT_EQ(median({4, 1, 100, 2}), 3);
    EXPECT_EQ(median({}), 0);
    EXPECT_EQ(mean({1, 2, 6}), 3);
}

TEST(Sample, IsComparedWithTheLimitOfItsOwnRound) {
    EXPECT_DOUBLE_EQ((Sample{.value = 150, .limit = 125}.ratio()), 1.2);
    EXPECT_EQ((Sample{.value = 150, .limit = 0}.ratio()), 0);
}

}  // namespace
}  // namespace ironbark::bench
