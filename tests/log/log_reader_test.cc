// Reading a log, from memory and from disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "runtime/task/scope.h"
#include "tests/log/log_world.h"

namespace ironbark::log {
namespace {

std::string numbered_value(int number) {
    return std::to_string(number) + std::string(1000, '.');
}

// Records 0 to 39, one a batch, in several segments, read by a process that has none of them in memory.
class Reading : public testing::TestWithParam<bool> {
  protected:
    Reading() {
        Log& before = world.begin();
        for (int number = 0; number < 40; ++number) {
            world.append(before, {numbered_value(number)});
            if (number % 3 == 0) world.make_durable(before);
        }
        world.make_durable(before);
        if (!GetParam()) {
            world.stop();
            log = &world.open();
        } else {
            log = &before;
        }
    }
    // Which records are in what was read.
    std::vector<int> read(int from, int limit, size_t bytes_max = read_size) {
        Result<ReadFrames> read = world.run(log->read(Offset(from), Offset(limit), bytes_max));
        EXPECT_TRUE(read.ok()) << log->last_read_problem();
        std::vector<int> found;
        for (const record::FrameView& frame : frames_in(*read, here)) {
            found.push_back(static_cast<int>(frame.header.base_offset.value));
            EXPECT_EQ(values_of(frame), Values{numbered_value(found.back())});
        }
        EXPECT_EQ(read->next.value, found.empty() ? from : found.back() + 1);
        return found;
    }

