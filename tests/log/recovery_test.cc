// One test for each row of the tables of log/log_open.cc (what the directory holds) and log/log_recovery.cc (where the
// frames end). Damage at every place of every kind of file is in damage_test.cc, crashes between any two steps are in
// the storage fuzz.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <numeric>
#include <set>

#include "log/graveyard.h"
#include "log/snapshot.h"
#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

using simulation::Crash;
using testing::HasSubstr;

using Numbers = std::vector<int>;

Numbers range(int from, int to) {
    Numbers numbers(static_cast<size_t>(to - from));
    std::iota(numbers.begin(), numbers.end(), from);
    return numbers;
}

// Which values are in the log, in order.
Numbers numbers(LogWorld& world, Log& log) {
    Numbers numbers;
    for (const std::string& each : world.values(log)) {
        numbers.push_back(std::atoi(each.c_str()));
        EXPECT_EQ(each, long_value(numbers.back()));
    }
    return numbers;
}

// Appends batches of one record, each durable for itself, so that the next round promises it.
void append_durable(LogWorld& world, Log& log, int from, int to) {
    for (int number = from; number < to; ++number) {
        world.append_at(log, {long_value(number)}, Timestamp(1000 + number));
        world.make_durable(log);
    }
}

// A log of three segments with records 0 to 14, durable and known to be, whose process was killed.
void make_three_segments(LogWorld& world) {
    Log& log = world.begin();
    append_durable(world, log, 0, 15);
    ASSERT_EQ(log.segment_count(), 3u);
    world.wait_for_marks();
    world.kill();
}

std::vector<int64_t> bases(LogWorld& world, const char* suffix = log_suffix) {
    std::vector<int64_t> bases;
    for (const auto& [path, bytes] : world.files()) {
        std::string name = path.substr(path.rfind('/') + 1);
        if (std::optional<Offset> base = offset_of_file_name(name, suffix)) bases.push_back(base->value);
    }
    return bases;
}

// Refused as corrupt or foreign, with a problem that says this, where, and what to do; nothing is changed.
void expect_refused(LogWorld& world, const std::string& what, const std::string& where = LogWorld::directory()) {
    LogWorld::Files before = world.files();
    Result<Log*> log = world.try_open();
    ASSERT_FALSE(log.ok());
    EXPECT_EQ(log.error().code, ErrorCode::corrupt_data);
    EXPECT_THAT(world.report.problem, HasSubstr(what));
    EXPECT_THAT(world.report.problem, HasSubstr(where));
    EXPECT_THAT(world.report.problem, testing::MatchesRegex(".*([Rr]estore|Try again).*"));
    EXPECT_TRUE(world.files() == before) << "files were changed";
    // Nobody else is affected.
    const RecoveryReport refusal = world.report;
    Log& other = world.begin(there);
    world.append(other, {"unharmed"});
    EXPECT_EQ(world.values(other).back(), "unharmed");
    world.report = refusal;
}

uint64_t end_of_written(LogWorld& world, const std::string& path) {
    std::vector<uint8_t> bytes = world.disk().read(path);
    uint64_t end = bytes.size();
    while (end > 0 && bytes[end - 1] == 0) --end;
    return round_up(end, block_size);
}

// Where the frame of this offset stands in a segment that starts with `base`.
uint64_t position_of(LogWorld& world, int64_t base, int64_t offset) {
    std::vector<uint8_t> bytes = world.disk().read(LogWorld::path(base, log_suffix));
    for (uint64_t at = block_size; at < bytes.size();) {
        Result<record::FrameView> frame = record::parse_header(Bytes(bytes).subspan(at), here.seed());
        if (!frame.ok()) break;
        if (!frame->header.is_pad() && frame->header.base_offset == Offset(offset)) return at;
        at += frame->header.length;
    }
    ADD_FAILURE() << "no frame of offset " << offset;
    return 0;
}

