#include "log/snapshot.h"

#include <gtest/gtest.h>

#include "tests/log/printing.h"
#include "tests/log/record/samples.h"

namespace ironbark::log {
namespace {

using record::from_hex;
using record::sample_partition;
using record::sample_time;
using record::to_hex;

const Floor sample_place{Offset(77), Offset(42), 81920, 0x1122334455667788, Epoch(3)};

record::FrameView frame(int64_t id, int16_t epoch, int32_t sequence, int32_t count, int64_t base, int64_t time) {
    record::FrameView view;
    view.header.base_offset = Offset(base);
    view.header.leader_epoch = Epoch(3);
    view.header.append_time = Timestamp(sample_time + time);
    view.batch.producer_id = ProducerId(id);
    view.batch.producer_epoch = ProducerEpoch(epoch);
    view.batch.base_sequence = sequence;
    view.batch.last_offset_delta = count - 1;
    return view;
}

std::vector<uint8_t> sample_snapshot() {
    Producers producers;
    producers.apply(frame(4711, 2, 0, 5, 42, 500));
    producers.apply(frame(4712, 0, INT32_MAX, 2, 47, 600));
    producers.apply(frame(4712, 0, 1, 1, 49, 700));
    return encode_snapshot(sample_partition, sample_place, Timestamp(sample_time + 1000), producers.encode());
}

// Computed by another program (Python's struct, and libxxhash).
TEST(Snapshot, HasTheseBytes) {
    std::vector<uint8_t> golden = from_hex(
        "e6fa18f7102c33a3 23494250524f4431 4d00000000000000 2a00000000000000 0040010000000000 8877665544332211 03000000"
        "e86be5cf8b010000 02000000"
        "6712000000000000 0200 01"
        "00000000 04000000 2a00000000000000 2e00000000000000 03000000 f469e5cf8b010000"
        "6812000000000000 0000 02"
        "ffffff7f 00000000 2f00000000000000 3000000000000000 03000000 586ae5cf8b010000"
        "01000000 01000000 3100000000000000 3100000000000000 03000000 bc6ae5cf8b010000");
    EXPECT_EQ(to_hex(sample_snapshot()), to_hex(golden));
}

TEST(Snapshot, GivesPlaceTimeAndProducersBack) {
    Result<ProducersSnapshot> snapshot = decode_snapshot(sample_snapshot(), sample_partition);
    ASSERT_TRUE(snapshot.ok());
    EXPECT_EQ(snapshot->place, sample_place);
    EXPECT_EQ(snapshot->last_append_time, Timestamp(sample_time + 1000));
    EXPECT_EQ(snapshot->producers.size(), 2u);
    EXPECT_EQ(snapshot->producers.last_sequence(ProducerId(4711), ProducerEpoch(2)), 4);
    EXPECT_EQ(snapshot->producers.last_sequence(ProducerId(4712), ProducerEpoch(0)), 1);
}

TEST(Snapshot, WithAnyFlippedBitOrCutOffIsRefused) {
    std::vector<uint8_t> bytes = sample_snapshot();
    for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_EQ(decode_snapshot(bytes, sample_partition).error().code, ErrorCode::corrupt_data) << "bit " << bit;
        bytes[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
    for (size_t size = 0; size < bytes.size(); ++size) {
        EXPECT_FALSE(decode_snapshot(Bytes(bytes).first(size), sample_partition).ok()) << "size " << size;
    }
}

TEST(Snapshot, OfAnotherPartitionIsRefused) {
    PartitionIdentity other = sample_partition;
    other.partition = PartitionIndex(8);
    EXPECT_FALSE(decode_snapshot(sample_snapshot(), other).ok());
}

TEST(Snapshot, OfImpossibleProducersIsRefused) {
    auto decode = [](const std::string& producers) {
        std::vector<uint8_t> bytes = from_hex(producers);
        return decode_snapshot(encode_snapshot(sample_partition, sample_place, Timestamp(), bytes), sample_partition)
            .ok();
    };
    const std::string id = "6712000000000000 0200";
    const std::string batch = "00000000 04000000 2a00000000000000 2e00000000000000 03000000 0000000000000000";
    EXPECT_TRUE(decode("00000000"));
    EXPECT_TRUE(decode("01000000" + id + "01" + batch));
    EXPECT_FALSE(decode("")) << "no count";
    EXPECT_FALSE(decode("01000000")) << "nothing behind the count";
    EXPECT_FALSE(decode("01000000" + id + "00")) << "a producer without a batch";
    EXPECT_FALSE(decode("01000000" + id + "06" + batch + batch + batch + batch + batch + batch)) << "six batches";
    EXPECT_FALSE(decode("01000000" + id + "02" + batch)) << "a batch is missing";
    EXPECT_FALSE(decode("01000000" + id + "01" + batch + "00")) << "a byte too many";
    EXPECT_FALSE(decode("ffffffff" + id + "01" + batch)) << "an absurd count";
}

}  // namespace
}  // namespace ironbark::log
