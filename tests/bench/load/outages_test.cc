#include "bench/load/outages.h"

#include <gtest/gtest.h>

namespace ironbark::bench {
namespace {

constexpr Nanoseconds ms = 1'000'000;

// Acknowledgements every `period`, from `from` on, before `to`.
void acknowledge(std::vector<Nanoseconds>& times, Nanoseconds from, Nanoseconds to, Nanoseconds period) {
    for (Nanoseconds time = from; time < to; time += period) times.push_back(time);
}

TEST(Outages, AreGapsFarLongerThanUsual) {
    std::vector<Nanoseconds> times;
    acknowledge(times, 1000 * ms, 2000 * ms, 5 * ms);  // the last one at 1995
    acknowledge(times, 2200 * ms, 3000 * ms, 5 * ms);
    const std::vector<Outage> outages = find_outages(2, times, 1000 * ms, 2995 * ms);
    ASSERT_EQ(outages.size(), 1u);
    EXPECT_EQ(outages[0].partition, 2u);
    EXPECT_EQ(outages[0].begin, 1995 * ms);
    EXPECT_EQ(outages[0].length, 205 * ms);
}

TEST(Outages, AreNotTheGapsOfASlowSchedule) {
    std::vector<Nanoseconds> times;
    acknowledge(times, 0, 10'000 * ms, 100 * ms);
    times.push_back(10'200 * ms);  // three times the usual pause, and no more
    EXPECT_TRUE(find_outages(0, times, 0, 10'200 * ms).empty());
    times.push_back(10'501 * ms);
    EXPECT_EQ(find_outages(0, times, 0, 10'501 * ms).size(), 1u);
}

TEST(Outages, AreLongerThanTwentyMilliseconds) {
    std::vector<Nanoseconds> times;
    acknowledge(times, 0, 1000 * ms, 2 * ms);
    times.push_back(998 * ms + 20 * ms);
    EXPECT_TRUE(find_outages(0, times, 0, times.back()).empty());
    times.push_back(times.back() + 21 * ms);
    EXPECT_EQ(find_outages(0, times, 0, times.back()).size(), 1u);
}

TEST(Outages, DoNotCountTheRecordsOfABatchAsManyAcknowledgements) {
    std::vector<Nanoseconds> times;
    for (Nanoseconds batch = 0; batch < 1000 * ms; batch += 30 * ms) {
        acknowledge(times, batch, batch + ms / 10, ms / 1000);  // a hundred in a tenth of a millisecond
    }
    EXPECT_TRUE(find_outages(0, times, 0, times.back()).empty());
}

TEST(Outages, BeginBeforeTheFirstAndEndAfterTheLastAcknowledgement) {
    std::vector<Nanoseconds> times{5 * ms};  // of the warm-up
    acknowledge(times, 300 * ms, 500 * ms, 5 * ms);
    const std::vector<Outage> outages = find_outages(0, times, 100 * ms, 1000 * ms);
    ASSERT_EQ(outages.size(), 2u);
    EXPECT_EQ(outages[0].begin, 100 * ms);
    EXPECT_EQ(outages[0].length, 200 * ms);
    EXPECT_EQ(outages[1].begin, 495 * ms);
    EXPECT_EQ(outages[1].length, 505 * ms);
    EXPECT_EQ(find_outages(0, {}, 100 * ms, 1000 * ms).size(), 1u);
}

}  // namespace
}  // namespace ironbark::bench