// What the directory holds

TEST(Recovery, OfAnEmptyDirectoryIsANewLog) {
    LogWorld world;
    Log& log = world.open();
    EXPECT_EQ(log.log_start(), Offset(0));
    EXPECT_EQ(log.log_end(), Offset(0));
    EXPECT_TRUE(world.report.problem.empty());
    EXPECT_TRUE(world.files().empty()) << "nothing is on disk before the first record";
}

TEST(Recovery, GoesOnWhereTheLogEnded) {
    for (Crash how : {Crash::none, Crash::kill, Crash::power_loss}) {
        LogWorld world;
        Log& before = world.begin();
        append_durable(world, before, 0, 15);
        how == Crash::none ? world.stop() : world.crash(how);
        Log& log = world.begin();
        EXPECT_EQ(world.report.end, ScanEnd::clean);
        EXPECT_EQ(numbers(world, log), range(0, 15));
        append_durable(world, log, 15, 20);
        EXPECT_EQ(numbers(world, log), range(0, 20));
    }
}

TEST(Recovery, AfterACleanStopReadsNoFrame) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 15);
    world.stop();
    Log& log = world.open();
    EXPECT_EQ(world.report.frames_scanned, 0u);
    EXPECT_EQ(numbers(world, log), range(0, 15));
}

TEST(Recovery, RefusesALogWithoutSegmentsWhoseRecordsWerePromised) {
    LogWorld world;
    make_three_segments(world);
    for (int64_t base : bases(world)) world.disk().remove(LogWorld::path(base, log_suffix));
    expect_refused(world, "no segment files, but records 0 to 14 were promised");
}

TEST(Recovery, RefusesALogWhoseFirstSegmentIsMissing) {
    LogWorld world;
    make_three_segments(world);
    world.disk().remove(LogWorld::path(0, log_suffix));
    expect_refused(world, "the segment that holds record 0 is missing; the first one starts at 5");
}

TEST(Recovery, RefusesALogWithASegmentMissingInTheMiddle) {
    LogWorld world;
    make_three_segments(world);
    ASSERT_EQ(bases(world), (std::vector<int64_t>{0, 5, 10}));
    world.disk().remove(LogWorld::path(5, log_suffix));
    expect_refused(world, "the segment 00000000000000000005.log is missing");
}

TEST(Recovery, RefusesALogWhoseLastSegmentIsMissing) {
    LogWorld world;
    make_three_segments(world);
    world.disk().remove(LogWorld::path(10, log_suffix));
    expect_refused(world, "record 10 is missing or damaged, and records up to 14 were promised",
                   LogWorld::path(5, log_suffix));
}

TEST(Recovery, RefusesASegmentWithADamagedHead) {
    for (int64_t base : {0, 5, 10}) {
        LogWorld world;
        make_three_segments(world);
        world.disk().rot(LogWorld::path(base, log_suffix), 3000);
        expect_refused(world, "the segment's head is damaged", LogWorld::path(base, log_suffix));
    }
}

TEST(Recovery, RefusesASegmentThatIsShorterThanItsHead) {
    LogWorld world;
    make_three_segments(world);
    world.disk().truncate(LogWorld::path(5, log_suffix), 0);
    expect_refused(world, "the segment is shorter than its head", LogWorld::path(5, log_suffix));
}

TEST(Recovery, RefusesASegmentWhoseHeadTheDiskCannotRead) {
    LogWorld world;
    make_three_segments(world);
    world.disk().fail_reads(LogWorld::path(5, log_suffix), 0);
    expect_refused(world, "its first block cannot be read", LogWorld::path(5, log_suffix));
}

TEST(Recovery, RefusesASegmentOfAnotherPartition) {
    LogWorld world;
    Log& other = world.begin(there);
    append_durable(world, other, 0, 15);
    world.kill();
    make_three_segments(world);
    world.disk().replace(LogWorld::path(5, log_suffix), world.disk().read(LogWorld::path(5, log_suffix, there)));
    expect_refused(world, "the segment belongs to another partition", LogWorld::path(5, log_suffix));
}

