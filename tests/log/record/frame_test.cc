#include "log/record/frame.h"

#include <gtest/gtest.h>
#include <limits>

#include "runtime/base/checksum.h"
#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {


std::vector<uint8_t> stamped_frame() {
    std::vector<uint8_t> frame = sample_frame();
    stamp(frame, sample_seed, sample_stamp);
    return frame;
}

std::vector<uint8_t> pad_frame(size_t size) {
    std::vector<uint8_t> pad(size, 0xff);
    make_pad(pad, sample_seed);
    return pad;
}

// Changes bytes of a frame and puts the right header checksum back, so that only the check in question can refuse it.
template <typename Number>
std::vector<uint8_t> with_little(std::vector<uint8_t> frame, size_t position, Number number) {
    store_le(frame.data() + position, number);
    bool is_pad = (load_le<uint32_t>(frame.data() + 44) & flag_pad) != 0;
    store_le(frame.data(), xxh3(Bytes(frame).subspan(8, (is_pad ? 64 : 125) - 8), sample_seed));
    return frame;
}
template <typename Number>
std::vector<uint8_t> with_big(std::vector<uint8_t> frame, size_t position, Number number) {
    return with_little(std::move(frame), position, byte_swap(number));
}

void expect_refused(const std::vector<uint8_t>& frame, std::string_view text) {
    Result<FrameView> parsed = parse_frame(frame, sample_seed);
    ASSERT_FALSE(parsed.ok()) << "expected: " << text;
    EXPECT_EQ(parsed.error().code, ErrorCode::corrupt_data);
    EXPECT_EQ(parsed.error().text, text);
}

// The golden bytes were computed by another program (Python's struct, libxxhash, and CRC-32C bit by bit).
constexpr char golden_payload[] =
    "0000 00000001 0000018bcfe56800 0000018bcfe56803 ffffffffffffffff ffff ffffffff 00000002"
    "18 00 00 00 02 6b 0a 68656c6c6f 00  1c 00 06 02 01 0a 776f726c64 02 02 68 01";

TEST(Frame, HasTheseBytesWhenAProducerSendsIt) {
    std::vector<uint8_t> head = from_hex(
        "0b0af5840c37fa29 49424631 99000000 d31696e60ed67e97 0000000000000000 ffffffffffffffff ffffffff 00000000"
        "0000000000000000 0000000000000000  0000000000000000 0000004d ffffffff 02 8d43ee4e");
    EXPECT_EQ(to_hex(sample_frame()), to_hex(head) + to_hex(from_hex(golden_payload)));
}

TEST(Frame, HasTheseBytesWhenALeaderHasStampedIt) {
    std::vector<uint8_t> head = from_hex(
        "ba40a310f6f98071 49424631 99000000 d31696e60ed67e97 8877665544332211 2900000000000000 03000000 00000000"
        "e86be5cf8b010000 0000000000000000  0000000000000029 0000004d 00000003 02 8d43ee4e");
    EXPECT_EQ(to_hex(stamped_frame()), to_hex(head) + to_hex(from_hex(golden_payload)));
}

TEST(Pad, HasTheseBytes) {
    std::vector<uint8_t> golden = from_hex(
        "2c3331e398d0b4e2 49424631 48000000 0000000000000000 0000000000000000 ffffffffffffffff ffffffff 01000000"
        "0000000000000000 0000000000000000  0000000000000000");
    EXPECT_EQ(to_hex(pad_frame(72)), to_hex(golden));
}

TEST(Pad, HasTheseBytesWithThePromiseOfADurableEnd) {
    std::vector<uint8_t> golden = from_hex(
        "98e142d07a5b6fff 49424631 48000000 0000000000000000 0000000000000000 2900000000000000 03000000 01000000"
        "0000000000000000 0000000000000000  0000000000000000");
    std::vector<uint8_t> pad(72, 0xff);
    make_pad(pad, sample_seed, Offset(41), Epoch(3));
    EXPECT_EQ(to_hex(pad), to_hex(golden));
    Result<FrameView> parsed = parse_frame(pad, sample_seed);
    ASSERT_TRUE(parsed.ok()) << parsed.error().text;
    EXPECT_EQ(parsed->header.base_offset, Offset(41));
    EXPECT_EQ(parsed->header.leader_epoch, Epoch(3));
}

