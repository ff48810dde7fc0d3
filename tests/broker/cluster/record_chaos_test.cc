// Replicated topics under every mishap that a seed draws.
//
//     IRONBARK_RECORD_SEEDS=1000 IRONBARK_RECORD_FIRST=1 cluster_test --gtest_filter=RecordChaos.*

#include "tests/broker/cluster/record_chaos.h"

#include <gtest/gtest.h>

#include "tests/broker/cluster/mishaps.h"

namespace ironbark::broker {
namespace {

TEST(RecordChaos, LosesNothingThatWasAcknowledged) {
    const uint64_t first = number_of("IRONBARK_RECORD_FIRST", 1);
    const uint64_t count = number_of("IRONBARK_RECORD_SEEDS", 40);
    RecordChaosCounts counts;
    for (uint64_t seed = first; seed < first + count; ++seed) counts.add(RecordChaos(seed).run());
    const auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf(
        "%llu seeds: %llu kills, %llu power losses, %llu stops, %llu pauses, %llu cuts; %llu of %llu "
        "moves made; %llu of %llu moves of replicas; %llu epochs; %llu pages rotten, %llu logs replaced; "
        "%llu acknowledged (%llu isr_durable), %llu duplicates, %llu refused, %llu unknown, %llu lost at weaker "
        "levels; "
        "%llu shown\n",
        number(count), number(counts.kills), number(counts.power_losses), number(counts.stops), number(counts.pauses),
        number(counts.cuts), number(counts.moved), number(counts.moves), number(counts.replicas_moved),
        number(counts.replica_moves), number(counts.epochs), number(counts.rotten), number(counts.mended),
        number(counts.acknowledged), number(counts.acknowledged_durable), number(counts.duplicates),
        number(counts.refused), number(counts.unknown), number(counts.lost_at_weaker_levels), number(counts.shown));
    EXPECT_GT(counts.acknowledged_durable, count);
    EXPECT_GT(counts.shown, count);
    EXPECT_GT(counts.moved, 0u);
    EXPECT_GT(counts.replicas_moved, 0u);
}

}  // namespace
}  // namespace ironbark::broker