TEST(Recovery, RefusesASegmentUnderAnotherName) {
    LogWorld world;
    make_three_segments(world);
    world.disk().replace(LogWorld::path(10, log_suffix), world.disk().read(LogWorld::path(5, log_suffix)));
    expect_refused(world, "the segment's name is not the offset it starts with", LogWorld::path(10, log_suffix));
}

TEST(Recovery, RefusesForeignBytesUnderASegmentsName) {
    LogWorld world;
    make_three_segments(world);
    std::vector<uint8_t> foreign(6 * block_size, 'x');
    world.disk().replace(LogWorld::path(15, log_suffix), foreign);
    expect_refused(world, "the segment's head is not one", LogWorld::path(15, log_suffix));
}

TEST(Recovery, IgnoresFilesThatAreNotItsOwn) {
    LogWorld world;
    make_three_segments(world);
    std::vector<uint8_t> text{'h', 'i'};
    world.disk().replace(LogWorld::directory() + "/notes.txt", text);
    world.disk().replace(LogWorld::directory() + "/7.log", text);
    EXPECT_EQ(numbers(world, world.open()), range(0, 15));
    EXPECT_EQ(world.disk().read(LogWorld::directory() + "/notes.txt"), text);
    EXPECT_EQ(world.disk().read(LogWorld::directory() + "/7.log"), text);
}

TEST(Recovery, KeepsTheStartWhenTheRemovalOfSegmentsWasInterrupted) {
    LogWorld world;
    make_three_segments(world);
    const std::vector<uint8_t> first = world.disk().read(LogWorld::path(0, log_suffix));
    ASSERT_TRUE(world.run(world.open().delete_before(Offset(7))).ok());
    ASSERT_EQ(bases(world), (std::vector<int64_t>{5, 10}));
    world.kill();
    world.disk().replace(LogWorld::path(0, log_suffix), first);
    Log& log = world.open();
    EXPECT_EQ(log.log_start(), Offset(7));
    EXPECT_EQ(numbers(world, log), range(7, 15));
    EXPECT_EQ(world.run(log.read(Offset(6), Offset(15), 1)).error().code, ErrorCode::offset_out_of_range);
    ASSERT_TRUE(world.run(log.delete_before(Offset(7))).ok());
    EXPECT_EQ(bases(world), (std::vector<int64_t>{5, 10}));
}

TEST(Recovery, EndsAnInterruptedCutByRemovingSegmentsBehindIt) {
    LogWorld world;
    make_three_segments(world);
    const std::vector<uint8_t> last = world.disk().read(LogWorld::path(10, log_suffix));
    Log& before = world.open();
    ASSERT_TRUE(world.run(before.cut(Offset(8), Epoch(1), "cut")).ok());
    ASSERT_EQ(bases(world), (std::vector<int64_t>{0, 5}));
    world.kill();
    world.disk().replace(LogWorld::path(10, log_suffix), last);
    Log& log = world.open();
    EXPECT_EQ(log.log_end(), Offset(8));
    EXPECT_EQ(numbers(world, log), range(0, 8));
    EXPECT_EQ(bases(world), (std::vector<int64_t>{0, 5}));
    EXPECT_EQ(world.run(list_graveyard(&world.world(), LogWorld::directory()))->size(), 1u) << "it was buried before";
}

TEST(Recovery, RefusesALogAllOfWhoseSegmentsWereCutAway) {
    LogWorld world;
    make_three_segments(world);
    std::vector<uint8_t> last = world.disk().read(LogWorld::path(10, log_suffix));
    ASSERT_TRUE(world.run(world.open().cut(Offset(8), Epoch(1), "cut")).ok());
    world.kill();
    for (int64_t base : bases(world)) world.disk().remove(LogWorld::path(base, log_suffix));
    world.disk().replace(LogWorld::path(10, log_suffix), last);
    Result<Log*> log = world.try_open();
    ASSERT_FALSE(log.ok());
    EXPECT_THAT(world.report.problem, HasSubstr("every segment begins in an epoch that had ended"));
}

