// Cutting a log's end. Crashes between any two steps of a cut are in the storage fuzz.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "log/graveyard.h"
#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

using testing::HasSubstr;

std::string value(int number) {
    return std::to_string(number) + std::string(3500, '.');
}
Values first_values(int count) {
    Values values;
    for (int number = 0; number < count; ++number) values.push_back(value(number));
    return values;
}

// Records 0 to 14, one a batch, five a segment, of a producer.
class Cut : public testing::Test {
  protected:
    Cut() {
        log = &world.begin();
        for (int number = 0; number < 15; ++number) {
            world.append(*log, {value(number)}, {ProducerId(4), ProducerEpoch(0), number});
            world.make_durable(*log);
        }
    }
    Result<void> cut(int to, int epoch = 1) { return world.run(log->cut(Offset(to), Epoch(epoch), "a test")); }
    void expect_cut_to(int end) {
        EXPECT_EQ(log->log_end(), Offset(end));
        EXPECT_EQ(log->written_end(), Offset(end));
        EXPECT_EQ(log->durable_end(), Offset(end));
        EXPECT_TRUE(world.values(*log) == first_values(end));
        auto last = log->producers().last_sequence(ProducerId(4), ProducerEpoch(0));
        EXPECT_EQ(last, end > 0 ? std::optional<int32_t>(end - 1) : std::nullopt);
    }

    LogWorld world;
    Log* log = nullptr;
};

TEST_F(Cut, RemovesTheRecordsFromAnOffsetOn) {
    for (int to : {14, 12, 10, 7, 5, 1, 0}) {
        ASSERT_TRUE(cut(to, 20 - to).ok()) << to;
        expect_cut_to(to);
    }
}

TEST_F(Cut, IsThereAfterAPowerLoss) {
    for (int to : {12, 7, 5}) {
        ASSERT_TRUE(cut(to, 20 - to).ok());
        world.lose_power();
        log = &world.open();
        expect_cut_to(to);
        EXPECT_EQ(log->epoch_starts().back(), (EpochStart{Epoch(20 - to), Offset(to)}));
    }
}

TEST_F(Cut, LetsTheNewEpochAppendAtOnce) {
    ASSERT_TRUE(cut(7).ok());
    EXPECT_EQ(world.append(*log, {"new"}).base, Offset(7));
    world.make_durable(*log);
    Values expected = first_values(7);
    expected.push_back("new");
    EXPECT_TRUE(world.values(*log) == expected);
    world.kill();
    EXPECT_TRUE(world.values(world.open()) == expected);
}

TEST_F(Cut, BuriesWhatItRemoves) {
    ASSERT_TRUE(cut(7).ok());
    std::vector<std::string> graves = world.run(list_graveyard(&world.world(), LogWorld::directory())).value();
    ASSERT_EQ(graves.size(), 1u);
    const std::string path = LogWorld::directory() + "/graveyard/" + graves.front();
    BuriedRange range = world.run(read_buried_head(&world.world(), path)).value();
    EXPECT_EQ(range.first, Offset(7));
    EXPECT_EQ(range.end, Offset(15));
    EXPECT_EQ(range.epoch, Epoch(1));
    EXPECT_EQ(range.reason, "a test");
    std::vector<uint8_t> bytes = world.disk().read(path);
    for (int number = 7; number < 15; ++number) EXPECT_THAT(as_text(bytes), HasSubstr(value(number)));
}

TEST_F(Cut, AtTheEndOnlyBeginsAnEpoch) {
    ASSERT_TRUE(cut(15).ok());
    expect_cut_to(15);
    EXPECT_EQ(log->last_epoch(), Epoch(1));
    EXPECT_TRUE(world.run(list_graveyard(&world.world(), LogWorld::directory()))->empty());
}

TEST_F(Cut, OfRecordsThatWereNotWrittenBuriesThemToo) {
    world.append(*log, {value(15)}, {ProducerId(4), ProducerEpoch(0), 15});
    ASSERT_TRUE(cut(15).ok());
    expect_cut_to(15);
    EXPECT_EQ(world.run(list_graveyard(&world.world(), LogWorld::directory()))->size(), 1u);
}

TEST_F(Cut, InsideABatchIsRefusedAndChangesNothing) {
    world.append(*log, {"x", "y"});
    world.make_durable(*log);
    EXPECT_EQ(cut(16).error().code, ErrorCode::invalid_request);
    EXPECT_EQ(log->log_end(), Offset(17));
    EXPECT_FALSE(log->has_failed());
    EXPECT_EQ(world.append(*log, {"z"}).base, Offset(17));
}

TEST_F(Cut, OutsideTheLogIsRefused) {
    ASSERT_TRUE(world.run(log->delete_before(Offset(3))).ok());
    for (int to : {2, 16}) EXPECT_EQ(cut(to).error().code, ErrorCode::offset_out_of_range);
    EXPECT_FALSE(log->has_failed());
}

