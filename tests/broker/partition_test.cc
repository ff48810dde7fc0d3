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

TEST(Partition, IsStirredOnceUntilItComesToRest) {
    simulation::Simulation simulation(1);
    TwoReplicas& replicas =
        simulation.node("n").start([](World& world) { return std::make_unique<TwoReplicas>(world); });
    EXPECT_EQ(replicas.context.stirred.size(), 2) << "each when it was made";
    replicas.context.stirred.clear();
    replicas.before.fail("of this test");
    EXPECT_TRUE(replicas.context.stirred.empty()) << "it is known to be stirred";
    replicas.before.come_to_rest();
    replicas.before.set_standing({0, true});
    replicas.before.fail("of this test");
    EXPECT_EQ(replicas.context.stirred.size(), 1);
}

}  // namespace
}  // namespace ironbark::broker
