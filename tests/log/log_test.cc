// A log in use: appending, writing, syncing, epochs, errors. What it does with its files at a start is in
// recovery_test.cc; reading, cutting, deleting, looking up and checkpoints have files of their own.
#include "log/log.h"

#include <gtest/gtest.h>

#include "runtime/task/scope.h"
#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

TEST(Log, GivesRecordsOffsetsFromZeroOn) {
    LogWorld world;
    Log& log = world.begin();
    EXPECT_EQ(world.append(log, {"a"}).base, Offset(0));
    Appended appended = world.append(log, {"b", "c", "d"});
    EXPECT_EQ(appended.base, Offset(1));
    EXPECT_EQ(appended.last, Offset(3));
    EXPECT_EQ(log.log_end(), Offset(4));
    EXPECT_EQ(world.values(log), (Values{"a", "b", "c", "d"}));
}

TEST(Log, TouchesNoDiskBeforeTheFirstRecord) {
    LogWorld world;
    world.start();
    world.wait_for_marks();
    uint64_t changes = world.disk().changes();
    Log& log = world.begin();
    world.wait_for_marks();
    EXPECT_EQ(world.disk().changes(), changes);
    EXPECT_TRUE(world.files().empty());
    EXPECT_LE(log.memory_bytes(), 4096u);
}

TEST(Log, StampsOffsetEpochTimeAndChain) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a", "b"});
    world.begin_epoch(log);
    Appended second = world.append(log, {"c"});
    ReadFrames read = world.run(log.read(Offset(0), Offset(3), read_size)).value();
    std::vector<record::FrameView> frames = frames_in(read, here);
    ASSERT_EQ(frames.size(), 2u);
    EXPECT_EQ(frames[0].header.leader_epoch, Epoch(0));
    EXPECT_EQ(frames[0].header.chain, 0u);
    EXPECT_EQ(frames[1].header.base_offset, Offset(2));
    EXPECT_EQ(frames[1].header.leader_epoch, Epoch(1));
    EXPECT_EQ(frames[1].header.chain, frames[0].header.checksum);
    EXPECT_EQ(frames[1].header.append_time, second.append_time);
}

