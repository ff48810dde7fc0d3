// Removing a log's beginning: delete-records and retention, and the whole log. What retention decides is in
// retention_test.cc, crashes between any two steps are in the storage fuzz.
#include <gtest/gtest.h>

#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

// Records 0 to 16, one a batch, five a segment, a second apart.
class Deletion : public testing::Test {
  protected:
    Deletion() {
        log = &world.begin();
        for (int number = 0; number < 17; ++number) {
            world.append(*log, {long_value(number)}, {ProducerId(4), ProducerEpoch(0), number});
            world.simulation().run_for(1s);
        }
        world.make_durable(*log);
        log->note_watermarks(log->log_end(), log->durable_end());
        EXPECT_EQ(log->segment_count(), 4u);
    }
    Result<void> delete_before(int to) { return world.run(log->delete_before(Offset(to))); }
    int64_t retain(int64_t bytes, int64_t milliseconds) {
        LogSettings settings = log->settings();
        settings.retention_bytes = bytes;
        settings.retention_ms = milliseconds;
        log->change_settings(settings);
        return world.run(log->apply_retention(world.now())).value();
    }
    void expect_from(int start) {
        EXPECT_EQ(log->log_start(), Offset(start));
        Values values = world.values(*log);
        ASSERT_EQ(values.size(), 17u - static_cast<size_t>(start));
        if (!values.empty()) {
            EXPECT_EQ(values.front(), long_value(start));
        }
        EXPECT_EQ(log->producers().last_sequence(ProducerId(4), ProducerEpoch(0)), 16) << "remembered longer";
    }
    int segment_files() {
        int count = 0;
        for (const auto& [path, bytes] : world.files()) count += path.ends_with(log_suffix) ? 1 : 0;
        return count;
    }

    LogWorld world;
    Log* log = nullptr;
};

TEST_F(Deletion, MovesTheStartAndRemovesWholeSegments) {
    ASSERT_TRUE(delete_before(7).ok());
    expect_from(7);
    EXPECT_EQ(segment_files(), 3);
    for (int from : {0, 5, 6}) {
        EXPECT_EQ(world.run(log->read(Offset(from), Offset(17), 1)).error().code, ErrorCode::offset_out_of_range);
    }
    ASSERT_TRUE(delete_before(10).ok());
    expect_from(10);
    EXPECT_EQ(segment_files(), 2);
}

TEST_F(Deletion, IsThereAfterAPowerLoss) {
    ASSERT_TRUE(delete_before(7).ok());
    world.lose_power();
    log = &world.open();
    expect_from(7);
}

TEST_F(Deletion, OfEverythingLeavesAnEmptyLogThatGoesOn) {
    ASSERT_TRUE(delete_before(17).ok());
    expect_from(17);
    world.lose_power();
    log = &world.begin();
    expect_from(17);
    EXPECT_EQ(world.append(*log, {"next"}).base, Offset(17));
}

TEST_F(Deletion, BelowTheStartChangesNothing) {
    ASSERT_TRUE(delete_before(7).ok());
    ASSERT_TRUE(delete_before(3).ok());
    expect_from(7);
}

TEST_F(Deletion, BeyondTheEndIsRefused) {
    EXPECT_EQ(delete_before(18).error().code, ErrorCode::offset_out_of_range);
    expect_from(0);
}

TEST_F(Deletion, OfRecordsThatAreNotDurableMakesThemSoFirst) {
    world.append(*log, {"not durable"});
    ASSERT_TRUE(delete_before(18).ok());
    EXPECT_EQ(log->durable_end(), Offset(18));
}

TEST_F(Deletion, InsideABatchStartsInsideIt) {
    world.append(*log, {"x", "y", "z"});
    world.make_durable(*log);
    ASSERT_TRUE(delete_before(18).ok());
    EXPECT_EQ(world.values(*log), (Values{"y", "z"}));
    world.kill();
    EXPECT_EQ(world.values(world.open()), (Values{"y", "z"}));
}

TEST_F(Deletion, WorksOnAFullDisk) {
    world.disk().set_capacity(world.disk().used_bytes());
    ASSERT_TRUE(delete_before(10).ok());
    expect_from(10);
    EXPECT_EQ(segment_files(), 2);
}