    LogWorld world;
    Log* log = nullptr;
};

INSTANTIATE_TEST_SUITE_P(From, Reading, testing::Bool(), [](const auto& parameter) {
    return parameter.param ? "Memory" : "Disk";
});

TEST_P(Reading, FromAnyOffsetFindsTheRecord) {
    for (int from = 0; from < 40; ++from) EXPECT_EQ(read(from, 40, 1), std::vector<int>{from});
    for (int from = 39; from >= 0; --from) EXPECT_EQ(read(from, 40, 1), std::vector<int>{from});
}

TEST_P(Reading, InSequenceGivesEverythingOnce) {
    for (size_t bytes_max : {size_t{1}, size_t{3000}, read_size}) {
        std::vector<int> all;
        while (all.size() < 40) {
            std::vector<int> more = read(static_cast<int>(all.size()), 40, bytes_max);
            ASSERT_FALSE(more.empty());
            all.insert(all.end(), more.begin(), more.end());
        }
        for (int number = 0; number < 40; ++number) EXPECT_EQ(all[static_cast<size_t>(number)], number);
    }
}

TEST_P(Reading, EndsBelowTheLimit) {
    EXPECT_EQ(read(3, 5), (std::vector<int>{3, 4}));
    EXPECT_EQ(read(3, 3), std::vector<int>{});
    EXPECT_EQ(read(39, 1000), std::vector<int>{39}) << "the log's end is a limit, too";
    EXPECT_EQ(read(40, 1000), std::vector<int>{}) << "nothing yet";
}

TEST_P(Reading, GivesAboutAsManyBytesAsAskedAndAtLeastAFrame) {
    EXPECT_EQ(read(0, 40, 1).size(), 1u);
    EXPECT_EQ(read(0, 40, 3500), (std::vector<int>{0, 1, 2}));
}

TEST_P(Reading, OutsideTheLogIsRefused) {
    for (int from : {-1, 41}) {
        EXPECT_EQ(world.run(log->read(Offset(from), Offset(99), 1)).error().code, ErrorCode::offset_out_of_range);
    }
}

Task<void> read_all(World* world, Log* log, int step, bool* done) {
    for (Offset at(step % 40); at < Offset(40);) {
        Result<ReadFrames> read = co_await log->read(at, Offset(40), static_cast<size_t>(step) * 700);
        ASSERT(read.ok() && read->next > at);
        at = read->next;
        co_await sleep_for(world->executor, 10us * step);
    }
    *done = true;
}

TEST_P(Reading, ByManyAtOnceWorks) {
    std::deque<bool> done(50);
    for (size_t reader = 0; reader < done.size(); ++reader) {
        world.node().spawn(read_all(&world.world(), log, static_cast<int>(reader) + 1, &done[reader]));
    }
    world.simulation().run_for(10s);
    EXPECT_THAT(done, testing::Each(true));
}

class ReadingDisk : public Reading {};
INSTANTIATE_TEST_SUITE_P(From, ReadingDisk, testing::Values(false));

TEST_P(ReadingDisk, OfADamagedRecordSaysWhereAndGivesNothingWrong) {
    std::vector<uint8_t> file = world.disk().read(LogWorld::path(0, log_suffix));
    ASSERT_EQ(read(0, 1, 1), std::vector<int>{0});
    world.disk().rot(LogWorld::path(0, log_suffix), block_size + 500);
    Result<ReadFrames> damaged = world.run(log->read(Offset(0), Offset(40), 1));
    EXPECT_EQ(damaged.error().code, ErrorCode::corrupt_data);
    EXPECT_EQ(log->last_read_problem(),
              LogWorld::path(0, log_suffix) + " at byte 4096: the payload checksum does not match");
    EXPECT_EQ(world.counters().corrupt_reads, 1u);
    EXPECT_EQ(read(1, 2), std::vector<int>{1}) << "what is behind it is there";
    EXPECT_FALSE(log->has_failed());
}

TEST_P(ReadingDisk, OfAMisdirectedBlockGivesNothingWrong) {
    std::vector<uint8_t> file = world.disk().read(LogWorld::path(0, log_suffix));
    std::copy(file.begin() + 2 * block_size, file.begin() + 3 * block_size, file.begin() + block_size);
    world.disk().replace(LogWorld::path(0, log_suffix), file);
    EXPECT_EQ(world.run(log->read(Offset(0), Offset(40), 1)).error().code, ErrorCode::corrupt_data);
}

TEST_P(ReadingDisk, ThatTheDiskRefusesIsAnErrorOfThatPlaceOnly) {
    world.disk().fail_reads(LogWorld::path(0, log_suffix), block_size);
    EXPECT_EQ(world.run(log->read(Offset(0), Offset(40), 1)).error().code, ErrorCode::corrupt_data);
    EXPECT_EQ(read(30, 31), std::vector<int>{30});
}

TEST_P(ReadingDisk, InSequenceIsAheadOfTheReader) {
    const ReadAheadBudget& budget = world.store().context().read_ahead;
    EXPECT_EQ(read(0, 40, 1), std::vector<int>{0});
    EXPECT_EQ(budget.bytes, 0u) << "one read is no sequence";
    EXPECT_EQ(read(1, 40, 1), std::vector<int>{1});
    EXPECT_GT(budget.bytes, 0u);
    for (int from = 2; from < 40; ++from) EXPECT_EQ(read(from, 40, 1), std::vector<int>{from});
    ASSERT_TRUE(world.run(world.store().remove_log(here)).ok());
    EXPECT_EQ(budget.bytes, 0u) << "nothing is kept for readers of a log that is gone";
}

TEST(Tails, OfAllLogsTogetherKeepToTheirBudget) {
    LogWorld world;
    world.options.tail_bytes_max = 256 * 1024;
    Log& first = world.begin(here);
    Log& second = world.begin(there);
    for (int number = 0; number < 200; ++number) {
        for (Log* log : {&first, &second}) {
            world.append(*log, {std::string(3000, 'x')});
            world.make_durable(*log);
        }
    }
    EXPECT_LE(world.store().context().tail_bytes, world.options.tail_bytes_max + chunk_size_max);
    EXPECT_EQ(world.values(first).size(), 200u);
    EXPECT_EQ(world.values(second).size(), 200u);
}

}  // namespace
}  // namespace ironbark::log
