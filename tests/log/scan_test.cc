// The table of log/scan.h, on a segment that is put together frame by frame.
#include "log/scan.h"

#include <gtest/gtest.h>

#include "tests/log/log_world.h"
#include "tests/log/record/samples.h"

namespace ironbark::log {
namespace {

constexpr const char* scan_path = "data/segment";
const uint64_t scan_seed = here.seed();

class ScanTest : public testing::Test {
  protected:
    ScanTest() {
        node.boot();
        EXPECT_TRUE(node.run(node.world().disk.make_directory("data")).ok());
    }

    // A frame of `count` records that goes on from the last one made.
    void frame(int count = 1, int32_t epoch = 0, size_t size = 100) {
        Values values(static_cast<size_t>(count), std::string(size, 'v'));
        std::vector<uint8_t> made = make_frame(here, values, Timestamp(1000));
        chain = record::stamp(made, scan_seed, {.base_offset = next, .leader_epoch = Epoch(epoch), .chain = chain});
        next = next + count;
        positions.push_back(block_size + bytes.size());
        put(made);
    }
    // Fills the block, and promises what was durable.
    void pad(int64_t durable_end = -1, int32_t epoch = 0) {
        size_t end = round_up(bytes.size() + record::frame_header_size, block_size);
        std::vector<uint8_t> made(end - bytes.size());
        record::make_pad(made, scan_seed, Offset(durable_end), Epoch(epoch));
        put(made);
    }
    void put(const std::vector<uint8_t>& more) { bytes.insert(bytes.end(), more.begin(), more.end()); }
    void skip_to_block() { bytes.resize(round_up(bytes.size(), block_size)); }
    uint64_t end() const { return block_size + bytes.size(); }

    // Scans up to the limit, and then looks behind the place where the frames end.
    ScanResult scan(Offset limit = Offset(INT64_MAX), uint64_t look_bytes = unsynced_bytes_max) {
        std::vector<uint8_t> file(block_size);
        file.insert(file.end(), bytes.begin(), bytes.end());
        file.resize(round_up(file.size(), block_size) + 8 * block_size);
        node.disk().replace(scan_path, file);
        if (unreadable) node.disk().fail_reads(scan_path, *unreadable);
        visited.clear();
        node.run(scan_file(this, limit, look_bytes));
        return result;
    }
    Beyond look(uint64_t look_bytes) {
        scan(Offset(INT64_MAX), look_bytes);
        return beyond;
    }

    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
    std::vector<uint8_t> bytes;  // behind the head
    std::vector<uint64_t> positions;
    std::vector<EpochStart> starts;
    ScanPlace from;
    Offset next;
    uint64_t chain = 0;
    std::vector<std::pair<int64_t, uint64_t>> visited;
    std::optional<uint64_t> unreadable;
    size_t window = 64 * 1024;

    ScanResult result;
    Beyond beyond;
    size_t unreadable_blocks = 0;

