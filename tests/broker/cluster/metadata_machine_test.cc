#include "broker/control/metadata_machine.h"

#include <gtest/gtest.h>

namespace ironbark::broker {
namespace {

using consensus::LogIndex;

Command producer_block(int64_t first) {
    return allocate_producer_ids(first, 10);
}

TEST(MetadataMachine, RemembersWhatBecameOfACommand) {
    MetadataMachine machine;
    machine.apply(LogIndex(1), producer_block(0));
    machine.apply(LogIndex(2), producer_block(0));
    EXPECT_TRUE(machine.outcome_of(LogIndex(1)).ok());
    EXPECT_FALSE(machine.outcome_of(LogIndex(2)).ok()) << "these ids were given out";
    EXPECT_EQ(machine.state().version(), 1) << "what is refused changes nothing";
}

TEST(MetadataMachine, LeadsAFollowerOfTheMetadataFromWhereItIs) {
    MetadataMachine machine;
    Metadata follower;
    for (uint64_t index = 1; index <= 5; ++index) {
        machine.apply(LogIndex(index), producer_block(static_cast<int64_t>(index - 1) * 10));
        if (index == 2) follower = machine.state();
    }
    auto commands = machine.since(follower.version());
    ASSERT_TRUE(commands);
    EXPECT_EQ(commands->size(), 3u);
    for (const SharedCommand& command : *commands) EXPECT_TRUE(follower.apply(*command).ok());
    EXPECT_TRUE(follower == machine.state());
    EXPECT_EQ(machine.since(machine.state().version())->size(), 0u);
    EXPECT_FALSE(machine.since(6)) << "nobody is ahead";
    EXPECT_FALSE(machine.since(-1)) << "who knows nothing needs a snapshot";
}

TEST(MetadataMachine, AfterASnapshotOnlyWhatCameLaterIsRemembered) {
    MetadataMachine before;
    for (uint64_t index = 1; index <= 3; ++index) {
        before.apply(LogIndex(index), producer_block(static_cast<int64_t>(index - 1) * 10));
    }
    MetadataMachine machine;
    machine.clear();
    for (const Command& part : before.snapshot()) EXPECT_TRUE(machine.restore(part).ok());
    EXPECT_TRUE(machine.state() == before.state());
    EXPECT_FALSE(machine.since(2));
    machine.apply(LogIndex(9), producer_block(30));
    EXPECT_EQ(machine.since(3)->size(), 1u);
}

TEST(MetadataMachine, SnapshotsThatWereHandedOutDoNotChange) {
    MetadataMachine machine;
    const MetadataSnapshot empty = machine.current();
    machine.apply(LogIndex(1), producer_block(0));
    EXPECT_EQ(empty->version(), 0);
    EXPECT_EQ(machine.current()->version(), 1);
    EXPECT_EQ(machine.current(), machine.current());
}

}  // namespace
}  // namespace ironbark::broker