TEST_F(Deletion, GivesSegmentsToThePoolForTheNextOnes) {
    EXPECT_EQ(world.counters().segments_reused, 0u);
    ASSERT_TRUE(delete_before(10).ok());
    for (int number = 17; number < 27; ++number) world.append(*log, {long_value(number)});
    world.make_durable(*log);
    EXPECT_EQ(world.counters().segments_reused, 2u);
}

TEST_F(Deletion, WaitsForReadersOfTheSegment) {
    Result<ReadFrames> read = world.run(log->read(Offset(0), Offset(5), 1));
    ASSERT_TRUE(read.ok());
    ASSERT_TRUE(delete_before(17).ok());
    for (int number = 17; number < 40; ++number) world.append(*log, {long_value(number)});
    world.make_durable(*log);
    EXPECT_EQ(values_of(frames_in(*read, here).front()), Values{long_value(0)}) << "its file has another life";
}

// Retention

TEST_F(Deletion, ByRetentionOfSizeCountsAllocatedBytes) {
    EXPECT_EQ(retain(static_cast<int64_t>(log->allocated_bytes()), -1), 0);
    EXPECT_EQ(retain(static_cast<int64_t>(log->allocated_bytes()) - 1, -1), 5);
    expect_from(5);
    EXPECT_EQ(retain(0, -1), 10);
    expect_from(15);
    EXPECT_EQ(segment_files(), 1) << "the active segment stays";
}

TEST_F(Deletion, ByRetentionOfTimeRemovesWhatIsOldEnough) {
    EXPECT_EQ(retain(-1, 60'000), 0);
    EXPECT_EQ(retain(-1, 9'500), 5) << "records 0 to 4 are 13 s old, and more";
    expect_from(5);
}

TEST_F(Deletion, ByRetentionOfTimeRemovesAnOldActiveSegmentToo) {
    world.simulation().run_for(60s);
    EXPECT_EQ(retain(-1, 30'000), 17);
    expect_from(17);
    EXPECT_EQ(segment_files(), 0);
    EXPECT_EQ(log->allocated_bytes(), 0u);
    EXPECT_EQ(world.append(*log, {"next"}).base, Offset(17));
}

TEST_F(Deletion, ByRetentionStopsAtTheHighWatermark) {
    log->note_watermarks(Offset(9), Offset(9));
    EXPECT_EQ(retain(0, 0), 5);
    expect_from(5);
}

TEST_F(Deletion, ByRetentionForgetsIdleProducers) {
    EXPECT_EQ(log->producers().size(), 1u);
    LogSettings settings = log->settings();
    settings.producer_expiration_ms = 5000;
    log->change_settings(settings);
    world.simulation().run_for(2s);
    retain(-1, -1);
    EXPECT_EQ(log->producers().size(), 1u);
    world.simulation().run_for(3s);
    retain(-1, -1);
    EXPECT_EQ(log->producers().size(), 0u);
}

TEST_F(Deletion, ByRetentionIsDoneByTheClock) {
    LogSettings settings = log->settings();
    settings.retention_ms = 60'000;
    log->change_settings(settings);
    world.simulation().run_for(1200s);
    expect_from(17);
}

// The whole log

TEST_F(Deletion, OfTheLogRemovesFilesAndMarks) {
    ASSERT_TRUE(world.run(world.store().remove_log(here)).ok());
    EXPECT_EQ(world.store().find(here), nullptr);
    EXPECT_TRUE(world.files().empty());
    EXPECT_EQ(world.store().marks().find(here), nullptr);
    world.lose_power();
    log = &world.begin();
    EXPECT_EQ(log->log_end(), Offset(0)) << "a new log";
}

TEST_F(Deletion, OfALogThatCannotBeOpenedWorks) {
    world.wait_for_marks();
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), 100);
    ASSERT_FALSE(world.try_open().ok());
    ASSERT_TRUE(world.run(world.store().remove_log(here)).ok());
    EXPECT_TRUE(world.files().empty());
    EXPECT_EQ(world.open().log_end(), Offset(0));
}

TEST_F(Deletion, OfTheLogPutsNothingIntoThePool) {
    ASSERT_TRUE(world.run(world.store().remove_log(here)).ok());
    EXPECT_TRUE(world.files("data/pool").empty()) << "the records of a deleted topic are nobody's";
}

}  // namespace
}  // namespace ironbark::log