TEST(Frame, GivesItsFieldsBack) {
    std::vector<uint8_t> bytes = stamped_frame();
    Result<FrameView> frame = parse_frame(bytes, sample_seed);
    ASSERT_TRUE(frame.ok()) << frame.error().text;
    EXPECT_TRUE(frame->is_stamped());
    EXPECT_FALSE(frame->header.is_pad());
    EXPECT_EQ(frame->header.length, bytes.size());
    EXPECT_EQ(frame->header.chain, sample_stamp.chain);
    EXPECT_EQ(frame->header.base_offset, Offset(41));
    EXPECT_EQ(frame->header.leader_epoch, Epoch(3));
    EXPECT_EQ(frame->header.append_time, sample_stamp.append_time);
    EXPECT_EQ(frame->batch.records_count, 2);
    EXPECT_EQ(frame->batch.max_timestamp, Timestamp(sample_time + 3));
    EXPECT_EQ(frame->next_offset(), Offset(43));
    EXPECT_EQ(frame->batch_bytes().size() + frame_header_size, bytes.size());
    EXPECT_EQ(to_hex(frame->record_bytes()), to_hex(sample_records));
}

TEST(Frame, StampReturnsTheChecksumThatTheNextFrameNames) {
    std::vector<uint8_t> bytes = sample_frame();
    uint64_t checksum = stamp(bytes, sample_seed, sample_stamp);
    EXPECT_EQ(parse_frame(bytes, sample_seed)->header.checksum, checksum);
}

TEST(Frame, StampLeavesPayloadAndCrcAsTheProducerMadeThem) {
    std::vector<uint8_t> before = sample_frame();
    std::vector<uint8_t> after = stamped_frame();
    EXPECT_EQ(to_hex(Bytes(before).subspan(80)), to_hex(Bytes(after).subspan(80)));
    EXPECT_EQ(batch_crc(Bytes(after).subspan(64)), decode_batch_header(Bytes(after).subspan(64)).crc);
}

TEST(Frame, StampedAgainCarriesTheNewStamp) {
    std::vector<uint8_t> bytes = stamped_frame();
    stamp(bytes, sample_seed, {.base_offset = Offset(50), .leader_epoch = Epoch(4), .flags = flag_chain_restarts});
    Result<FrameView> frame = parse_frame(bytes, sample_seed);
    ASSERT_TRUE(frame.ok()) << frame.error().text;
    EXPECT_EQ(frame->header.base_offset, Offset(50));
    EXPECT_EQ(frame->header.flags, flag_chain_restarts);
}

TEST(Frame, EndsBeforeWhatFollowsIt) {
    std::vector<uint8_t> bytes = stamped_frame();
    size_t size = bytes.size();
    bytes.resize(size + 1000, 0xab);
    EXPECT_EQ(parse_frame(bytes, sample_seed)->bytes.size(), size);
}

TEST(Frame, HeaderIsVerifiedWithoutThePayload) {
    std::vector<uint8_t> bytes = stamped_frame();
    Result<FrameView> frame = parse_header(Bytes(bytes).first(frame_prefix_size), sample_seed);
    ASSERT_TRUE(frame.ok());
    EXPECT_EQ(frame->header.length, bytes.size());
    EXPECT_EQ(frame->bytes.size(), frame_prefix_size);
}

TEST(Frame, AnyFlippedBitIsDetected) {
    for (std::vector<uint8_t> bytes : {sample_frame(), stamped_frame()}) {
        for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
            bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
            EXPECT_FALSE(parse_frame(bytes, sample_seed).ok()) << "bit " << bit;
            bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        }
    }
}

