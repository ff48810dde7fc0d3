#include "tools/offline/kafka_segment.h"

#include <gtest/gtest.h>

#include "tests/tools/offline_file.h"

namespace ironbark::tools {
namespace {

struct SegmentSample {
    processes::TemporaryDirectory directory;
    OfflineWorld offline;
    Bytestring frames;

    SegmentSample() { append_frame(frames, 43, append_frame(frames, 41, 0)); }

    static Task<Result<KafkaSegment>> write(World* world, std::string directory, Bytestring bytes) {
        KafkaSegmentWriter writer(world);
        Result<void> done = co_await writer.open(std::move(directory), Offset(41));
        for (Bytes rest = bytes; done.ok() && !rest.empty();) {
            Result<record::FrameView> frame = record::parse_frame(rest, record::sample_partition.seed());
            done = co_await writer.append(*frame);
            rest = rest.subspan(frame->header.length);
        }
        if (done.ok()) done = co_await writer.finish();
        co_await writer.close();
        CO_TRY_VOID(done);
        co_return writer.written();
    }
    KafkaSegment written() { return *offline.run(write(&offline.writing(), directory.path(), frames)); }
    bool is_good(const KafkaSegment& segment) {
        return offline.run(check_kafka_segment(&offline.writing(), segment)).ok();
    }
};

TEST(KafkaSegment, HoldsTheBatchesAndNothingElse) {
    SegmentSample sample;
    KafkaSegment segment = sample.written();
    EXPECT_EQ(segment.path, sample.directory / "00000000000000000041.log");
    EXPECT_EQ(segment.batches, 2u);
    EXPECT_EQ(segment.records, 4u);
    EXPECT_EQ(segment.end, Offset(45));
    const std::string text = read_text(segment.path);
    const size_t frame_size = sample.frames.size() / 2;
    const size_t batch_size = frame_size - record::frame_header_size;
    ASSERT_EQ(text.size(), 2 * batch_size);
    EXPECT_EQ(text.substr(0, batch_size), as_text(Bytes(sample.frames).subspan(record::frame_header_size, batch_size)));
    EXPECT_EQ(text.substr(batch_size), as_text(Bytes(sample.frames).subspan(frame_size + record::frame_header_size)));
    EXPECT_TRUE(sample.is_good(segment));
}

TEST(KafkaSegment, IsNeverWrittenOverAnother) {
    SegmentSample sample;
    (void)sample.written();
    EXPECT_FALSE(
        sample.offline
            .run(SegmentSample::write(&sample.offline.writing(), sample.directory.path(), sample.frames))
            .ok());
}

TEST(KafkaSegment, IsNotGoodWithAnyBitOfItsPayloadChanged) {
    SegmentSample sample;
    KafkaSegment segment = sample.written();
    const std::string good = read_text(segment.path);
    for (size_t at = record::batch_crc_begin; at < good.size() / 2; ++at) {
        std::string bad = good;
        bad[at] = static_cast<char>(bad[at] ^ 1);
        write_bytes(segment.path, Bytestring(bad.begin(), bad.end()));
        EXPECT_FALSE(sample.is_good(segment)) << at;
    }
}

TEST(KafkaSegment, IsNotGoodWithoutItsLastBatch) {
    SegmentSample sample;
    KafkaSegment segment = sample.written();
    const std::string good = read_text(segment.path);
    write_bytes(segment.path, Bytestring(good.begin(), good.begin() + static_cast<std::ptrdiff_t>(good.size() / 2)));
    EXPECT_FALSE(sample.is_good(segment));
    write_bytes(segment.path, Bytestring(good.begin(), good.end() - 1));
    EXPECT_FALSE(sample.is_good(segment));
}

}  // namespace
}  // namespace ironbark::tools