TEST(Recovery, WithoutMarksReadsEverySegmentAndStartsWithTheFirst) {
    LogWorld world;
    make_three_segments(world);
    ASSERT_TRUE(world.run(world.open().delete_before(Offset(7))).ok());
    world.kill();
    world.disk().remove("data/marks-0");
    Log& log = world.open();
    EXPECT_EQ(world.report.frames_scanned, 10u);
    EXPECT_EQ(log.log_start(), Offset(5));
    EXPECT_EQ(numbers(world, log), range(5, 15));
    ASSERT_EQ(log.epoch_starts().size(), 1u);
    EXPECT_EQ(log.epoch_starts().front(), (EpochStart{Epoch(0), Offset(5)}));
}

// A log of 15 records that retention has removed, all of them.
void make_emptied(LogWorld& world) {
    Log& log = world.begin();
    for (int number = 0; number < 15; ++number)
        world.append(log, {long_value(number)}, {ProducerId(4), ProducerEpoch(0), number});
    world.make_durable(log);
    log.note_watermarks(log.log_end(), log.log_end());
    log.change_settings([&] { LogSettings old = world.settings; old.retention_ms = 1; return old; }());
    EXPECT_EQ(world.run(log.apply_retention(Timestamp(world.now().milliseconds + 1000))).value(), 15);
    EXPECT_TRUE(bases(world).empty());
    world.stop();
}

TEST(Recovery, OfALogWhoseRecordsWereAllDeletedGoesOnWithItsOffsets) {
    for (bool has_marks : {true, false}) {
        LogWorld world;
        make_emptied(world);
        if (!has_marks) world.disk().remove("data/marks-0");
        Log& log = world.begin();
        EXPECT_EQ(world.report.problem.find("the log goes on with record 15") != std::string::npos, !has_marks);
        EXPECT_EQ(log.log_start(), Offset(15));
        EXPECT_EQ(log.producers().last_sequence(ProducerId(4), ProducerEpoch(0)), 14);
        append_durable(world, log, 15, 17);
        world.kill();
        EXPECT_EQ(numbers(world, world.open()), range(15, 17));
    }
}

TEST(Recovery, WithoutASnapshotReadsEverySegmentAndRemembersTheProducers) {
    LogWorld world;
    Log& before = world.begin();
    for (int number = 0; number < 15; ++number)
        world.append(before, {long_value(number)}, {ProducerId(4), ProducerEpoch(0), number});
    world.make_durable(before);
    world.stop();
    ASSERT_FALSE(bases(world, producers_suffix).empty());
    for (int64_t at : bases(world, producers_suffix)) world.disk().remove(LogWorld::path(at, producers_suffix));
    Log& log = world.open();
    EXPECT_EQ(world.report.frames_scanned, 15u);
    EXPECT_EQ(log.producers().last_sequence(ProducerId(4), ProducerEpoch(0)), 14);
    EXPECT_EQ(numbers(world, log), range(0, 15));
}

TEST(Recovery, TakesAnOlderSnapshotWhenTheNewestIsDamaged) {
    LogWorld world;
    make_three_segments(world);
    std::vector<int64_t> places = bases(world, producers_suffix);
    ASSERT_EQ(places, (std::vector<int64_t>{5, 10}));
    world.disk().rot(LogWorld::path(10, producers_suffix), 20);
    EXPECT_EQ(numbers(world, world.open()), range(0, 15));
    EXPECT_EQ(world.report.frames_scanned, 10u) << "from record 5 on";
}

