#include "log/tail.h"

#include <gtest/gtest.h>

#include <cstring>

#include "log/limits.h"
#include "tests/log/printing.h"

namespace ironbark::log {
namespace {

constexpr uint64_t tail_seed = 42;

class TailTest : public testing::Test {
  protected:
    // A frame of one record, whose bytes are all its offset.
    void add(size_t size) {
        if (!tail.has_room(size)) {
            if (!tail.empty()) end_chunk();
            tail.start_chunk(Offset(0), position, size);
        }
        MutableBytes place = tail.reserve(size);
        std::memset(place.data(), static_cast<int>(next.value), place.size());
        tail.commit(next, next + 1, size);
        next = next + 1;
        position += size;
    }
    void end_chunk() {
        position += tail.pad(tail_seed, Offset(0), Epoch(0));
        tail.close_chunk();
    }
    std::string read(Offset from, Offset limit = Offset(INT64_MAX), size_t bytes_max = SIZE_MAX) {
        slices.clear();
        reached = tail.read(from, limit, bytes_max, slices);
        std::string text;
        for (const BufferSlice& slice : slices) text += as_text(slice.bytes());
        return text;
    }
    static std::string frames(std::initializer_list<std::pair<int, size_t>> list) {
        std::string text;
        for (const auto& [offset, size] : list) text += std::string(size, static_cast<char>(offset));
        return text;
    }

    BufferPool buffers;
    Tail tail{buffers};
    Offset next{10};
    uint64_t position = block_size;
    std::vector<BufferSlice> slices;
    Offset reached;
};

TEST_F(TailTest, HoldsNothingAtFirst) {
    EXPECT_TRUE(tail.empty());
    EXPECT_EQ(tail.first_offset(Offset(77)), Offset(77));
    EXPECT_EQ(read(Offset(5)), "");
    EXPECT_EQ(reached, Offset(5));
    EXPECT_EQ(tail.memory_bytes(), 0u);
    EXPECT_EQ(tail.drop_oldest_written(), 0u);
}

TEST_F(TailTest, GivesFramesBackAsOneSlice) {
    add(100);
    add(200);
    add(300);
    EXPECT_EQ(read(Offset(10)), frames({{10, 100}, {11, 200}, {12, 300}}));
    EXPECT_EQ(slices.size(), 1u) << "they touch";
    EXPECT_EQ(reached, Offset(13));
    EXPECT_EQ(read(Offset(11)), frames({{11, 200}, {12, 300}}));
    EXPECT_EQ(tail.first_offset(Offset(77)), Offset(10));
}

TEST_F(TailTest, EndsBeforeALimitAndBeforeTooManyBytes) {
    add(100);
    add(200);
    add(300);
    EXPECT_EQ(read(Offset(10), Offset(12)), frames({{10, 100}, {11, 200}}));
    EXPECT_EQ(read(Offset(10), Offset(10)), "");
    EXPECT_EQ(read(Offset(10), Offset(99), 300), frames({{10, 100}, {11, 200}}));
    EXPECT_EQ(reached, Offset(12));
    EXPECT_EQ(read(Offset(11), Offset(99), 1), frames({{11, 200}})) << "at least one";
}

TEST_F(TailTest, SkipsPadsBetweenFrames) {
    add(100);
    position += tail.pad(tail_seed, Offset(0), Epoch(0));
    add(200);
    EXPECT_EQ(read(Offset(10)), frames({{10, 100}, {11, 200}}));
    EXPECT_EQ(slices.size(), 2u);
}

TEST_F(TailTest, PadsToABlockBoundaryOnce) {
    add(100);
    EXPECT_EQ(tail.pad(tail_seed, Offset(3), Epoch(2)), block_size - 100);
    EXPECT_EQ(tail.pad(tail_seed, Offset(3), Epoch(2)), 0u);
    const Chunk& chunk = tail.chunks().back();
    Result<record::FrameView> pad =
        record::parse_frame(Bytes(chunk.buffer->data() + 100, block_size - 100), tail_seed);
    ASSERT_TRUE(pad.ok());
    EXPECT_EQ(pad->header.base_offset, Offset(3));
    EXPECT_EQ(pad->header.leader_epoch, Epoch(2));
}

TEST_F(TailTest, PadsEvenAFrameThatEndsOnABlockBoundary) {
    add(block_size);
    EXPECT_EQ(tail.pad(tail_seed, Offset(0), Epoch(0)), block_size);
    EXPECT_EQ(pad_end(block_size - 64), block_size);
    EXPECT_EQ(pad_end(block_size - 63), 2 * block_size) << "no room for a header";
}

TEST_F(TailTest, ChunksGrowWithTheTraffic) {
    std::vector<size_t> sizes;
    for (int number = 0; number < 400; ++number) add(10'000);
    for (const Chunk& chunk : tail.chunks()) sizes.push_back(chunk.capacity);
    EXPECT_EQ(sizes.front(), chunk_size_min);
    EXPECT_EQ(sizes.back(), chunk_size_max);
    EXPECT_TRUE(std::is_sorted(sizes.begin(), sizes.end()));
}

TEST_F(TailTest, AFrameThatIsLargerThanAChunkGetsOneOfItsOwn) {
    add(100);
    add(chunk_size_max + 1);
    EXPECT_EQ(read(Offset(11)).size(), chunk_size_max + 1);
    EXPECT_EQ(tail.chunks().size(), 2u);
}

TEST_F(TailTest, KnowsWhatIsNotWritten) {
    add(100);
    EXPECT_EQ(tail.unwritten_bytes(), 100u);
    tail.pad(tail_seed, Offset(0), Epoch(0));
    EXPECT_EQ(tail.unwritten_bytes(), block_size);
    tail.note_written(Offset(0), block_size);
    EXPECT_EQ(tail.unwritten_bytes(), 0u);
    EXPECT_EQ(tail.chunks().front().written, block_size);
}

TEST_F(TailTest, ForgetsTheOldestChunkOnlyWhenAllOfItIsWritten) {
    for (int number = 0; number < 4; ++number) add(10'000);
    end_chunk();
    ASSERT_GE(tail.chunks().size(), 2u);
    const size_t memory = tail.memory_bytes();
    EXPECT_EQ(tail.drop_oldest_written(), 0u);
    const size_t first = tail.chunks().front().used;
    tail.note_written(Offset(0), first - block_size);
    EXPECT_EQ(tail.drop_oldest_written(), 0u) << "a block is missing";
    tail.note_written(Offset(0), block_size);
    EXPECT_EQ(tail.drop_oldest_written(), chunk_size_min);
    EXPECT_EQ(tail.memory_bytes(), memory - chunk_size_min);
    EXPECT_EQ(tail.first_offset(Offset(0)), Offset(11));
}

TEST_F(TailTest, ReadersKeepTheBytesOfAChunkThatIsForgotten) {
    add(100);
    tail.pad(tail_seed, Offset(0), Epoch(0));
    std::string before = read(Offset(10));
    tail.note_written(Offset(0), block_size);
    tail.close_chunk();
    EXPECT_GT(tail.drop_oldest_written(), 0u);
    EXPECT_TRUE(tail.empty());
    EXPECT_EQ(as_text(slices.front().bytes()), before);
}

TEST_F(TailTest, ClearForgetsEverything) {
    add(100);
    end_chunk();
    tail.clear();
    EXPECT_TRUE(tail.empty());
    EXPECT_EQ(tail.memory_bytes() + tail.unwritten_bytes(), 0u);
    add(200);
    EXPECT_EQ(read(Offset(11)), frames({{11, 200}}));
}

}  // namespace
}  // namespace ironbark::log
