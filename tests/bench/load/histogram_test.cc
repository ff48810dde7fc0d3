#include "bench/load/histogram.h"

#include <gtest/gtest.h>

namespace ironbark::bench {
namespace {

TEST(Histogram, KnowsSmallValuesExactly) {
    Histogram histogram;
    for (int64_t value = 0; value < 64; ++value) histogram.add(value);
    EXPECT_EQ(histogram.percentile(0.5), 31);
    EXPECT_EQ(histogram.percentile(1), 63);
    EXPECT_EQ(histogram.count(), 64u);
}

TEST(Histogram, IsWithinOneSixtyFourthOfTheTruthForAnyValue) {
    for (int64_t value = 1; value < int64_t{1} << 62; value += 1 + value / 7) {
        Histogram histogram;
        histogram.add(value);
        histogram.add(INT64_MAX);  // or the largest value would stand in for the end of its bucket
        const int64_t reported = histogram.percentile(0.5);
        EXPECT_GE(reported, value);
        EXPECT_LE(reported - value, value / 64);
    }
}

TEST(Histogram, ReportsTheLargestValueItself) {
    Histogram histogram;
    histogram.add(1'000'003);
    EXPECT_EQ(histogram.percentile(0.99), 1'000'003);
    EXPECT_EQ(histogram.max(), 1'000'003);
}

TEST(Histogram, MergedIsAsIfEverythingHadBeenAddedToOne) {
    Histogram odd, even, all;
    for (int64_t value = 0; value < 100'000; ++value) {
        (value % 2 == 0 ? even : odd).add(value);
        all.add(value);
    }
    odd.merge(even);
    EXPECT_EQ(odd.count(), all.count());
    EXPECT_EQ(odd.max(), all.max());
    for (double part : {0.0, 0.1, 0.5, 0.99, 1.0}) EXPECT_EQ(odd.percentile(part), all.percentile(part));
}

}  // namespace
}  // namespace ironbark::bench
