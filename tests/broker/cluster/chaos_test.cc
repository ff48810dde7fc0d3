// Whole clusters under every mishap that a seed draws.
//
//     IRONBARK_CLUSTER_SEEDS=1000 IRONBARK_CLUSTER_FIRST=1 cluster_test --gtest_filter=Chaos.*

#include "tests/broker/cluster/chaos.h"

#include <gtest/gtest.h>

#include "tests/broker/cluster/mishaps.h"

namespace ironbark::broker {
namespace {

TEST(Chaos, NeverMakesControllersDisagreeOrForget) {
    const uint64_t first = number_of("IRONBARK_CLUSTER_FIRST", 1);
    const uint64_t count = number_of("IRONBARK_CLUSTER_SEEDS", 40);
    ChaosCounts counts;
    for (uint64_t seed = first; seed < first + count; ++seed) counts.add(Chaos(seed).run());
    std::printf(
        "%llu seeds: %llu kills, %llu power losses, %llu stops, %llu pauses, %llu cuts; %llu terms; changes: "
        "%llu acknowledged, %llu refused, %llu unknown\n",
        static_cast<unsigned long long>(count), static_cast<unsigned long long>(counts.kills),
        static_cast<unsigned long long>(counts.power_losses), static_cast<unsigned long long>(counts.stops),
        static_cast<unsigned long long>(counts.pauses), static_cast<unsigned long long>(counts.cuts),
        static_cast<unsigned long long>(counts.terms), static_cast<unsigned long long>(counts.acknowledged),
        static_cast<unsigned long long>(counts.refused), static_cast<unsigned long long>(counts.unknown));
    EXPECT_GT(counts.acknowledged, count);
}

}  // namespace
}  // namespace ironbark::broker
