#include "tools/at_risk.h"

#include <gtest/gtest.h>

namespace ironbark::tools {
namespace {

PartitionDescription partition_of(std::vector<int64_t> durable_ends) {
    PartitionDescription partition;
    partition.log_start = 10;
    partition.log_end = 100;
    for (int64_t end : durable_ends) partition.replica_states.push_back({1, 100, end, 0});
    return partition;
}

TEST(AtRisk, IsWhatNoDiskHasAndWhatOneDiskHas) {
    EXPECT_EQ(at_risk(partition_of({100, 100, 100})).not_synced, 0);
    EXPECT_EQ(at_risk(partition_of({100, 100, 100})).on_one_disk, 0);
    EXPECT_EQ(at_risk(partition_of({90, 100, 80})).not_synced, 0);
    EXPECT_EQ(at_risk(partition_of({90, 100, 80})).on_one_disk, 10);
    EXPECT_EQ(at_risk(partition_of({95, 90})).not_synced, 5);
    EXPECT_EQ(at_risk(partition_of({95, 90})).on_one_disk, 10);
}

TEST(AtRisk, WithOneReplicaEverythingIsOnOneDisk) {
    EXPECT_EQ(at_risk(partition_of({100})).on_one_disk, 90);
    EXPECT_EQ(at_risk(partition_of({40})).not_synced, 60);
}

TEST(AtRisk, OfAReplicaThatHasSaidNothingNothingIsCounted) {
    EXPECT_EQ(at_risk(partition_of({100, -1, -1})).on_one_disk, 90);
}

TEST(AtRisk, IsNotKnownWithoutALeader) {
    EXPECT_FALSE(at_risk(partition_of({})).is_known());
}

}  // namespace
}  // namespace ironbark::tools