// Blocks that were never written would make each of those syncs commit metadata as well.
TEST(Log, PreparesBlocksForSyncedRoundsWhereUnsyncedOnesHadThemAllocated) {
    LogWorld world;
    world.settings.segment_bytes = 16 << 20;
    Log& log = world.begin();
    world.append_unsynced(log, {std::string(300'000, 'x')});
    auto changes_of_a_round = [&] {
        uint64_t before = world.disk().changes();
        world.append(log, {"a"});
        world.make_durable(log);
        return world.disk().changes() - before;
    };
    EXPECT_EQ(changes_of_a_round(), 3u) << "zeros, the round, and a sync of what was written before";
    for (int round = 0; round < 60; ++round) EXPECT_EQ(changes_of_a_round(), 1u) << round;
}

TEST(Log, NeverLetsAppendTimesGoBack) {
    LogWorld world;
    Log& log = world.begin();
    Timestamp first = world.append(log, {"a"}).append_time;
    world.node().set_wall_skew_milliseconds(-60'000);
    EXPECT_EQ(world.append(log, {"b"}).append_time, first);
    world.make_durable(log);
    world.kill();
    EXPECT_EQ(world.append(world.begin(), {"c"}).append_time, first) << "after a restart, too";
}

TEST(Log, IsInMemoryUntilSomebodyWaits) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a"});
    world.simulation().run_for(500ms);
    EXPECT_EQ(log.written_end(), Offset(0));
    EXPECT_EQ(world.values(log), Values{"a"}) << "visible all the same";
    EXPECT_GT(log.unsynced_bytes(), 0u);
    EXPECT_EQ(log.unsynced_age(), 500ms);
    world.make_durable(log);
    EXPECT_EQ(log.durable_end(), Offset(1));
    EXPECT_EQ(log.unsynced_bytes(), 0u);
    EXPECT_EQ(log.unsynced_age(), Duration::zero());
}

TEST(Log, IsSyncedAfterTheFlushInterval) {
    LogWorld world;
    world.settings.flush_interval = 1000ms;
    Log& log = world.begin();
    world.append(log, {"a"});
    world.simulation().run_for(999ms);
    EXPECT_EQ(log.durable_end(), Offset(0));
    world.simulation().run_for(50ms);
    EXPECT_EQ(log.durable_end(), Offset(1));
}

TEST(Log, IsWrittenBehindWhenMuchHasGathered) {
    LogWorld world;
    world.settings.write_behind_bytes = 4096;
    Log& log = world.begin();
    world.append(log, {std::string(3000, 'x')});
    world.simulation().run_for(100ms);
    EXPECT_EQ(log.written_end(), Offset(0));
    world.append(log, {std::string(3000, 'x')});
    world.simulation().run_for(100ms);
    EXPECT_EQ(log.written_end(), Offset(2));
    EXPECT_EQ(log.durable_end(), Offset(0));
    EXPECT_GE(log.unsynced_age(), 200ms) << "what is written is not yet synced";
}

TEST(Log, IsSyncedWhenMuchIsUnsynced) {
    LogWorld world;
    world.settings.segment_bytes = 1 << 20;
    world.settings.write_behind_bytes = 1;
    world.settings.flush_bytes = 4 * block_size;
    Log& log = world.begin();
    for (int number = 0; number < 8; ++number) {
        world.append(log, {std::string(3000, 'x')});
        world.simulation().run_for(10ms);
        EXPECT_LE(log.unsynced_bytes(), 4 * block_size);
    }
    EXPECT_GE(log.durable_end(), Offset(4));
}

Task<void> append_and_wait(World* world, Log* log, std::vector<uint8_t> bytes, int* done) {
    record::FrameView frame = record::parse_frame(bytes, log->seed()).value();
    Result<Appended> appended = co_await log->append(frame, log->last_epoch(), Timestamp(1));
    ASSERT(appended.ok());
    Result<void> reached = co_await log->reach_durable(appended->last + 1, world->executor.now() + 60s);
    if (reached.ok()) ++*done;
}
Task<void> append_many(World* world, Log* log, int count, int* done) {
    Scope scope(world->executor);
    for (int number = 0; number < count; ++number) {
        scope.spawn(append_and_wait(world, log, make_frame(log->identity(), {"x"}, Timestamp(1)), done));
    }
    co_await scope.join();
}

TEST(Log, CommitsManyAppendsInFewRounds) {
    LogWorld world;
    Log& log = world.begin();
    int done = 0;
    world.run(append_many(&world.world(), &log, 100, &done));
    EXPECT_EQ(done, 100);
    EXPECT_LE(world.counters().rounds, 3u);
}

TEST(Log, WantDurableStartsARoundWithoutWaiting) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a"});
    log.want_durable(log.log_end());
    world.simulation().run_for(50ms);
    EXPECT_EQ(log.durable_end(), Offset(1));
}

TEST(Log, NeverWritesABlockWithPromisedBytesAgain) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a"});
    world.make_durable(log);
    std::vector<uint8_t> before = world.disk().read(LogWorld::path(0, log_suffix));
    world.append(log, {"b"});
    world.make_durable(log);
    std::vector<uint8_t> after = world.disk().read(LogWorld::path(0, log_suffix));
    EXPECT_TRUE(std::equal(before.begin(), before.begin() + 2 * block_size, after.begin()));
}

TEST(Log, RollsWhenASegmentIsFull) {
    LogWorld world;
    Log& log = world.begin();
    for (int number = 0; number < 12; ++number) {
        world.append(log, {std::string(3500, 'x')});
        world.make_durable(log);
    }
    EXPECT_EQ(log.segment_count(), 3u);
    EXPECT_EQ(log.allocated_bytes(), 3 * world.settings.segment_bytes);
    EXPECT_EQ(world.values(log).size(), 12u);
}

TEST(Log, GivesABatchThatIsLargerThanASegmentOneOfItsOwn) {
    LogWorld world;
    Log& log = world.begin();
    const std::string large(3 * world.settings.segment_bytes, 'x');
    for (const std::string& text : {std::string("a"), large, std::string("b")}) world.append(log, {text});
    world.make_durable(log);
    EXPECT_EQ(log.segment_count(), 3u);
    EXPECT_EQ(world.values(log), (Values{"a", large, "b"}));
    world.kill();
    EXPECT_EQ(world.values(world.open()), (Values{"a", large, "b"}));
}

TEST(Log, GrowsItsFilesInSteps) {
    LogWorld world;
    world.settings.segment_bytes = 128 << 20;
    Log& log = world.begin();
    world.append(log, {"a"});
    world.make_durable(log);
    EXPECT_EQ(log.allocated_bytes(), 64u << 10);
    world.append(log, {std::string(100 << 10, 'x')});
    world.make_durable(log);
    EXPECT_GT(log.allocated_bytes(), 64u << 10);
    EXPECT_LE(log.allocated_bytes(), 2u << 20);
}

// Epochs

TEST(Log, RemembersWhereEpochsStart) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a", "b"});
    world.make_durable(log);
    world.begin_epoch(log);
    world.begin_epoch(log);
    world.append(log, {"c"});
    world.make_durable(log);
    const std::vector<EpochStart> starts{{Epoch(0), Offset(0)}, {Epoch(1), Offset(2)}, {Epoch(2), Offset(2)}};
    EXPECT_EQ(log.epoch_starts(), starts);
    world.lose_power();
    EXPECT_EQ(world.open().epoch_starts(), starts) << "even of one without records";
}