TEST(Recovery, DoesNotBelieveASnapshotOfAnotherPlace) {
    LogWorld world;
    make_three_segments(world);
    world.disk().replace(LogWorld::path(10, producers_suffix), world.disk().read(LogWorld::path(5, producers_suffix)));
    world.disk().remove(LogWorld::path(5, producers_suffix));
    EXPECT_EQ(numbers(world, world.open()), range(0, 15));
    EXPECT_EQ(world.report.frames_scanned, 15u);
}

TEST(Recovery, WithoutAnIndexOrWithADamagedOneMakesItAnew) {
    for (bool missing : {true, false}) {
        LogWorld world;
        make_three_segments(world);
        for (int64_t base : bases(world, index_suffix)) {
            std::string path = LogWorld::path(base, index_suffix);
            missing ? world.disk().remove(path) : world.disk().rot(path, 30);
        }
        Log& log = world.open();
        EXPECT_EQ(numbers(world, log), range(0, 15));
        Result<std::optional<TimestampOffset>> latest = world.run(log.find_max_timestamp());
        ASSERT_TRUE(latest.ok() && latest->has_value());
        EXPECT_EQ((*latest)->offset, Offset(14));
    }
}

TEST(Recovery, DoesNotBelieveAnIndexOfOtherFrames) {
    LogWorld world;
    make_three_segments(world);
    std::vector<uint8_t> index = world.disk().read(LogWorld::path(5, index_suffix));
    ASSERT_TRUE(world.run(world.open().cut(Offset(8), Epoch(1), "cut")).ok());
    world.kill();
    Log& other = world.begin();
    append_durable(world, other, 80, 87);
    world.stop();
    ASSERT_EQ(bases(world), (std::vector<int64_t>{0, 5, 10}));
    world.disk().replace(LogWorld::path(5, index_suffix), index);
    Numbers expected = range(0, 8);
    for (int number : range(80, 87)) expected.push_back(number);
    Log& log = world.open();
    EXPECT_EQ(numbers(world, log), expected);
    EXPECT_EQ(world.run(log.find_timestamp(Timestamp(1081))).value()->offset, Offset(9));
}

TEST(Recovery, RemovesFilesWithUnfinishedNames) {
    LogWorld world;
    make_three_segments(world);
    std::string unfinished = LogWorld::path(15, log_suffix) + new_suffix;
    world.disk().replace(unfinished, std::vector<uint8_t>(100, 'x'));
    EXPECT_EQ(numbers(world, world.open()), range(0, 15));
    EXPECT_FALSE(world.disk().exists(unfinished));
}

// Where the frames end

TEST(Recovery, RefusesDamageBelowTheDurableFloor) {
    LogWorld world;
    make_three_segments(world);
    const uint64_t position = position_of(world, 10, 12);
    world.disk().rot(LogWorld::path(10, log_suffix), position + 700);
    expect_refused(world,
                   "at byte " + std::to_string(position) +
                       ": record 12 is missing or damaged, and records up to "
                       "14 were promised to be on disk. Restore it from a copy; or, with the broker stopped, accept "
                       "the loss with ",
                   LogWorld::path(10, log_suffix));
    EXPECT_EQ(world.report.end, ScanEnd::damaged);
}

TEST(Recovery, WithoutMarksRefusesDamageBelowACheckpoint) {
    LogWorld world;
    make_three_segments(world);
    world.disk().remove("data/marks-0");
    world.disk().rot(LogWorld::path(5, log_suffix), position_of(world, 5, 9) + 700);
    world.disk().remove(LogWorld::path(10, log_suffix));
    expect_refused(world, "record 9 is missing or damaged, and records up to 9 were promised");
}