TEST_F(Cut, OnAFullDiskChangesNothing) {
    world.disk().set_capacity(world.disk().used_bytes());
    EXPECT_EQ(cut(7).error().code, ErrorCode::storage_full);
    EXPECT_FALSE(log->has_failed());
    expect_cut_to(15);
    world.disk().set_capacity(uint64_t{1} << 40);
    ASSERT_TRUE(cut(7).ok());
    expect_cut_to(7);
}

TEST_F(Cut, ThatFailsHalfWayFailsTheLogAndShowsOnlyWhatIsCertain) {
    world.disk().fail_next_sync(LogWorld::path(5, log_suffix));
    EXPECT_EQ(cut(7).error().code, ErrorCode::io_error);
    EXPECT_TRUE(log->has_failed());
    EXPECT_EQ(log->log_end(), Offset(7));
    world.kill();
    log = &world.open();
    expect_cut_to(7);
}

TEST_F(Cut, OfDamagedRecordsThatGoIsNoObstacle) {
    world.disk().rot(LogWorld::path(10, log_suffix), 2 * block_size + 700);
    ASSERT_TRUE(cut(7).ok());
    expect_cut_to(7);
}

TEST_F(Cut, BehindADamagedRecordIsRefusedAndChangesNothing) {
    world.disk().rot(LogWorld::path(5, log_suffix), block_size + 700);
    EXPECT_EQ(cut(7).error().code, ErrorCode::corrupt_data);
    EXPECT_THAT(log->last_read_problem(), HasSubstr("00005.log at byte 4096"));
    EXPECT_EQ(log->log_end(), Offset(15));
    EXPECT_FALSE(log->has_failed());
}

TEST_F(Cut, LowersTheWatermarks) {
    log->note_watermarks(Offset(12), Offset(12));
    ASSERT_TRUE(cut(7).ok());
    EXPECT_EQ(log->high_watermark(), Offset(7));
    EXPECT_EQ(world.store().marks().find(here)->durable_watermark, Offset(7));
}

