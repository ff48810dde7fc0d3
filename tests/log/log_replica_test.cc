// A log that follows another one: frames as the leader stamped them.
#include <gtest/gtest.h>

#include "log/graveyard.h"
#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

// A leader's log and a follower's, on two machines.
class Replica : public testing::Test {
  protected:
    Replica() : log(&world.open()), theirs(&leader.open()) {}

    // The leader begins the epoch, if it has not, and appends `count` records, one a batch.
    void lead(int count, int epoch) {
        if (Epoch(epoch) > theirs->last_epoch()) {
            ASSERT_TRUE(leader.run(theirs->begin_epoch(Epoch(epoch))).ok());
        }
        for (; count > 0; --count, ++number) {
            leader.append(*theirs, {long_value(number)}, {ProducerId(4), ProducerEpoch(0), number});
        }
    }
    Result<Appended> take(const record::FrameView& frame) { return world.run(log->append_replica(frame)); }
    // The follower takes what it has not, up to `end`.
    void follow(Offset end = Offset(INT64_MAX)) {
        while (log->log_end() < std::min(end, theirs->log_end())) {
            ReadFrames read = leader.run(theirs->read(log->log_end(), end, 10'000)).value();
            for (const record::FrameView& frame : frames_in(read, here)) {
                Appended appended = take(frame).value();
                ASSERT_EQ(appended.base, frame.header.base_offset);
                ASSERT_EQ(appended.last + 1, frame.next_offset());
                ASSERT_EQ(appended.append_time, frame.header.append_time);
            }
        }
    }
    // A frame as some leader might stamp it.
    std::vector<uint8_t> stamped(const record::Stamp& stamp, const Values& values = {"x"}) {
        std::vector<uint8_t> frame = make_frame(here, values, Timestamp(7));
        record::stamp(frame, here.seed(), stamp);
        return frame;
    }
    ErrorCode refusal_of(const record::Stamp& stamp) {
        std::vector<uint8_t> bytes = stamped(stamp);
        Result<Appended> appended = take(record::parse_frame(bytes, here.seed()).value());
        return appended.ok() ? ErrorCode::none : appended.error().code;
    }
    void expect_same_frames() {
        auto bytes = [](LogWorld& machine, Log& of) {
            std::vector<uint8_t> all;
            for (Offset at = of.log_start(); at < of.log_end();) {
                ReadFrames read = machine.run(of.read(at, of.log_end(), 10'000)).value();
                for (const record::FrameView& frame : frames_in(read, here)) {
                    all.insert(all.end(), frame.bytes.begin(), frame.bytes.end());
                }
                at = read.next;
            }
            return all;
        };
        EXPECT_EQ(log->log_end(), theirs->log_end());
        EXPECT_EQ(log->last_checksum(), theirs->last_checksum());
        EXPECT_TRUE(bytes(world, *log) == bytes(leader, *theirs)) << "byte by byte";
        EXPECT_EQ(log->epoch_starts(), theirs->epoch_starts());
        EXPECT_EQ(log->producers().encode(), theirs->producers().encode());
    }
    void reopen(simulation::Crash how = simulation::Crash::power_loss) {
        world.crash(how);
        log = &world.open();
    }

    LogWorld world;
    LogWorld leader;
    Log* log;
    Log* theirs;
    int number = 0;
};

TEST_F(Replica, HasTheFramesOfItsLeader) {
    lead(4, 2);
    lead(3, 5);
    lead(2, 6);
    follow();
    expect_same_frames();
    EXPECT_EQ(log->last_epoch(), Epoch(6));
    world.make_durable(*log);
    reopen();
    expect_same_frames();
}

TEST_F(Replica, GoesOnAfterACrash) {
    for (int epoch = 1; epoch < 12; ++epoch) {
        lead(3, epoch);
        follow();
        if (epoch % 2 == 0) world.make_durable(*log);
        reopen(epoch % 3 == 0 ? simulation::Crash::kill : simulation::Crash::power_loss);
        follow();
        expect_same_frames();
    }
}

// No new epoch begins with the recovery: what is left of the torn frame would be of the right one.
TEST_F(Replica, GoesOnBehindATornFrameInTheSameEpoch) {
    LogSettings eager = log->settings();
    eager.write_behind_bytes = 8000;
    log->change_settings(eager);
    lead(1, 2);
    leader.append(*theirs, {std::string(6000, 'x'), "torn"});
    follow();
    ASSERT_TRUE(world.simulation().run_until([this] { return log->written_end() == Offset(3); }, 1s));
    world.kill();
    world.disk().rot(LogWorld::path(0, log_suffix), 2 * block_size + 100);
    log = &world.open();
    ASSERT_EQ(log->log_end(), Offset(1));
    EXPECT_EQ(world.report.end, ScanEnd::torn);
    follow();
    world.make_durable(*log);
    while (log->release_memory() > 0) continue;
    expect_same_frames();
    reopen();
    expect_same_frames();
}

TEST_F(Replica, TakesNothingThatIsNotItsNextFrame) {
    lead(3, 2);
    follow();
    const uint64_t chain = log->last_checksum();
    EXPECT_EQ(refusal_of({Offset(4), Epoch(2), chain}), ErrorCode::offset_out_of_range);
    EXPECT_EQ(refusal_of({Offset(2), Epoch(2), chain}), ErrorCode::offset_out_of_range);
    EXPECT_EQ(refusal_of({Offset(3), Epoch(2), chain + 1}), ErrorCode::corrupt_data);
    EXPECT_EQ(refusal_of({Offset(3), Epoch(1), chain}), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(log->log_end(), Offset(3));
    EXPECT_FALSE(log->has_failed());
    EXPECT_EQ(refusal_of({Offset(3), Epoch(2), chain}), ErrorCode::none);
}

TEST_F(Replica, TakesNoFrameOfAnEpochBeforeTheLastOneThatBegan) {
    lead(3, 2);
    follow();
    ASSERT_TRUE(world.run(log->begin_epoch(Epoch(9))).ok());
    EXPECT_EQ(refusal_of({Offset(3), Epoch(8), log->last_checksum()}), ErrorCode::fenced_leader_epoch);
    EXPECT_EQ(refusal_of({Offset(3), Epoch(9), log->last_checksum()}), ErrorCode::none);
    EXPECT_EQ(log->epoch_starts().back(), (EpochStart{Epoch(9), Offset(3)}));
}

TEST_F(Replica, TakesNothingAfterAFailure) {
    lead(2, 0);
    follow();
    world.make_durable(*log);
    lead(1, 0);
    follow();
    world.disk().fail_next_write(LogWorld::path(0, log_suffix));
    EXPECT_EQ(world.run(log->reach_durable(Offset(3), never)).error().code, ErrorCode::storage_error);
    EXPECT_EQ(refusal_of({Offset(3), Epoch(0), log->last_checksum()}), ErrorCode::storage_error);
}

TEST_F(Replica, KeepsTheLeadersAppendTimes) {
    std::vector<uint8_t> first = stamped({Offset(0), Epoch(1), 0, Timestamp(900)});
    EXPECT_EQ(take(record::parse_frame(first, here.seed()).value()).value().append_time, Timestamp(900));
    std::vector<uint8_t> second = stamped({Offset(1), Epoch(1), log->last_checksum(), Timestamp(950)});
    EXPECT_EQ(take(record::parse_frame(second, here.seed()).value()).value().append_time, Timestamp(950));
    // Who leads next has a clock that is behind.
    ASSERT_TRUE(world.run(log->begin_epoch(Epoch(2))).ok());
    std::vector<uint8_t> own = make_frame(here, {"own"}, Timestamp(7));
    Result<Appended> appended =
        world.run(log->append(record::parse_frame(own, here.seed()).value(), Epoch(2), Timestamp(100)));
    EXPECT_EQ(appended.value().append_time, Timestamp(950));
}

TEST_F(Replica, KnowsWhereEpochsEnd) {
    EXPECT_EQ(log->end_of_epoch(Epoch(3)).epoch, Epoch(-1));
    EXPECT_EQ(log->end_of_epoch(Epoch(3)).end, Offset(0));
    lead(4, 2);
    lead(3, 5);
    lead(2, 6);
    follow();
    auto end_of = [this](int epoch) {
        Log::EpochEnd end = log->end_of_epoch(Epoch(epoch));
        return std::pair(end.epoch.value, end.end.value);
    };
    EXPECT_EQ(end_of(1), std::pair(-1, int64_t{0}));
    EXPECT_EQ(end_of(2), std::pair(2, int64_t{4}));
    EXPECT_EQ(end_of(4), std::pair(2, int64_t{4}));
    EXPECT_EQ(end_of(5), std::pair(5, int64_t{7}));
    EXPECT_EQ(end_of(6), std::pair(6, int64_t{9}));
    EXPECT_EQ(end_of(70), std::pair(6, int64_t{9}));
}

// Recovery reads nothing before a checkpoint: where the epochs began is in the marks before that is written.
TEST_F(Replica, KnowsItsEpochsFromACheckpointOn) {
    lead(1, 2);
    lead(1, 3);
    follow();
    world.make_durable(*log);
    world.wait_for_marks();
    lead(2, 4);
    follow();
    ASSERT_TRUE(world.run(log->checkpoint()).ok());
    reopen();
    EXPECT_EQ(world.report.frames_scanned, 0u);
    expect_same_frames();
}

TEST_F(Replica, KnowsItsEpochsFromACheckpointOnThatIsMadeAfterARecovery) {
    lead(1, 2);
    follow();
    world.make_durable(*log);
    world.wait_for_marks();
    lead(2, 4);
    follow();
    world.make_durable(*log);
    reopen();
    EXPECT_EQ(world.report.frames_scanned, 3u);
    ASSERT_TRUE(world.run(log->checkpoint()).ok());
    reopen();
    EXPECT_EQ(world.report.frames_scanned, 0u);
    expect_same_frames();
}

// Where a log starts anew

TEST_F(Replica, StartsWhereTheLeadersLogDoes) {
    lead(20, 2);
    lead(7, 4);
    for (int start : {0, 3, 9, 20, 23, 27}) {
        ASSERT_TRUE(leader.run(theirs->delete_before(Offset(start))).ok());
        Log::ReplicaStart place = leader.run(theirs->replica_start()).value();
        EXPECT_EQ(place.base, Offset(start));
        EXPECT_EQ(place.log_start, Offset(start));
        EXPECT_EQ(place.epoch_before, Epoch(start == 0 ? -1 : start <= 20 ? 2 : 4));
        ASSERT_TRUE(world.run(log->restart(place, "a test")).ok());
        EXPECT_EQ(log->log_start(), Offset(start));
        EXPECT_EQ(log->log_end(), Offset(start));
        EXPECT_EQ(log->last_epoch(), place.epoch_before);
        reopen();
        EXPECT_EQ(log->log_end(), Offset(start));
        EXPECT_EQ(log->last_checksum(), place.chain);
        follow();
        world.make_durable(*log);
        EXPECT_EQ(log->log_end(), theirs->log_end());
        EXPECT_EQ(log->producers().encode(), theirs->producers().encode());
        reopen();
        EXPECT_EQ(world.values(*log), leader.values(*theirs));
        EXPECT_EQ(log->producers().encode(), theirs->producers().encode());
        EXPECT_EQ(log->end_of_epoch(Epoch(4)).end, Offset(27));
        if (start <= 20) {
            EXPECT_EQ(log->end_of_epoch(Epoch(3)).end, Offset(20)) << "of an epoch before the start, too";
        }
    }
}

TEST_F(Replica, StartsInTheMiddleOfAFrame) {
    lead(2, 2);
    leader.append(*theirs, {"2", "3", "4"});
    lead(1, 2);
    ASSERT_TRUE(leader.run(theirs->delete_before(Offset(4))).ok());
    Log::ReplicaStart start = leader.run(theirs->replica_start()).value();
    EXPECT_EQ(start.base, Offset(2));
    EXPECT_EQ(start.log_start, Offset(4));
    ASSERT_TRUE(world.run(log->restart(start, "a test")).ok());
    for (bool is_reopened : {false, true}) {
        if (is_reopened) reopen();
        EXPECT_EQ(log->log_start(), Offset(4));
        EXPECT_EQ(log->log_end(), Offset(2)) << "the frame that holds the start comes next";
        EXPECT_TRUE(world.run(log->delete_before(Offset(4))).ok());
        EXPECT_EQ(world.run(log->apply_retention(world.now())).value(), 0);
    }
    ReadFrames read = leader.run(theirs->read(Offset(4), Offset(6), 10'000)).value();
    for (const record::FrameView& frame : frames_in(read, here)) ASSERT_TRUE(take(frame).ok());
    world.make_durable(*log);
    reopen();
    EXPECT_EQ(world.values(*log), leader.values(*theirs));
    EXPECT_EQ(log->log_start(), Offset(4));
}

TEST_F(Replica, BuriesWhatItHadWhenItStartsAnew) {
    lead(15, 2);
    follow();
    world.make_durable(*log);
    ASSERT_TRUE(world.run(log->delete_before(Offset(6))).ok());
    const std::vector<uint8_t> last = world.disk().read(LogWorld::path(10, log_suffix));
    ASSERT_TRUE(world.run(log->restart({Offset(100), 77, Epoch(9), Offset(100), {}}, "no epoch in common")).ok());
    std::vector<std::string> graves = world.run(list_graveyard(&world.world(), LogWorld::directory())).value();
    ASSERT_EQ(graves.size(), 1u);
    const std::string graveyard = LogWorld::directory() + "/graveyard/";
    BuriedRange range = world.run(read_buried_head(&world.world(), graveyard + graves.front())).value();
    EXPECT_EQ(range.first, Offset(6));
    EXPECT_EQ(range.end, Offset(15));
    EXPECT_EQ(range.segments, 2);
    EXPECT_EQ(range.reason, "no epoch in common");
    const std::string time = graves.front().substr(0, 21);
    EXPECT_TRUE(world.disk().exists(graveyard + time + "00000000000000000005.segment"));
    EXPECT_EQ(world.disk().read(graveyard + time + "00000000000000000010.segment"), last) << "as it was";
    EXPECT_FALSE(world.disk().exists(LogWorld::path(10, log_suffix)));
    EXPECT_EQ(log->high_watermark(), Offset(100));
    EXPECT_TRUE(world.values(*log).empty());
}

TEST_F(Replica, ThatIsThereAlreadyDoesNotStartAnew) {
    world.wait_for_marks();
    const uint64_t changes = world.disk().changes();
    ASSERT_TRUE(world.run(log->restart({}, "a test")).ok());
    EXPECT_EQ(world.disk().changes(), changes);
    EXPECT_TRUE(world.files().empty());
    EXPECT_EQ(refusal_of({Offset(0), Epoch(3), 0}), ErrorCode::none);
}

TEST_F(Replica, DoesNotStartInAPlaceThatIsNone) {
    lead(3, 2);
    follow();
    EXPECT_EQ(world.run(log->restart({Offset(5), 1, Epoch(1), Offset(4), {}}, "")).error().code,
              ErrorCode::invalid_request);
    EXPECT_EQ(world.run(log->restart({Offset(5), 1, Epoch(1), Offset(5), {1, 2}}, "")).error().code,
              ErrorCode::corrupt_data);
    EXPECT_EQ(log->log_end(), Offset(3));
    EXPECT_FALSE(log->has_failed());
}

TEST_F(Replica, OnAFullDiskDoesNotStartAnew) {
    lead(6, 2);
    follow();
    world.make_durable(*log);
    world.disk().set_capacity(world.disk().used_bytes());
    EXPECT_EQ(world.run(log->restart({Offset(50), 1, Epoch(1), Offset(50), {}}, "")).error().code,
              ErrorCode::storage_full);
    EXPECT_FALSE(log->has_failed());
    expect_same_frames();
    reopen();
    expect_same_frames();
}

TEST_F(Replica, ThatFailsOnItsWayToANewStartShowsNothingAndGetsThereWithTheNextOpening) {
    lead(6, 2);
    follow();
    world.make_durable(*log);
    world.wait_for_marks();
    world.disk().fail_next_write("data/marks-0");
    EXPECT_FALSE(world.run(log->restart({Offset(50), 1, Epoch(1), Offset(50), {}}, "")).ok());
    EXPECT_TRUE(log->has_failed());
    EXPECT_EQ(world.run(log->read(Offset(0), Offset(6), 1)).error().code, ErrorCode::offset_out_of_range);
    reopen();
    expect_same_frames();
    EXPECT_FALSE(log->has_failed());
}

// Files that retention gave to the pool hold frames and promises of offsets that the log gives out again.
TEST_F(Replica, ThatStartsLowerThanBeforeTakesNoFileOfItsOwnFromThePool) {
    lead(20, 7);
    follow();
    world.make_durable(*log);
    ASSERT_TRUE(world.run(log->delete_before(Offset(15))).ok());
    ASSERT_TRUE(world.run(log->restart({Offset(3), 5, Epoch(1), Offset(3), {}}, "a test")).ok());
    for (int round = 0; round < 2; ++round) {
        ASSERT_EQ(refusal_of({log->log_end(), Epoch(1), log->last_checksum()}), ErrorCode::none);
        world.make_durable(*log);
        reopen();
        EXPECT_EQ(world.counters().segments_reused, 0u);
    }
    EXPECT_EQ(log->log_end(), Offset(5));
    EXPECT_EQ(world.store().marks().find(here)->abandoned_end, Offset(15));
    // Behind that end they are as good as any.
    ASSERT_TRUE(world.run(log->restart({Offset(15), 5, Epoch(1), Offset(15), {}}, "a test")).ok());
    ASSERT_EQ(refusal_of({log->log_end(), Epoch(1), log->last_checksum()}), ErrorCode::none);
    world.make_durable(*log);
    EXPECT_EQ(world.counters().segments_reused, 1u);
    log->update_marks();
    EXPECT_EQ(world.store().marks().find(here)->abandoned_end, Offset(0));
}

}  // namespace
}  // namespace ironbark::log