TEST(Log, FencesAnAppendOfAnEpochThatHasEnded) {
    LogWorld world;
    Log& log = world.begin();
    world.begin_epoch(log);
    std::vector<uint8_t> bytes = make_frame(here, {"late"}, world.now());
    record::FrameView frame = record::parse_frame(bytes, log.seed()).value();
    EXPECT_EQ(world.run(log.append(frame, Epoch(0), world.now())).error().code, ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(log.log_end(), Offset(0));
}

// Limits and errors

TEST(Log, LetsAppendsWaitWhileTooMuchIsUnwritten) {
    LogWorld world;
    world.options.unwritten_bytes_max = 8192;
    world.settings.write_behind_bytes = 1;
    Log& log = world.begin();
    int done = 0;
    world.run(append_many(&world.world(), &log, 200, &done));
    EXPECT_EQ(done, 200);
    EXPECT_EQ(world.values(log).size(), 200u);
}

TEST(Log, TakesNothingMoreAfterAFailedWriteOrSync) {
    for (bool is_sync : {false, true}) {
        LogWorld world;
        Log& log = world.begin();
        world.append(log, {"kept"});
        world.make_durable(log);
        world.append_unsynced(log, {"written"});
        world.append(log, {"lost"});
        const std::string path = LogWorld::path(0, log_suffix);
        is_sync ? world.disk().fail_next_sync(path) : world.disk().fail_next_write(path);
        EXPECT_EQ(world.run(log.reach_durable(Offset(3), never)).error().code, ErrorCode::storage_error);
        EXPECT_TRUE(log.has_failed());
        EXPECT_EQ(log.failure()->code, ErrorCode::io_error);
        EXPECT_EQ(log.durable_end(), Offset(1));
        EXPECT_EQ(world.counters().logs_failed, 1u);
        EXPECT_EQ(world.try_append(log, make_frame(here, {"more"}, world.now())).error().code,
                  ErrorCode::storage_error);
        EXPECT_EQ(world.run(log.reach_durable(Offset(3), never)).error().code, ErrorCode::storage_error)
            << "a sync is not tried again";
        EXPECT_EQ(world.run(log.delete_before(Offset(1))).error().code, ErrorCode::storage_error);
        EXPECT_EQ(world.run(log.cut(Offset(1), Epoch(9), "")).error().code, ErrorCode::storage_error);
        EXPECT_EQ(values_of(frames_in(world.run(log.read(Offset(0), Offset(1), 1)).value(), here).front()),
                  Values{"kept"})
            << "what is there can be read";
    }
}

TEST(Log, WaitsForRoomOnAFullDiskAndLosesNothing) {
    LogWorld world;
    world.options.reserve_bytes = block_size;
    Log& log = world.begin();
    world.append(log, {"a"});
    world.make_durable(log);
    world.disk().set_capacity(world.disk().used_bytes());
    for (int number = 0; number < 4; ++number) world.append(log, {std::string(8000, 'x')});
    Instant soon = world.world().executor.now() + 5s;
    EXPECT_EQ(world.run(log.reach_durable(Offset(5), soon)).error().code, ErrorCode::timed_out);
    EXPECT_EQ(world.try_append(log, make_frame(here, {"more"}, world.now())).error().code, ErrorCode::storage_full);
    world.disk().set_capacity(uint64_t{1} << 40);
    world.make_durable(log);
    EXPECT_FALSE(log.has_failed());
    world.simulation().run_for(3s);
    world.append(log, {"more"});
    EXPECT_EQ(world.values(log).size(), 6u);
}

TEST(Log, GivesUpWaitingAtItsDeadline) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a"});
    EXPECT_EQ(world.run(log.reach_durable(Offset(1), world.world().executor.now())).error().code, ErrorCode::timed_out);
}

Task<void> reach(Log* log, Offset end, std::optional<ErrorCode>* code) {
    Result<void> reached = co_await log->reach_durable(end, never);
    *code = reached.ok() ? ErrorCode::none : reached.error().code;
}

TEST(Log, TellsWhoWaitsThatItIsClosed) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a"});
    std::optional<ErrorCode> waited;
    world.node().spawn(reach(&log, Offset(1), &waited));
    world.run(log.close());
    world.simulation().run_for(1ms);
    EXPECT_EQ(waited, ErrorCode::closed);
    EXPECT_EQ(world.try_append(log, make_frame(here, {"b"}, world.now())).error().code, ErrorCode::closed);
    EXPECT_EQ(world.run(log.read(Offset(0), Offset(1), 1)).error().code, ErrorCode::closed);
    EXPECT_EQ(world.run(log.begin_epoch(Epoch(5))).error().code, ErrorCode::closed);
}

TEST(Log, TellsItsOwnerWhenTheDurableEndHasMoved) {
    LogWorld world;
    Log& log = world.begin();
    std::vector<Offset> seen;
    world.store().context().on_moved = [&seen](Log& moved) { seen.push_back(moved.durable_end()); };
    world.append(log, {"a"});
    world.make_durable(log);
    EXPECT_EQ(seen, std::vector<Offset>{Offset(1)});
}

TEST(Log, MarksNoWatermarkBeyondItsOwnEnd) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"a", "b"});
    world.make_durable(log);
    log.note_watermarks(Offset(900), Offset(800));
    log.update_marks();
    const PartitionMarks* marks = world.store().marks().find(here);
    ASSERT_NE(marks, nullptr);
    EXPECT_EQ(marks->high_watermark, Offset(2));
    EXPECT_EQ(marks->durable_watermark, Offset(2));
    EXPECT_EQ(marks->floor->offset, Offset(2));
    EXPECT_FALSE(log.update_marks()) << "nothing has changed since";
}

}  // namespace
}  // namespace ironbark::log