TEST(Frame, AnyFlippedBitInThePadsHeaderIsDetected) {
    std::vector<uint8_t> bytes = pad_frame(frame_header_size);
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_FALSE(parse_frame(bytes, sample_seed).ok()) << "bit " << bit;
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
}

TEST(Frame, AnyTruncationIsDetected) {
    for (const std::vector<uint8_t>& bytes : {sample_frame(), pad_frame(200)}) {
        for (size_t size = 0; size < bytes.size(); ++size) {
            std::vector<uint8_t> part(bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(size));
            EXPECT_FALSE(parse_frame(part, sample_seed).ok()) << "size " << size;
        }
    }
}

TEST(Frame, OfAnotherPartitionIsRefused) {
    PartitionIdentity other = sample_partition;
    other.partition = PartitionIndex(8);
    EXPECT_EQ(parse_frame(stamped_frame(), other.seed()).error().code, ErrorCode::corrupt_data);
    EXPECT_EQ(parse_frame(pad_frame(64), other.seed()).error().code, ErrorCode::corrupt_data);
}

TEST(Frame, WithFlagsOfTheLowHalfThatNobodyKnowsIsRefused) {
    expect_refused(with_little(stamped_frame(), 44, uint32_t{8}),
                   "the frame has a flag that this version does not know");
}

TEST(Frame, WithFlagsOfTheHighHalfThatNobodyKnowsIsAccepted) {
    EXPECT_TRUE(parse_frame(with_little(stamped_frame(), 44, uint32_t{0x80010000}), sample_seed).ok());
}

TEST(Frame, WithSomethingInTheZeroFieldIsRefused) {
    expect_refused(with_little(stamped_frame(), 56, uint64_t{1}), "the frame's last eight bytes are not zero");
}

TEST(Frame, OfAnotherVersionIsRefused) {
    expect_refused(with_little(stamped_frame(), 8, uint32_t{0x32464249}), "the bytes are not a frame");
}

TEST(Frame, ThatDisagreesWithItsBatchIsRefused) {
    const std::vector<uint8_t> frame = stamped_frame();
    expect_refused(with_little(frame, 12, uint32_t{152}), "frame and batch disagree on the length");
    expect_refused(with_big(frame, 64 + 8, int32_t{76}), "frame and batch disagree on the length");
    expect_refused(with_little(frame, 32, int64_t{42}), "frame and batch disagree on the base offset");
    expect_refused(with_little(frame, 40, int32_t{4}), "frame and batch disagree on the leader epoch");
}

TEST(Frame, WithNegativeStampIsRefused) {
    const std::vector<uint8_t> frame = stamped_frame();
    expect_refused(with_little(frame, 32, int64_t{-2}), "the frame's base offset is negative");
    expect_refused(with_little(frame, 40, int32_t{-1}), "the frame's leader epoch is negative");
    expect_refused(with_little(frame, 48, int64_t{-1}), "the frame's append time is negative");
}

TEST(Frame, StampedInPartIsRefused) {
    const std::vector<uint8_t> frame = sample_frame();
    expect_refused(with_little(frame, 40, int32_t{1}), "the frame is stamped in part");
    expect_refused(with_little(frame, 24, uint64_t{1}), "the frame is stamped in part");
    expect_refused(with_little(frame, 48, int64_t{1}), "the frame is stamped in part");
    expect_refused(with_little(frame, 44, flag_chain_restarts), "the frame has flags but no offset");
    expect_refused(with_big(frame, 64, int64_t{5}), "the frame has no offset but its batch has one");
    expect_refused(with_big(frame, 64 + 12, int32_t{0}), "the frame has no epoch but its batch has one");
}

