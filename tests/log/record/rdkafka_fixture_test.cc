// Batches that librdkafka produced (tests/golden/README.md) are to us what they were to it.
#include <algorithm>
#include <fstream>
#include <gtest/gtest.h>
#include <string>
#include <utility>

#include "log/record/batch_builder.h"
#include "log/record/frame.h"
#include "log/record/record_reader.h"
#include "tests/kafka/sample_records.h"
#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

constexpr Timestamp fixture_time_max(sample_time * 2);

// The batch of that name; empty if the fixture has none.
std::vector<uint8_t> load_batch(const std::string& name) {
    std::ifstream file(std::string(GOLDEN_DIRECTORY) + "/rdkafka_batches.txt");
    std::string hex;
    bool is_wanted = false;
    for (std::string line; std::getline(file, line);) {
        if (line.starts_with("batch ")) {
            is_wanted = line == "batch " + name;
        } else if (is_wanted && !line.starts_with("#")) {
            hex += line;
        }
    }
    return from_hex(hex);
}

kafka::SampleRecord copy_of(const Record& record) {
    auto text = [](const std::optional<Bytes>& bytes) {
        return bytes ? std::optional<std::string>(as_text(*bytes)) : std::nullopt;
    };
    kafka::SampleRecord copy{record.timestamp.milliseconds, text(record.key), text(record.value), {}};
    for (const RecordHeader& header : record.headers) copy.headers.emplace_back(header.key, text(header.value));
    return copy;
}

void expect_records(const BatchHeader& header, Bytes records, const std::vector<kafka::SampleRecord>& expected) {
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(header, records, &decompressor, &scratch);
    ASSERT_TRUE(reader.ok()) << reader.error().text;
    Record record;
    for (size_t index = 0; index < expected.size(); ++index) {
        Result<bool> more = reader->next(&record);
        ASSERT_TRUE(more.ok()) << more.error().text;
        ASSERT_TRUE(*more);
        EXPECT_EQ(record.offset, header.base_offset + static_cast<int64_t>(index));
        EXPECT_TRUE(copy_of(record) == expected[index]) << "record " << index;
    }
    EXPECT_FALSE(*reader->next(&record));
}

// The frame that a Kafka listener would put around a batch it was sent.
std::vector<uint8_t> framed(Bytes batch) {
    std::vector<uint8_t> frame(frame_header_size + batch.size());
    std::copy(batch.begin(), batch.end(), frame.begin() + frame_header_size);
    seal_unstamped(frame, sample_seed);
    return frame;
}

struct Fixture {
    const char* name;
    Codec codec;
    ProducerId producer_id;
    int32_t base_sequence;
    bool has_large_record;
};

class RdkafkaBatch : public testing::TestWithParam<Fixture> {};
INSTANTIATE_TEST_SUITE_P(Each,
                         RdkafkaBatch,
                         testing::Values(Fixture{"none", Codec::none, ProducerId(-1), -1, false},
                                         Fixture{"lz4", Codec::lz4, ProducerId(-1), -1, true},
                                         Fixture{"zstd", Codec::zstd, ProducerId(-1), -1, true},
                                         Fixture{"idempotent-1", Codec::none, ProducerId(4711), 0, false},
                                         Fixture{"idempotent-2", Codec::none, ProducerId(4711), 7, false}),
                         [](const auto& named) {
                             std::string name = named.param.name;
                             std::erase(name, '-');
                             return name;
                         });

TEST_P(RdkafkaBatch, IsAcceptedAndDecodesToWhatWasProduced) {
    const Fixture& fixture = GetParam();
    std::vector<uint8_t> batch = load_batch(fixture.name);
    ASSERT_GE(batch.size(), batch_header_size);
    EXPECT_EQ(batch_crc(batch), decode_batch_header(batch).crc);

    std::vector<uint8_t> bytes = framed(batch);
    Result<FrameView> frame = check_produced(bytes, sample_seed, batch_size_max, fixture_time_max);
    ASSERT_TRUE(frame.ok()) << frame.error().text;
    EXPECT_EQ(frame->batch.codec(), fixture.codec);
    EXPECT_EQ(frame->batch.producer_id, fixture.producer_id);
    EXPECT_EQ(frame->batch.base_sequence, fixture.base_sequence);
    expect_records(frame->batch, frame->record_bytes(),
                   fixture.has_large_record ? kafka::sample_records() : kafka::small_records());
}

TEST_P(RdkafkaBatch, KeepsItsRecordsAndCrcWhenALeaderStampsIt) {
    const Fixture& fixture = GetParam();
    std::vector<uint8_t> batch = load_batch(fixture.name);
    ASSERT_GE(batch.size(), batch_header_size);
    std::vector<uint8_t> bytes = framed(batch);
    stamp(bytes, sample_seed, sample_stamp);
    Result<FrameView> frame = parse_frame(bytes, sample_seed);
    ASSERT_TRUE(frame.ok()) << frame.error().text;
    EXPECT_EQ(batch_crc(frame->batch_bytes()), frame->batch.crc);
    expect_records(frame->batch, frame->record_bytes(),
                   fixture.has_large_record ? kafka::sample_records() : kafka::small_records());
}

TEST(RdkafkaBatchOfGzipOrSnappy, IsRefusedByName) {
    for (const auto& [name, codec] : {std::pair<std::string, Codec>("gzip", Codec::gzip), {"snappy", Codec::snappy}}) {
        std::vector<uint8_t> batch = load_batch(name);
        ASSERT_GE(batch.size(), batch_header_size);
        BatchHeader header = decode_batch_header(batch);
        ASSERT_EQ(header.codec(), codec);
        EXPECT_EQ(batch_crc(batch), header.crc);
        EXPECT_EQ(check_produced(framed(batch), sample_seed, batch_size_max, fixture_time_max).error().code,
                  ErrorCode::unsupported_compression);
        Decompressor decompressor;
        ByteBuffer scratch;
        Bytes records = Bytes(batch).subspan(batch_header_size);
        Result<RecordReader> reader = RecordReader::open(header, records, &decompressor, &scratch);
        EXPECT_EQ(reader.error().code, ErrorCode::unsupported_compression);
        EXPECT_EQ(reader.error().text, "the batch is compressed with " + name);
    }
}

// The other way round: of the same records the builder makes the same bytes.
TEST(BatchBuilder, EncodesTheBytesThatRdkafkaDoes) {
    BatchBuilder builder;
    for (const kafka::SampleRecord& sample : kafka::small_records()) {
        auto bytes = [](const std::optional<std::string>& text) {
            return text ? std::optional<Bytes>(as_bytes(*text)) : std::nullopt;
        };
        std::vector<RecordHeader> headers;
        for (const auto& [key, value] : sample.headers) headers.push_back({key, bytes(value)});
        NewRecord record{Timestamp(sample.timestamp), bytes(sample.key), bytes(sample.value), headers};
        ASSERT_TRUE(builder.append(record).ok());
    }
    Bytes frame = builder.seal(sample_seed, {ProducerId(4711), ProducerEpoch(3), 7});
    std::vector<uint8_t> expected = load_batch("idempotent-2");
    ASSERT_GE(expected.size(), batch_header_size);
    store_batch_position(expected, Offset(0), Epoch(-1));  // librdkafka writes 0 where Kafka's own clients write -1
    EXPECT_EQ(to_hex(frame.subspan(frame_header_size)), to_hex(expected));
}

}  // namespace
}  // namespace ironbark::record