  private:
    static Task<void> scan_file(ScanTest* test, Offset limit, uint64_t look_bytes) {
        World& world = test->node.world();
        Result<std::unique_ptr<File>> file = co_await world.disk.open(scan_path, OpenMode::read, true);
        Result<uint64_t> size = co_await (*file)->size();
        WindowReader reader(**file, world.buffers, *size, test->window);
        ScanVisitor visit = [test](const record::FrameView& frame, uint64_t position) {
            test->visited.emplace_back(frame.header.base_offset.value, position);
        };
        Result<ScanResult> scanned =
            co_await scan_segment(&reader, scan_seed, test->from, limit, test->starts, std::move(visit));
        test->result = scanned.value();
        Result<Beyond> found = co_await look_beyond(&reader, scan_seed, test->result.place, test->starts, look_bytes);
        test->beyond = found.value();
        test->unreadable_blocks = reader.unreadable_blocks();
        co_await (*file)->close();
    }
};

TEST_F(ScanTest, OfNothingEndsCleanlyWhereItBegan) {
    EXPECT_EQ(scan().end, ScanEnd::clean);
    EXPECT_EQ(result.place.offset, Offset(0));
    EXPECT_EQ(result.place.position, block_size);
    EXPECT_EQ(result.frames, 0u);
}

TEST_F(ScanTest, PassesFramesAndPadsToTheEnd) {
    frame(2);
    frame(3);
    pad();
    frame(1, 1, 3 * block_size);
    pad(-1, 1);
    for (size_t size : {block_size, uint64_t{64} * 1024}) {
        window = size;
        EXPECT_EQ(scan().end, ScanEnd::clean);
        EXPECT_EQ(visited, (std::vector<std::pair<int64_t, uint64_t>>{
                               {0, positions[0]}, {2, positions[1]}, {5, positions[2]}}));
        EXPECT_EQ(result.place.offset, Offset(6));
        EXPECT_EQ(result.place.position, end());
        EXPECT_EQ(result.place.chain, chain);
        EXPECT_EQ(result.place.epoch, Epoch(1));
    }
}

TEST_F(ScanTest, GoesOnAtTheNextBlockAfterARecovery) {
    frame();
    skip_to_block();
    frame();
    pad();
    EXPECT_EQ(scan().frames, 2u);
    EXPECT_EQ(result.place.position, end());
}

TEST_F(ScanTest, DoesNotJumpOverABlockOfZeros) {
    frame();
    pad();
    put(std::vector<uint8_t>(block_size));
    frame();
    EXPECT_EQ(scan().frames, 1u);
    EXPECT_EQ(result.end, ScanEnd::clean);
}

TEST_F(ScanTest, EndsAtALimitBehindItsPad) {
    frame();
    pad();
    frame();
    pad();
    EXPECT_EQ(scan(Offset(1)).frames, 1u);
    EXPECT_EQ(result.place.position, positions[1]);
    EXPECT_EQ(result.end, ScanEnd::clean);
}

TEST_F(ScanTest, StartsAtAPlace) {
    frame();
    pad();
    ScanPlace second{next, end(), chain, Epoch(0)};
    frame();
    from = second;
    EXPECT_EQ(scan().frames, 1u);
    from.chain ^= 1;
    EXPECT_EQ(scan().frames, 0u) << "not the chain that is expected";
    EXPECT_EQ(result.end, ScanEnd::left_over);
}

TEST_F(ScanTest, OfAFrameWithAnotherOffsetEndsBeforeIt) {
    frame();
    next = Offset(7);
    frame();
    EXPECT_EQ(scan().frames, 1u);
    EXPECT_EQ(result.end, ScanEnd::left_over);
}

TEST_F(ScanTest, OfAFrameWithAnotherChainEndsBeforeIt) {
    frame();
    chain = 99;
    frame();
    EXPECT_EQ(scan().frames, 1u);
    EXPECT_EQ(result.end, ScanEnd::left_over);
}

TEST_F(ScanTest, OfAFrameWithALowerEpochEndsBeforeIt) {
    frame(1, 5);
    frame(1, 4);
    EXPECT_EQ(scan().frames, 1u);
    EXPECT_EQ(result.end, ScanEnd::left_over);
}

TEST_F(ScanTest, OfAFrameBeyondTheStartOfTheNextEpochEndsBeforeIt) {
    starts = {{Epoch(0), Offset(0)}, {Epoch(2), Offset(2)}};
    frame(1, 0);
    frame(1, 1);
    frame(1, 1);
    EXPECT_EQ(scan().frames, 2u);
    EXPECT_EQ(result.end, ScanEnd::left_over);
}

TEST_F(ScanTest, OfAFrameWithDamageIsTorn) {
    frame();
    frame();
    pad();
    for (uint64_t at : {uint64_t{3}, uint64_t{70}, uint64_t{180}}) {
        std::vector<uint8_t> good = bytes;
        bytes[positions[1] - block_size + at] ^= 1;
        EXPECT_EQ(scan().frames, 1u) << at;
        EXPECT_EQ(result.end, ScanEnd::torn) << at;
        bytes = good;
    }
}

TEST_F(ScanTest, OfAFrameWhoseEndIsMissingIsTorn) {
    frame(1, 0, 20 * block_size);
    bytes.resize(block_size);
    EXPECT_EQ(scan().frames, 0u);
    EXPECT_EQ(result.end, ScanEnd::torn);
}

TEST_F(ScanTest, TakesABlockThatCannotBeReadForTorn) {
    frame();
    pad();
    frame();
    pad();
    unreadable = positions[1];
    EXPECT_EQ(scan().frames, 1u);
    EXPECT_EQ(unreadable_blocks, 1u);
}

TEST_F(ScanTest, AddsUpWhatPadsPromised) {
    frame();
    pad(0);
    uint64_t first_round = end();
    frame();
    pad(1);
    frame();
    pad(1);
    scan();
    EXPECT_EQ(result.promised, Offset(1));
    EXPECT_EQ(result.proven.position, first_round);
    EXPECT_EQ(result.proven.offset, Offset(1));
}

TEST_F(ScanTest, BelievesPromisesUpToTheStartOfTheNextEpoch) {
    starts = {{Epoch(0), Offset(0)}, {Epoch(1), Offset(1)}};
    frame(1, 0);
    pad(50, 0);
    EXPECT_EQ(scan().promised, Offset(1));
}

TEST_F(ScanTest, DoesNotTakeAPadForItsOwnThatEndsInsideABlockOrIsOfAnEpochBefore) {
    frame(1, 3);
    std::vector<uint8_t> odd(100);
    record::make_pad(odd, scan_seed, Offset(1), Epoch(3));
    put(odd);
    EXPECT_EQ(scan().promised, Offset(0));
    bytes.resize(bytes.size() - odd.size());
    pad(1, 2);
    EXPECT_EQ(scan().promised, Offset(0));
}

TEST_F(ScanTest, FindsGoodFramesBeyondATornOne) {
    frame();
    pad(0);
    frame(1);
    pad(1);
    frame(2);
    pad(1);
    bytes[positions[1] - block_size + 180] ^= 1;
    EXPECT_EQ(scan().end, ScanEnd::torn);
    EXPECT_EQ(beyond.stray_records, 2u);
    EXPECT_GT(beyond.stray_end, positions[2]);
    EXPECT_EQ(beyond.promised, Offset(1)) << "no more than is there";
}

TEST_F(ScanTest, FindsThePromiseThatShowsDamage) {
    for (int round = 0; round < 4; ++round) {
        frame();
        pad(round);
    }
    bytes[positions[1] - block_size + 180] ^= 1;
    EXPECT_EQ(scan().end, ScanEnd::torn);
    EXPECT_EQ(result.place.offset, Offset(1));
    EXPECT_EQ(beyond.promised, Offset(2)) << "the first that is too high is enough";
}

TEST_F(ScanTest, LooksNoFurtherThanItIsTold) {
    frame();
    pad(0);
    for (int round = 0; round < 3; ++round) put(std::vector<uint8_t>(block_size));
    next = Offset(9);
    frame();
    pad(9);
    EXPECT_EQ(look(2 * block_size).promised, Offset(0));
    EXPECT_EQ(look(8 * block_size).promised, Offset(9));
}

TEST_F(ScanTest, DoesNotCountFramesOfAnEarlierUseAsStrays) {
    next = Offset(10);
    from = {Offset(10), block_size, 0, Epoch(3)};
    frame(1, 3);
    pad(-1, 3);
    next = Offset(4);
    frame(1, 3);  // before the end
    pad();
    next = Offset(40);
    frame(1, 2);  // of an epoch before
    pad();
    EXPECT_EQ(scan().end, ScanEnd::left_over);
    EXPECT_EQ(beyond.stray_records, 0u);
}

TEST(EpochLimit, IsWhereTheNextKnownEpochStarts) {
    std::vector<EpochStart> starts{{Epoch(1), Offset(0)}, {Epoch(4), Offset(10)}, {Epoch(6), Offset(10)}};
    EXPECT_EQ(epoch_limit(starts, Epoch(0)), Offset(0));
    EXPECT_EQ(epoch_limit(starts, Epoch(1)), Offset(10));
    EXPECT_EQ(epoch_limit(starts, Epoch(3)), Offset(10));
    EXPECT_EQ(epoch_limit(starts, Epoch(5)), Offset(10));
    EXPECT_EQ(epoch_limit(starts, Epoch(6)), Offset(INT64_MAX));
    EXPECT_EQ(epoch_limit({}, Epoch(0)), Offset(INT64_MAX));
}

}  // namespace
}  // namespace ironbark::log
