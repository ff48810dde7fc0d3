#include "tests/simulation/random_stream.h"

#include <gtest/gtest.h>

namespace ironbark::simulation {
namespace {

TEST(RandomStream, DependsOnSeedAndName) {
    EXPECT_EQ(RandomStream(1, "disk").next(), RandomStream(1, "disk").next());
    EXPECT_NE(RandomStream(1, "disk").next(), RandomStream(2, "disk").next());
    EXPECT_NE(RandomStream(1, "disk").next(), RandomStream(1, "network").next());
}

TEST(RandomStream, StaysBelowItsBoundAndReachesAllOfIt) {
    RandomStream random(1, "test");
    std::vector<uint64_t> counts(10);
    for (int draw = 0; draw < 1000; ++draw) ++counts.at(random.below(10));
    for (uint64_t count : counts) EXPECT_GT(count, 50u);
}

TEST(RandomStream, GivesChancesTheirShare) {
    RandomStream random(1, "test");
    int hits = 0;
    for (int draw = 0; draw < 10'000; ++draw) hits += random.chance(one_in(10)) ? 1 : 0;
    EXPECT_NEAR(hits, 1000, 150);
    EXPECT_FALSE(random.chance(Chance{}));
}

TEST(RandomStream, DrawsOnceForEveryChance) {
    RandomStream off(1, "test");
    RandomStream on(1, "test");
    static_cast<void>(off.chance(Chance{}));
    static_cast<void>(on.chance(one_in(1)));
    EXPECT_EQ(off.next(), on.next());
}

TEST(RandomStream, DrawsExponentialsWithTheirMean) {
    RandomStream random(1, "test");
    uint64_t sum = 0;
    uint64_t above_twice = 0;
    for (int draw = 0; draw < 100'000; ++draw) {
        uint64_t value = random.exponential(1000);
        sum += value;
        above_twice += value > 2000 ? 1 : 0;
    }
    EXPECT_NEAR(static_cast<double>(sum) / 100'000, 1000, 20);
    EXPECT_NEAR(static_cast<double>(above_twice), 13'534, 500);  // e^-2 of them
}

}  // namespace
}  // namespace ironbark::simulation
