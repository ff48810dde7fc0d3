// The logs of a shard together: what one of them does, or suffers, leaves the others as they are.
#include "log/store.h"

#include <gtest/gtest.h>

#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

PartitionIdentity numbered(int32_t number) {
    return {here.topic, PartitionIndex(number)};
}

TEST(LogStore, HoldsTheLogsThatWereOpened) {
    LogWorld world;
    world.start();
    EXPECT_EQ(world.store().find(here), nullptr);
    Log& log = world.open(here);
    EXPECT_EQ(world.store().find(here), &log);
    EXPECT_EQ(world.store().find(there), nullptr);
    EXPECT_EQ(world.store().logs().size(), 1u);
}

TEST(LogStore, KeepsAHundredLogsApart) {
    LogWorld world;
    for (int32_t number = 0; number < 100; ++number) {
        Log& log = world.begin(numbered(number));
        for (int32_t count = 0; count <= number % 5; ++count) {
            world.append(log, {std::to_string(number) + "/" + std::to_string(count)});
        }
    }
    world.stop();
    for (int32_t number = 0; number < 100; ++number) {
        Values values = world.values(world.open(numbered(number)));
        ASSERT_EQ(values.size(), static_cast<size_t>(number % 5) + 1);
        EXPECT_EQ(values.back(), std::to_string(number) + "/" + std::to_string(number % 5));
    }
}

