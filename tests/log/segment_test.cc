#include "log/segment.h"

#include <gtest/gtest.h>

#include "tests/log/printing.h"
#include "tests/log/record/samples.h"

namespace ironbark::log {
namespace {

using record::from_hex;
using record::sample_partition;
using record::to_hex;

SegmentHead sample_head() {
    SegmentHead head;
    head.base = Offset(42);
    head.previous_base = Offset(17);
    head.chain_before = 0x1122334455667788;
    head.epoch_before = Epoch(3);
    head.created = Timestamp(record::sample_time);
    return head;
}

std::vector<uint8_t> sample_block() {
    std::vector<uint8_t> block(block_size, 0xff);
    encode_head(block, sample_partition, sample_head());
    return block;
}

// Computed by another program (Python's struct, and libxxhash).
TEST(SegmentHead, HasTheseBytes) {
    std::vector<uint8_t> golden = from_hex(
        "c0668a7b5c4fcfc2 2349494253454731 0f1e2d3c4b5a469788796a5b4c3d2e1f 07000000 00000000 2a00000000000000"
        "1100000000000000 8877665544332211 03000000 00000000 0068e5cf8b010000");
    golden.resize(block_size);
    EXPECT_EQ(to_hex(sample_block()), to_hex(golden));
}

TEST(SegmentHead, GivesItsFieldsBack) {
    Result<SegmentHead> head = decode_head(sample_block(), sample_partition, Offset(42));
    ASSERT_TRUE(head.ok()) << head.error().text;
    EXPECT_EQ(*head, sample_head());
}

TEST(SegmentHead, WithAnyFlippedBitIsRefused) {
    std::vector<uint8_t> block = sample_block();
    for (size_t bit = 0; bit < block.size() * 8; bit += bit < 100 * 8 ? 1 : 331) {
        block[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_FALSE(decode_head(block, sample_partition, Offset(42)).ok()) << "bit " << bit;
        block[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
}

TEST(SegmentHead, ThatIsCutOffIsRefused) {
    std::vector<uint8_t> block = sample_block();
    for (size_t size : {size_t{0}, size_t{8}, size_t{80}, block_size - 1}) {
        Result<SegmentHead> head = decode_head(Bytes(block).first(size), sample_partition, Offset(42));
        ASSERT_FALSE(head.ok());
        EXPECT_STREQ(head.error().text, "the segment is shorter than its head");
    }
}

TEST(SegmentHead, OfAnotherPartitionOrOffsetIsForeign) {
    PartitionIdentity other = sample_partition;
    other.partition = PartitionIndex(8);
    EXPECT_EQ(decode_head(sample_block(), other, Offset(42)).error().code, ErrorCode::foreign_data);
    EXPECT_EQ(decode_head(sample_block(), sample_partition, Offset(43)).error().code, ErrorCode::foreign_data);
}

TEST(SegmentFileName, SortsAsOffsetsDo) {
    EXPECT_EQ(segment_file_name(Offset(42), log_suffix), "00000000000000000042.log");
    EXPECT_LT(segment_file_name(Offset(9), log_suffix), segment_file_name(Offset(10), log_suffix));
    EXPECT_EQ(segment_file_name(Offset(INT64_MAX), index_suffix), "09223372036854775807.index");
}

TEST(SegmentFileName, GivesItsOffsetBack) {
    for (int64_t offset : {int64_t{0}, int64_t{42}, INT64_MAX}) {
        EXPECT_EQ(offset_of_file_name(segment_file_name(Offset(offset), log_suffix), log_suffix), Offset(offset));
    }
}

TEST(SegmentFileName, IsNothingElse) {
    for (const char* name : {"", ".log", "42.log", "00000000000000000042", "00000000000000000042.index",
                             "00000000000000000042.log.new", "0000000000000000004x.log", "-0000000000000000042.log",
                             "99999999999999999999.log", "000000000000000000042.log"}) {
        EXPECT_EQ(offset_of_file_name(name, log_suffix), std::nullopt) << name;
    }
}

}  // namespace
}  // namespace ironbark::log