TEST(Frame, WithABatchThatCannotBeIsRefused) {
    const std::vector<uint8_t> frame = stamped_frame();
    expect_refused(with_big(frame, 64 + 16, int8_t{1}), "the batch is not of format 2, the only one that is supported");
    expect_refused(with_big(frame, 64 + 8, int32_t{48}), "the batch is shorter than its own header");
    expect_refused(with_big(frame, 64 + 8, int32_t{-1}), "the batch is shorter than its own header");
    expect_refused(with_big(frame, 64 + 8, int32_t{16 << 20}), "the batch claims to be larger than any batch may be");
    expect_refused(with_big(frame, 64 + 23, int32_t{-1}), "the batch has a negative last offset");
    expect_refused(with_big(frame, 64 + 57, int32_t{-1}), "the batch has a negative number of records");
    expect_refused(with_big(frame, 64 + 57, int32_t{3}), "the batch has more records than offsets");
    expect_refused(with_big(frame, 64, int64_t{-1}), "the batch has a negative base offset");
    expect_refused(with_big(frame, 64, std::numeric_limits<int64_t>::max() - 1),
                   "the batch's offsets do not fit into 63 bits");
}

TEST(Frame, WithGapsIsAcceptedOnlyWhenMarkedAsCompacted) {
    std::vector<uint8_t> frame = with_big(stamped_frame(), 64 + 57, int32_t{1});
    frame = with_little(frame, 16, xxh3(Bytes(frame).subspan(85), 0));
    expect_refused(frame,
                   "the number of records is not the number of offsets, and the frame is not marked as compacted");
    Result<FrameView> compacted = parse_frame(with_little(frame, 44, flag_compacted), sample_seed);
    ASSERT_TRUE(compacted.ok()) << compacted.error().text;
    EXPECT_EQ(compacted->next_offset(), Offset(43));
}

TEST(Frame, WithALargestLengthIsAcceptedAndNotOneMore) {
    std::vector<uint8_t> frame = with_big(stamped_frame(), 64 + 8, static_cast<int32_t>(batch_size_max - 12));
    frame = with_little(frame, 12, frame_size_max);
    EXPECT_TRUE(parse_header(frame, sample_seed).ok());
    expect_refused(frame, "the bytes end within a frame");
}

TEST(Pad, IsAsLongAsItSaysAndZeroBehindItsHeader) {
    std::vector<uint8_t> bytes = pad_frame(4096 - 153);
    Result<FrameView> pad = parse_frame(bytes, sample_seed);
    ASSERT_TRUE(pad.ok());
    EXPECT_TRUE(pad->header.is_pad());
    EXPECT_EQ(pad->bytes.size(), 4096u - 153);
    for (size_t position = frame_header_size; position < bytes.size(); ++position) ASSERT_EQ(bytes[position], 0);
}

TEST(Pad, OfTheSmallestSizeIsItsHeaderAlone) {
    Result<FrameView> pad = parse_frame(pad_frame(frame_header_size), sample_seed);
    ASSERT_TRUE(pad.ok());
    EXPECT_TRUE(pad->batch_bytes().empty());
}

TEST(Pad, WithWhatBelongsToABatchIsRefused) {
    const std::vector<uint8_t> pad = pad_frame(64);
    expect_refused(with_little(pad, 12, uint32_t{63}), "the pad is shorter than its own header");
    expect_refused(with_little(pad, 12, frame_size_max + 1), "the pad is longer than any frame may be");
    expect_refused(with_little(pad, 44, flag_pad | flag_compacted), "the pad has flags of a frame with a batch");
    expect_refused(with_little(pad, 16, uint64_t{1}), "the pad has fields of a frame with a batch");
    expect_refused(with_little(pad, 24, uint64_t{1}), "the pad has fields of a frame with a batch");
    expect_refused(with_little(pad, 48, int64_t{1}), "the pad has fields of a frame with a batch");
    expect_refused(with_little(pad, 32, int64_t{-2}), "the pad names a negative offset or epoch");
    expect_refused(with_little(pad, 40, int32_t{-2}), "the pad names a negative offset or epoch");
}

}  // namespace
}  // namespace ironbark::record
