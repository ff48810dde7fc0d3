// A log that follows another one: frames as the leader stamped them.
#include <gtest/gtest.h>

#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

std::string value(int number) {
    return std::to_string(number) + std::string(1000, '.');
}

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
            leader.append(*theirs, {value(number)}, {ProducerId(4), ProducerEpoch(0), number});
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

}  // namespace
}  // namespace ironbark::log
