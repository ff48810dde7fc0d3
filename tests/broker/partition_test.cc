// What one replica does by itself. What several do together is in tests/broker/cluster.
#include "broker/partition/partition.h"

#include <gtest/gtest.h>

#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::broker {
namespace {

struct TwoReplicas {
    explicit TwoReplicas(World& world)
        : context{world, BrokerId(1), {}, [] {}},
          before(&context, {Uuid(), PartitionIndex(0)}, TopicSettings()),
          after(&context, {Uuid(), PartitionIndex(0)}, TopicSettings()) {}
    PartitionContext context;
    Partition before;
    Partition after;
};

// Followers' sessions outlive a partition that is replaced, and end their watches by number.
TEST(Partition, AWatchIsNotEndedByTheNumberOfAnotherPartitionsWatch) {
    simulation::Simulation simulation(1);
    TwoReplicas& replicas =
        simulation.node("n").start([](World& world) { return std::make_unique<TwoReplicas>(world); });
    const uint64_t old = replicas.before.watch([] {});
    int told = 0;
    const uint64_t present = replicas.after.watch([&told] { ++told; });
    replicas.after.unwatch(old);
    replicas.after.fail("of this test");
    EXPECT_EQ(told, 1);
    replicas.after.unwatch(present);
    replicas.after.fail("of this test");
    EXPECT_EQ(told, 1);
}

}  // namespace
}  // namespace ironbark::broker