// Partitions that are written in turn come to the end of their prepared blocks together: then a thousand of them would
// write zeros at the same time, and everyone who waits for the disk would wait for that.
TEST(LogStore, FewLogsWriteZerosAtATime) {
    LogWorld world;
    world.settings.segment_bytes = 16 << 20;
    constexpr int32_t count = 40;
    std::vector<Log*> logs;
    for (int32_t number = 0; number < count; ++number) logs.push_back(&world.begin(numbered(number)));
    for (Log* log : logs) world.append_unsynced(*log, {std::string(300'000, 'x')});
    for (Log* log : logs) {
        world.append(*log, {"a"});
        log->want_durable(log->log_end());
    }
    uint64_t most = 0;
    const auto is_done = [&] {
        return std::all_of(logs.begin(), logs.end(), [](Log* log) { return log->durable_end() == log->log_end(); });
    };
    const Instant limit = world.simulation().now() + 10s;
    while (!is_done() && world.simulation().now() < limit) {
        world.simulation().run_for(20us);
        most = std::max(most, world.store().context().zeroing_bytes);
    }
    EXPECT_TRUE(is_done());
    EXPECT_GT(most, uint64_t{1} << 20);
    EXPECT_LE(most, uint64_t{4} << 20);
    EXPECT_EQ(world.store().context().zeroing_bytes, 0u);
}

TEST(LogStore, GoesOnWithTheOthersWhenALogFails) {
    LogWorld world;
    Log& bad = world.begin(here);
    Log& good = world.begin(there);
    world.append(bad, {"a"});
    world.make_durable(bad);
    world.disk().fail_next_write(LogWorld::path(0, log_suffix, here));
    world.append(bad, {"b"});
    EXPECT_FALSE(world.run(bad.reach_durable(Offset(2), never)).ok());
    ASSERT_TRUE(bad.has_failed());
    world.append(good, {"c"});
    world.make_durable(good);
    world.wait_for_marks();
    EXPECT_TRUE(world.store().marks_state().ok());
    EXPECT_EQ(world.values(good), Values{"c"});
    world.kill();
    EXPECT_EQ(world.values(world.open(here)).front(), "a");
    EXPECT_EQ(world.values(world.open(there)), Values{"c"});
}

TEST(LogStore, DoesNotSayItStoppedCleanlyWhenALogHasFailed) {
    for (bool fails : {false, true}) {
        LogWorld world;
        Log& log = world.begin();
        world.append(log, {"a"});
        world.make_durable(log);
        if (fails) {
            world.disk().fail_next_write(LogWorld::path(0, log_suffix));
            world.append(log, {"b"});
            EXPECT_FALSE(world.run(log.reach_durable(Offset(2), never)).ok());
        }
        world.stop();
        world.start();
        EXPECT_EQ(world.store().marks().clean_stop().has_value(), !fails);
    }
}

TEST(LogStore, MakesEverythingDurableWhenItStops) {
    LogWorld world;
    world.append(world.begin(here), {"a"});
    world.append(world.begin(there), {"b"});
    world.stop();
    world.start();
    EXPECT_EQ(world.store().marks().clean_stop(), Incarnation(1));
    world.lose_power();
    EXPECT_EQ(world.values(world.open(here)), Values{"a"});
    EXPECT_EQ(world.report.frames_scanned, 0u) << "from its checkpoint";
    EXPECT_EQ(world.values(world.open(there)), Values{"b"});
}

TEST(LogStore, MarksWhatIsDurableAboutOnceASecond) {
    LogWorld world;
    Log& log = world.begin();
    for (int number = 0; number < 20; ++number) {
        world.append(log, {"x"});
        world.make_durable(log);
    }
    const PartitionMarks* marks = world.store().marks().find(here);
    EXPECT_LT(marks->floor->offset, Offset(20)) << "it lags";
    world.wait_for_marks();
    EXPECT_EQ(world.store().marks().find(here)->floor->offset, Offset(20));
    uint64_t bytes = world.store().marks().journal_bytes();
    world.wait_for_marks();
    EXPECT_EQ(world.store().marks().journal_bytes(), bytes) << "nothing has changed";
}

TEST(LogStore, SaysWhenItsMarksCannotBeWritten) {
    LogWorld world;
    Log& log = world.begin();
    world.append(log, {"x"});
    world.make_durable(log);
    world.disk().fail_next_sync("data/marks-0");
    world.wait_for_marks();
    EXPECT_EQ(world.store().marks_state().error().code, ErrorCode::io_error);
    world.append(log, {"y"});
    world.make_durable(log);
    world.kill();
    EXPECT_EQ(world.values(world.open()), (Values{"x", "y"})) << "records need no marks to be there";
}

TEST(LogStore, RefusesAppendsOfAllLogsWhenTheReserveIsTouched) {
    LogWorld world;
    world.options.reserve_bytes = 1 << 20;
    Log& log = world.begin(here);
    Log& other = world.begin(there);
    world.append(log, {"a"});
    world.make_durable(log);
    world.disk().set_capacity(world.disk().used_bytes() + 1000);
    world.wait_for_marks();
    for (Log* each : {&log, &other}) {
        EXPECT_EQ(world.try_append(*each, make_frame(each->identity(), {"b"}, world.now())).error().code,
                  ErrorCode::storage_full);
    }
    EXPECT_EQ(world.values(log), Values{"a"});
    world.disk().set_capacity(uint64_t{1} << 40);
    world.wait_for_marks();
    world.append(log, {"b"});
    EXPECT_FALSE(log.has_failed() || other.has_failed());
}

TEST(LogStore, LooksAtTheDiskInTimeHoweverFastItFills) {
    LogWorld world;
    world.options.reserve_bytes = 8 << 20;
    Log& log = world.begin(here);
    world.append(log, {"a"});
    world.make_durable(log);
    const uint64_t capacity = world.disk().used_bytes() + (16 << 20);
    world.disk().set_capacity(capacity);
    world.simulation().run_for(1500ms);
    const Instant begun = world.world().executor.now();
    ErrorCode refused = ErrorCode::none;
    for (int number = 0; number < 100 && refused == ErrorCode::none; ++number) {
        const auto frame = make_frame(here, {std::string(200'000, 'x')}, world.now());
        const Result<Appended> appended = world.try_append(log, frame);
        if (appended.ok()) {
            world.make_durable(log);
        } else {
            refused = appended.error().code;
        }
    }
    EXPECT_EQ(refused, ErrorCode::storage_full);
    EXPECT_LT(world.world().executor.now() - begun, 1s);
    EXPECT_GE(capacity - world.disk().used_bytes(), uint64_t{6} << 20);
}

// A quota is used up, say: the file system refuses what it seems to have room for.
TEST(LogStore, IsFullWithoutABreakAsLongAsALogGetsNoRoom) {
    LogWorld world;
    world.options.reserve_bytes = 0;
    Log& log = world.begin(here);
    world.append(log, {"a"});
    world.make_durable(log);
    world.disk().set_capacity(world.disk().used_bytes());
    for (int number = 0; number < 4; ++number) world.append(log, {std::string(8000, 'x')});
    log.want_durable(Offset(5));
    const log::LogContext& context = world.store().context();
    world.simulation().run_for(100ms);
    const Instant since = context.full_since;
    ASSERT_NE(since, never);
    for (int look = 0; look < 100; ++look) {
        world.simulation().run_for(77ms);
        ASSERT_EQ(context.full_since, since) << look;
    }
    world.disk().set_capacity(uint64_t{1} << 40);
    world.make_durable(log);
    EXPECT_EQ(context.full_since, never);
}

TEST(LogStore, RefusesTheMarksOfAnotherDirectory) {
    LogWorld other({}, 2);
    other.append(other.begin(), {"a"});
    other.stop();
    LogWorld world;
    world.start();
    world.kill();
    world.disk().replace("data/marks-0", other.disk().read("data/marks-0"));
    EXPECT_EQ(world.try_start().error().code, ErrorCode::foreign_data);
}

TEST(LogStore, IdleLogsCostLittle) {
    LogWorld world;
    for (int32_t number = 0; number < 100; ++number) {
        EXPECT_LE(world.open(numbered(number)).memory_bytes(), 16u * 1024);
    }
    uint64_t changes = world.disk().changes();
    world.simulation().run_for(1000s);
    EXPECT_EQ(world.disk().changes(), changes);
}

// Checkpoints

TEST(Checkpoint, IsWrittenAfterSoManyBytes) {
    LogWorld world;
    world.settings.segment_bytes = 1 << 20;
    world.settings.checkpoint_bytes = 64 * 1024;
    Log& log = world.begin();
    for (int number = 0; number < 60; ++number) {
        world.append(log, {std::string(3500, 'x')});
        world.make_durable(log);
    }
    world.wait_for_marks();
    world.kill();
    world.open();
    EXPECT_GT(world.report.frames_scanned, 0u);
    EXPECT_LE(world.report.bytes_scanned, 64u * 1024 + block_size);
}

TEST(Checkpoint, ThatCannotBeWrittenHarmsNothing) {
    LogWorld world;
    Log& log = world.begin();
    for (int number = 0; number < 9; ++number) {
        world.append(log, {std::string(3500, 'x')});
        world.make_durable(log);
    }
    world.disk().set_capacity(world.disk().used_bytes());
    Result<void> written = world.run(log.checkpoint());
    EXPECT_EQ(written.error().code, ErrorCode::storage_full);
    EXPECT_FALSE(log.has_failed());
    world.disk().set_capacity(uint64_t{1} << 40);
    EXPECT_TRUE(world.run(log.checkpoint()).ok());
}

TEST(Checkpoint, OfALogWithoutRecordsIsNothing) {
    LogWorld world;
    EXPECT_TRUE(world.run(world.begin().checkpoint()).ok());
    EXPECT_TRUE(world.files().empty());
}

}  // namespace
}  // namespace ironbark::log