TEST(Recovery, WithoutMarksAndCheckpointsRefusesDamageBelowALaterSegment) {
    LogWorld world;
    make_three_segments(world);
    world.disk().remove("data/marks-0");
    for (int64_t at : bases(world, producers_suffix)) world.disk().remove(LogWorld::path(at, producers_suffix));
    world.disk().rot(LogWorld::path(5, log_suffix), position_of(world, 5, 9) + 700);
    expect_refused(world, "record 9 is missing or damaged, and records up to 9 were promised");
}

TEST(Recovery, RefusesDamageBelowAPromiseThatStandsBehindIt) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 3);  // the third round promises the first two
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), position_of(world, 0, 1) + 700);
    expect_refused(world, "record 1 is missing or damaged, and records up to 1 were promised");
}

TEST(Recovery, RefusesWhereTheDiskCannotRead) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 2);
    world.wait_for_marks();
    world.append_unsynced(before, {long_value(2)});
    world.kill();
    world.disk().fail_reads(LogWorld::path(0, log_suffix), position_of(world, 0, 2));
    expect_refused(world, "the disk cannot read what stands behind record 1. Try again. Restore it from a copy");
}

TEST(Recovery, EndsBeforeATornFrame) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 2);
    world.wait_for_marks();
    world.append_unsynced(before, {long_value(2)});
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), position_of(world, 0, 2) + 700);
    Log& log = world.begin();
    EXPECT_EQ(world.report.end, ScanEnd::torn);
    EXPECT_EQ(world.report.records_buried, 0u);
    EXPECT_EQ(numbers(world, log), range(0, 2));
    append_durable(world, log, 2, 4);
    world.kill();
    EXPECT_EQ(numbers(world, world.open()), range(0, 4));
}

TEST(Recovery, BuriesGoodRecordsBehindATornFrame) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 2);
    world.wait_for_marks();
    for (int number = 2; number < 5; ++number) world.append_unsynced(before, {long_value(number)});
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), position_of(world, 0, 2) + 700);
    EXPECT_EQ(numbers(world, world.open()), range(0, 2));
    EXPECT_EQ(world.report.end, ScanEnd::torn);
    EXPECT_EQ(world.report.records_buried, 2u);
    Result<std::vector<std::string>> graves = world.run(list_graveyard(&world.world(), LogWorld::directory()));
    ASSERT_TRUE(graves.ok());
    ASSERT_EQ(graves->size(), 1u);
    std::vector<uint8_t> grave = world.disk().read(LogWorld::directory() + "/graveyard/" + graves->front());
    for (int number : {3, 4}) EXPECT_THAT(as_text(grave), HasSubstr(long_value(number)));
}

TEST(Recovery, OpensEvenIfTheDiskIsTooFullForAGrave) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 2);
    world.wait_for_marks();
    for (int number = 2; number < 5; ++number) world.append_unsynced(before, {long_value(number)});
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), position_of(world, 0, 2) + 700);
    world.start();
    world.disk().set_capacity(world.disk().used_bytes());
    EXPECT_EQ(numbers(world, world.open()), range(0, 2));
    EXPECT_EQ(world.report.records_buried, 0u);
    EXPECT_THAT(world.report.problem, HasSubstr("2 records that were never synced are lost: the disk is full"));
}

TEST(Recovery, EndsCleanlyBeforeWhatAnEarlierUseOfTheFileLeft) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 10);
    ASSERT_TRUE(world.run(before.delete_before(Offset(5))).ok());
    ASSERT_EQ(world.store().context().counters.segments_reused, 0u);
    append_durable(world, before, 10, 11);
    ASSERT_EQ(world.counters().segments_reused, 1u) << "the first segment has got another life";
    ASSERT_GT(end_of_written(world, LogWorld::path(10, log_suffix)), 5 * block_size);
    world.kill();
    EXPECT_EQ(numbers(world, world.open()), range(5, 11));
    EXPECT_EQ(world.report.end, ScanEnd::left_over);
    EXPECT_EQ(world.report.records_buried, 0u);
}