Task<void> read_all(Log* log, int* reads) {
    for (int round = 0; round < 20; ++round) {
        Result<ReadFrames> read = co_await log->read(Offset(0), log->log_end(), 10'000);
        ASSERT(read.ok());
        for (const record::FrameView& frame : frames_in(*read, here)) {
            ASSERT(values_of(frame).front() == value(static_cast<int>(frame.header.base_offset.value)));
        }
        ++*reads;
    }
}

// Log [epoch 0: 0-9, epoch 3: 10-14] of a follower.
class OpenCut : public Cut {
  protected:
    OpenCut() {
        EXPECT_TRUE(cut(10, 3).ok());
        for (int number = 10; number < 15; ++number) world.append(*log, {value(number)});
        world.make_durable(*log);
    }
    Result<void> cut_openly(int to) { return world.run(log->cut(Offset(to), std::nullopt, "a test")); }
    void append_replica(int epoch, const std::string& text) {
        std::vector<uint8_t> frame = make_frame(here, {text}, Timestamp(7));
        record::stamp(frame, here.seed(), {log->log_end(), Epoch(epoch), log->last_checksum(), Timestamp(9), 0});
        ASSERT_TRUE(world.run(log->append_replica(record::parse_frame(frame, here.seed()).value())).ok());
    }
    void expect_epochs(std::vector<EpochStart> epochs) { EXPECT_EQ(log->epoch_starts(), epochs); }
    void lose_power() {
        world.lose_power();
        log = &world.open();
    }
};

TEST_F(OpenCut, LetsFramesOfAnOlderEpochFollow) {
    for (bool is_crashed : {false, true}) {
        ASSERT_TRUE(cut_openly(10).ok());
        EXPECT_EQ(log->last_epoch(), Epoch(0));
        if (is_crashed) lose_power();
        expect_epochs({{Epoch(0), Offset(0)}});
        append_replica(0, "a");
        append_replica(2, "b");
        world.make_durable(*log);
        append_replica(2, "c");
        append_replica(4, "d");
        world.make_durable(*log);
        lose_power();
        Values expected = first_values(10);
        for (const char* text : {"a", "b", "c", "d"}) expected.emplace_back(text);
        EXPECT_TRUE(world.values(*log) == expected);
        expect_epochs({{Epoch(0), Offset(0)}, {Epoch(2), Offset(11)}, {Epoch(4), Offset(13)}});
        EXPECT_EQ(world.report.records_buried, 0u);
    }
}

// An earlier cut was protected by the epoch that began at it, which the later one forgets.
TEST_F(OpenCut, LeavesNothingOfAnEarlierCutBehind) {
    ASSERT_TRUE(cut(12, 5).ok());
    ASSERT_TRUE(cut_openly(11).ok());
    append_replica(3, "a");
    world.make_durable(*log);
    lose_power();
    EXPECT_EQ(log->log_end(), Offset(12));
    EXPECT_EQ(world.report.records_buried, 0u);
    EXPECT_EQ(log->epoch_starts().back(), (EpochStart{Epoch(3), Offset(10)}));
}

TEST_F(OpenCut, AtTheEndForgetsEpochsWithoutARecord) {
    ASSERT_TRUE(world.run(log->begin_epoch(Epoch(7))).ok());
    ASSERT_TRUE(world.run(log->begin_epoch(Epoch(8))).ok());
    ASSERT_TRUE(cut_openly(15).ok());
    expect_epochs({{Epoch(0), Offset(0)}, {Epoch(3), Offset(10)}});
    EXPECT_EQ(log->last_epoch(), Epoch(3));
    lose_power();
    expect_epochs({{Epoch(0), Offset(0)}, {Epoch(3), Offset(10)}});
    append_replica(4, "a");
    EXPECT_EQ(log->epoch_starts().back(), (EpochStart{Epoch(4), Offset(15)}));
    EXPECT_EQ(world.run(list_graveyard(&world.world(), LogWorld::directory()))->size(), 1u) << "of the cut to 10";
}

TEST_F(OpenCut, AtTheEndWithNothingToForgetTouchesNoDisk) {
    world.wait_for_marks();
    const uint64_t changes = world.disk().changes();
    ASSERT_TRUE(cut_openly(15).ok());
    EXPECT_EQ(world.disk().changes(), changes);
}

TEST_F(OpenCut, MayBeFollowedByALowerEpochThanTheOneThatGoes) {
    ASSERT_TRUE(cut(10, 2).ok());
    expect_epochs({{Epoch(0), Offset(0)}, {Epoch(2), Offset(10)}});
    EXPECT_EQ(log->last_epoch(), Epoch(2));
    EXPECT_EQ(cut(5, 0).error().code, ErrorCode::invalid_request) << "the records before are of that epoch";
    EXPECT_EQ(cut(10, 0).error().code, ErrorCode::invalid_request);
    EXPECT_FALSE(log->has_failed());
}

// A checkpoint or a segment's head that named an epoch begun at its place would not take the frames that follow.
TEST_F(OpenCut, OfAnEpochThatWasBegunAtACheckpointOrAnEndOfASegment) {
    for (int end : {15, 16, 20}) {
        while (log->log_end() < Offset(end)) append_replica(3, "x");
        ASSERT_TRUE(world.run(log->begin_epoch(Epoch(9))).ok());
        ASSERT_TRUE(world.run(log->checkpoint()).ok());
        ASSERT_TRUE(cut_openly(end).ok());
        append_replica(3, "x");
        world.make_durable(*log);
        lose_power();
        EXPECT_EQ(log->log_end(), Offset(end + 1));
        EXPECT_EQ(log->epoch_starts().back(), (EpochStart{Epoch(3), Offset(10)}));
    }
}

TEST_F(OpenCut, BuriesWithoutAnEpoch) {
    ASSERT_TRUE(cut_openly(12).ok());
    const std::string name = world.run(list_graveyard(&world.world(), LogWorld::directory()))->back();
    BuriedRange range =
        world.run(read_buried_head(&world.world(), LogWorld::directory() + "/graveyard/" + name)).value();
    EXPECT_EQ(range.first, Offset(12));
    EXPECT_EQ(range.end, Offset(15));
    EXPECT_EQ(range.epoch, Epoch(-1));
}

// The marks say what is to be, the files are as they were.
TEST_F(OpenCut, ThatTheMarksKnowIsFinishedWhenTheLogIsOpened) {
    const LogWorld::Files before = world.files();
    ASSERT_TRUE(cut_openly(7).ok());
    PartitionMarks marks = *world.store().marks().find(here);
    EXPECT_EQ(marks.unfinished, Unfinished::nothing);
    marks.unfinished = Unfinished::cut;
    world.store().marks().set(marks);
    ASSERT_TRUE(world.run(world.store().marks().commit()).ok());
    world.kill();
    for (const auto& [path, bytes] : before) world.disk().replace(path, bytes);
    log = &world.open();
    expect_cut_to(7);
    EXPECT_EQ(world.store().marks().find(here)->unfinished, Unfinished::nothing);
    append_replica(0, "a");
    world.make_durable(*log);
    lose_power();
    EXPECT_EQ(log->log_end(), Offset(8));
}

TEST_F(Cut, WaitsForReadersAndTheyForIt) {
    world.stop();
    log = &world.begin();
    int reads = 0;
    for (int reader = 0; reader < 5; ++reader) world.node().spawn(read_all(log, &reads));
    ASSERT_TRUE(cut(7, 2).ok());
    world.simulation().run_for(10s);
    EXPECT_EQ(reads, 100);
}

}  // namespace
}  // namespace ironbark::log
