#include "log/segment_index.h"

#include <gtest/gtest.h>

#include "log/limits.h"
#include "tests/log/printing.h"
#include "tests/log/record/samples.h"

namespace ironbark::log {
namespace {

using record::from_hex;
using record::sample_partition;
using record::to_hex;

record::FrameView frame(int64_t base, int32_t count, int64_t max_timestamp, uint64_t checksum = 7) {
    record::FrameView view;
    view.header.base_offset = Offset(base);
    view.header.checksum = checksum;
    view.batch.last_offset_delta = count - 1;
    view.batch.max_timestamp = Timestamp(max_timestamp);
    return view;
}

// Ten frames of ten records, from offset 100 on, half an interval each; every other one is an entry.
SegmentIndex sample_index() {
    SegmentIndex index;
    index.start_at(Offset(100), 5);
    for (int64_t number = 0; number < 10; ++number) {
        index.add(frame(100 + number * 10, 10, 1000 + number, 50 + static_cast<uint64_t>(number)),
                  block_size + static_cast<uint64_t>(number) * index_interval / 2);
    }
    return index;
}

TEST(SegmentIndex, HasAnEntryForTheFirstFrameAndThenOnePerInterval) {
    SegmentIndex index = sample_index();
    for (int64_t offset : {100, 120, 140, 160, 180}) {
        const IndexEntry* entry = index.entry_before(Offset(offset));
        ASSERT_NE(entry, nullptr);
        EXPECT_EQ(entry->offset, Offset(offset));
        EXPECT_EQ(entry->position, block_size + static_cast<uint64_t>(offset - 100) / 20 * index_interval);
    }
}

TEST(SegmentIndex, FindsTheLastEntryAtOrBeforeAPosition) {
    SegmentIndex index = sample_index();
    EXPECT_EQ(index.position_before(block_size - 1), std::nullopt);
    EXPECT_EQ(index.position_before(block_size), block_size);
    EXPECT_EQ(index.position_before(block_size + index_interval - 1), block_size);
    EXPECT_EQ(index.position_before(block_size + index_interval), block_size + index_interval);
    EXPECT_EQ(index.position_before(UINT64_MAX), block_size + 4 * index_interval);
}

TEST(SegmentIndex, FindsTheLastEntryAtOrBeforeAnOffset) {
    SegmentIndex index = sample_index();
    EXPECT_EQ(index.entry_before(Offset(99)), nullptr);
    EXPECT_EQ(index.entry_before(Offset(119))->offset, Offset(100));
    EXPECT_EQ(index.entry_before(Offset(121))->offset, Offset(120));
    EXPECT_EQ(index.entry_before(Offset(5000))->offset, Offset(180));
}

TEST(SegmentIndex, NamesAnOffsetBeforeWhichNothingIsAsLateAsATime) {
    SegmentIndex index = sample_index();
    EXPECT_EQ(index.offset_before(Timestamp(0), Offset(100)), Offset(100));
    EXPECT_EQ(index.offset_before(Timestamp(1000), Offset(100)), Offset(100));
    EXPECT_EQ(index.offset_before(Timestamp(1002), Offset(100)), Offset(120)) << "frame 120 has 1002";
    EXPECT_EQ(index.offset_before(Timestamp(1003), Offset(100)), Offset(120));
    EXPECT_EQ(index.offset_before(Timestamp(9999), Offset(100)), Offset(180));
}

TEST(SegmentIndex, IsNotMisledByTimesOutOfOrder) {
    SegmentIndex index;
    index.start_at(Offset(0), 0);
    int64_t times[] = {500, 100, 900, 200, 300};
    for (int64_t number = 0; number < 5; ++number) {
        index.add(frame(number, 1, times[number]), block_size + static_cast<uint64_t>(number) * index_interval);
    }
    EXPECT_EQ(index.max_timestamp(), Timestamp(900));
    EXPECT_EQ(index.offset_of_max_timestamp(), Offset(2));
    EXPECT_EQ(index.offset_before(Timestamp(501), Offset(0)), Offset(2)) << "900 is there";
    EXPECT_EQ(index.offset_before(Timestamp(150), Offset(0)), Offset(0)) << "500 is before 200";
    EXPECT_EQ(index.offset_before(Timestamp(901), Offset(0)), Offset(4));
}

TEST(SegmentIndex, NamesTheFirstOfEqualHighestTimes) {
    SegmentIndex index;
    for (int64_t number = 0; number < 3; ++number) index.add(frame(number, 1, 77), block_size);
    EXPECT_EQ(index.offset_of_max_timestamp(), Offset(0));
}

TEST(SegmentIndex, StaysAsFarAsItReachesBehindAGap) {
    SegmentIndex index;
    index.add(frame(0, 5, 10, 8), block_size);
    index.add(frame(7, 5, 99, 9), 2 * block_size);
    EXPECT_EQ(index.covered_until(), Offset(5));
    EXPECT_EQ(index.chain(), 8u);
    EXPECT_EQ(index.max_timestamp(), Timestamp(10));
    EXPECT_TRUE(index.is_complete_to(Offset(5)));
    EXPECT_FALSE(index.is_complete_to(Offset(6)));
}

TEST(SegmentIndex, OfNothingKnowsNothing) {
    SegmentIndex index;
    index.start_at(Offset(42), 9);
    EXPECT_EQ(index.entry_before(Offset(50)), nullptr);
    EXPECT_EQ(index.offset_before(Timestamp(5), Offset(42)), Offset(42));
    EXPECT_EQ(index.max_timestamp(), Timestamp(-1));
    EXPECT_EQ(index.chain(), 9u);
    EXPECT_TRUE(index.is_complete_to(Offset(42)));
}

// Computed by another program (Python's struct, and libxxhash).
TEST(SegmentIndex, HasTheseBytes) {
    SegmentIndex index;
    index.start_at(Offset(42), 0);
    index.add(frame(42, 18, 1700000000001), block_size);
    index.add(frame(60, 17, 1700000000003, 0x1122334455667788), 70000);
    std::vector<uint8_t> golden = from_hex(
        "4c126d6411b3ded7 234942494e445831 2a00000000000000 4d00000000000000 8877665544332211 0368e5cf8b010000"
        "3c00000000000000 02000000"
        "2a00000000000000 0010000000000000 ffffffffffffffff"
        "3c00000000000000 7011010000000000 0168e5cf8b010000");
    EXPECT_EQ(to_hex(index.encode(sample_partition, Offset(42))), to_hex(golden));
}

TEST(SegmentIndex, AnswersTheSameAfterItWasWrittenAndRead) {
    SegmentIndex index = sample_index();
    std::vector<uint8_t> bytes = index.encode(sample_partition, Offset(100));
    Result<SegmentIndex> read = SegmentIndex::decode(bytes, sample_partition, Offset(100));
    ASSERT_TRUE(read.ok());
    EXPECT_EQ(read->encode(sample_partition, Offset(100)), bytes);
    read->add(frame(200, 1, 5, 99), block_size + 5 * index_interval);
    index.add(frame(200, 1, 5, 99), block_size + 5 * index_interval);
    EXPECT_EQ(read->encode(sample_partition, Offset(100)), index.encode(sample_partition, Offset(100)));
}

TEST(SegmentIndex, WithAnyFlippedBitOrCutOffIsRefused) {
    std::vector<uint8_t> bytes = sample_index().encode(sample_partition, Offset(100));
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_FALSE(SegmentIndex::decode(bytes, sample_partition, Offset(100)).ok()) << "bit " << bit;
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(SegmentIndex::decode(Bytes(bytes).first(size), sample_partition, Offset(100)).ok()) << size;
    }
    bytes.push_back(0);
    EXPECT_FALSE(SegmentIndex::decode(bytes, sample_partition, Offset(100)).ok()) << "a byte too many";
}

TEST(SegmentIndex, OfAnotherPartitionOrSegmentIsRefused) {
    std::vector<uint8_t> bytes = sample_index().encode(sample_partition, Offset(100));
    PartitionIdentity other = sample_partition;
    other.partition = PartitionIndex(8);
    EXPECT_FALSE(SegmentIndex::decode(bytes, other, Offset(100)).ok());
    EXPECT_FALSE(SegmentIndex::decode(bytes, sample_partition, Offset(0)).ok());
}

}  // namespace
}  // namespace ironbark::log