TEST(Recovery, EndsAtACutBeforeTheOldFrames) {
    LogWorld world;
    make_three_segments(world);
    ASSERT_TRUE(world.run(world.open().cut(Offset(11), Epoch(1), "cut")).ok());
    world.kill();
    EXPECT_EQ(numbers(world, world.open()), range(0, 11));
    EXPECT_EQ(world.report.records_buried, 0u);
}

TEST(Recovery, KeepsWhatWasWrittenAndNeverSynced) {
    LogWorld world;
    Log& before = world.begin();
    for (int number = 0; number < 3; ++number) world.append_unsynced(before, {long_value(number)});
    world.kill();
    Log& log = world.open();
    EXPECT_EQ(numbers(world, log), range(0, 3));
    EXPECT_EQ(log.durable_end(), Offset(3));
    world.lose_power();
    EXPECT_EQ(numbers(world, world.open()), range(0, 3)) << "what was recovered once is durable";
}

TEST(Recovery, DoesNotTrustWhatAFailedSyncLeftInTheCache) {
    LogWorld world;
    Log& before = world.begin();
    world.append_unsynced(before, {long_value(0)});
    world.append_unsynced(before, {long_value(1)});
    world.disk().fail_next_sync(LogWorld::path(0, log_suffix));
    EXPECT_EQ(world.run(before.reach_durable(Offset(2), never)).error().code, ErrorCode::storage_error);
    world.kill();
    Log& log = world.open();
    const Numbers found = numbers(world, log);
    world.disk().evict();
    world.lose_power();
    EXPECT_EQ(numbers(world, world.open()), found);
}

// A log with one record that is durable, and one that is only in the cache: its sync has failed.
void make_failed_sync(LogWorld& world) {
    Log& before = world.begin();
    append_durable(world, before, 0, 1);
    world.append_unsynced(before, {long_value(1)});
    world.disk().fail_next_sync(LogWorld::path(0, log_suffix));
    EXPECT_EQ(world.run(before.reach_durable(Offset(2), never)).error().code, ErrorCode::storage_error);
    world.kill();
}

TEST(Recovery, GoesOnBeforeWhatTheCacheForgetsWhileItIsRead) {
    LogWorld measured;
    make_failed_sync(measured);
    const Instant begin = measured.simulation().now();
    measured.open();
    const Duration taken = measured.simulation().now() - begin;
    std::set<Numbers> found;
    constexpr int instants = 200;
    for (int at = 0; at <= instants; ++at) {
        LogWorld world;
        make_failed_sync(world);
        world.simulation().schedule(world.simulation().now() + taken * at / instants,
                                    [&world] { world.disk().evict(); });
        Log& log = world.open();
        const Numbers kept = numbers(world, log);
        found.insert(kept);
        world.begin_epoch(log);
        append_durable(world, log, static_cast<int>(kept.size()), 5);
        world.lose_power();
        EXPECT_EQ(numbers(world, world.open()), range(0, 5)) << "forgotten after " << at << " of " << instants;
    }
    EXPECT_EQ(found, (std::set<Numbers>{range(0, 1), range(0, 2)})) << "the instants are not those of the reading";
}

TEST(Recovery, ForgetsEpochsThatBeganBehindTheEnd) {
    LogWorld world;
    Log& before = world.begin();
    append_durable(world, before, 0, 2);
    world.append_unsynced(before, {long_value(2)});
    world.begin_epoch(before);
    ASSERT_EQ(before.epoch_starts().back(), (EpochStart{Epoch(1), Offset(3)}));
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), position_of(world, 0, 2) + 700);
    Log& log = world.open();
    EXPECT_EQ(log.log_end(), Offset(2));
    EXPECT_EQ(log.epoch_starts().back(), (EpochStart{Epoch(0), Offset(0)}));
    EXPECT_EQ(log.last_epoch(), Epoch(1)) << "no epoch is used twice";
}

}  // namespace
}  // namespace ironbark::log
