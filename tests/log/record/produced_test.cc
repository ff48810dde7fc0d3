// Every refusal of check_produced, each of a frame in which nothing else is wrong.
#include <array>
#include <functional>
#include <gtest/gtest.h>
#include <limits>

#include "log/record/frame.h"
#include "log/record/varint.h"
#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

constexpr Timestamp produced_time_max(sample_time + 1000);

Result<FrameView> check_frame(Bytes frame, size_t size_max = batch_size_max) {
    return check_produced(frame, sample_seed, size_max, produced_time_max);
}

void expect_refused(const std::vector<uint8_t>& frame, ErrorCode code, std::string_view text) {
    Result<FrameView> checked = check_frame(frame);
    ASSERT_FALSE(checked.ok()) << "expected: " << text;
    EXPECT_EQ(checked.error().code, code) << name(checked.error().code);
    EXPECT_EQ(checked.error().text, text);
}

void expect_header_refused(const std::function<void(BatchHeader*)>& change, ErrorCode code, std::string_view text) {
    BatchHeader header = sample_header();
    change(&header);
    expect_refused(make_frame(header, sample_records), code, text);
}

void expect_records_refused(std::string_view hex, ErrorCode code, std::string_view text) {
    expect_refused(make_frame(sample_header(), from_hex(hex)), code, text);
}

constexpr ErrorCode invalid = ErrorCode::invalid_record;
constexpr ErrorCode corrupt = ErrorCode::corrupt_message;
constexpr ErrorCode invalid_time = ErrorCode::invalid_timestamp;

TEST(Produced, AcceptsWhatAProducerMakes) {
    std::vector<uint8_t> frame = sample_frame();
    Result<FrameView> checked = check_frame(frame);
    ASSERT_TRUE(checked.ok()) << checked.error().text;
    EXPECT_EQ(checked->bytes.size(), frame.size());
}

TEST(Produced, AcceptsAnIdempotentBatch) {
    BatchHeader header = sample_header();
    header.producer_id = ProducerId(0);
    header.producer_epoch = ProducerEpoch(0);
    header.base_sequence = std::numeric_limits<int32_t>::max();
    EXPECT_TRUE(check_frame(make_frame(header, sample_records)).ok());
}

TEST(Produced, RefusesEveryTruncation) {
    std::vector<uint8_t> frame = sample_frame();
    for (size_t size = 0; size < frame.size(); ++size) {
        std::vector<uint8_t> part(frame.begin(), frame.begin() + static_cast<ptrdiff_t>(size));
        EXPECT_EQ(check_frame(part).error().code, corrupt) << size;
    }
}

TEST(Produced, RefusesAnyFlippedBit) {
    std::vector<uint8_t> frame = sample_frame();
    for (size_t bit = 0; bit < frame.size() * 8; ++bit) {
        frame[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
        EXPECT_EQ(check_frame(frame).error().code, corrupt) << bit;
        frame[bit / 8] ^= static_cast<uint8_t>(1 << bit % 8);
    }
}

TEST(Produced, RefusesAFrameOfAnotherPartition) {
    std::vector<uint8_t> frame = make_frame(sample_header(), sample_records, sample_seed + 1);
    expect_refused(frame, corrupt,
                   "the header checksum does not match: altered bytes, or a frame of another partition");
}

TEST(Produced, RefusesAWrongCrc) {
    std::vector<uint8_t> frame = sample_frame();
    frame[64 + 17] ^= 1;
    seal_unstamped(frame, sample_seed);
    expect_refused(frame, corrupt, "the batch's CRC-32C does not match its bytes");
}

TEST(Produced, RefusesAPad) {
    std::vector<uint8_t> pad(200);
    make_pad(pad, sample_seed);
    expect_refused(pad, invalid, "a pad frame is not a batch");
}

TEST(Produced, RefusesAStampedFrame) {
    std::vector<uint8_t> frame = sample_frame();
    stamp(frame, sample_seed, sample_stamp);
    expect_refused(frame, invalid, "the frame is stamped already: only a leader gives out offsets");
}

TEST(Produced, RefusesABatchLargerThanTheTopicAllows) {
    std::vector<uint8_t> frame = sample_frame();
    size_t size = frame.size() - frame_header_size;
    EXPECT_TRUE(check_frame(frame, size).ok());
    Result<FrameView> checked = check_frame(frame, size - 1);
    EXPECT_EQ(checked.error().code, ErrorCode::message_too_large);
    EXPECT_STREQ(checked.error().text, "the batch is larger than the topic's max.message.bytes");
}

TEST(Produced, RefusesAttributesThatAreNotAProducers) {
    auto expect_attribute_refused = [](int16_t attributes, ErrorCode code, std::string_view text) {
        expect_header_refused([=](BatchHeader* header) { header->attributes = attributes; }, code, text);
    };
    expect_attribute_refused(attribute_control, invalid, "clients may not write control batches");
    expect_attribute_refused(attribute_control | attribute_transactional, invalid,
                             "clients may not write control batches");
    expect_attribute_refused(attribute_transactional, invalid, "transactions are not supported");
    expect_attribute_refused(attribute_delete_horizon, invalid, "only compaction sets a delete horizon");
    expect_attribute_refused(attribute_append_time, invalid_time, "only the broker sets append times");
    expect_attribute_refused(128, invalid, "the batch has attributes that this version does not know");
    expect_attribute_refused(-32768, invalid, "the batch has attributes that this version does not know");
}

TEST(Produced, RefusesCodecsThatItDoesNotTake) {
    auto expect_codec_refused = [](int16_t codec, std::string_view text) {
        expect_header_refused([=](BatchHeader* header) { header->attributes = codec; },
                              ErrorCode::unsupported_compression, text);
    };
    expect_codec_refused(1, "gzip is not supported: use lz4 or zstd");
    expect_codec_refused(2, "snappy is not supported: use lz4 or zstd");
    for (int16_t codec = 5; codec <= 7; ++codec) {
        expect_codec_refused(codec, "the batch names a codec that does not exist");
    }
}

TEST(Produced, RefusesACodecBitWithoutACompressedFrame) {
    auto expect_blob_refused = [](Codec codec, std::string_view hex, std::string_view text) {
        BatchHeader header = sample_header();
        header.attributes = static_cast<int16_t>(codec);
        expect_refused(make_frame(header, from_hex(hex)), invalid, text);
    };
    constexpr char no_lz4[] = "the records are not an LZ4 frame as the batch says";
    constexpr char no_zstd[] = "the records are not a zstd frame as the batch says";
    expect_blob_refused(Codec::lz4, "28b52ffd 00", no_lz4);
    expect_blob_refused(Codec::lz4, "04224d", no_lz4);
    expect_blob_refused(Codec::zstd, "04224d18 00", no_zstd);
    expect_blob_refused(Codec::zstd, "", no_zstd);
}

TEST(Produced, RefusesCountsThatCannotBe) {
    expect_header_refused([](BatchHeader* header) { header->records_count = 3; }, corrupt,
                          "the batch has more records than offsets");
    expect_header_refused(
        [](BatchHeader* header) { header->records_count = 1; }, corrupt,
        "the number of records is not the number of offsets, and the frame is not marked as compacted");
}

TEST(Produced, RefusesMoreRecordsThanABatchMayHave) {
    BatchHeader header = sample_header();
    header.attributes = static_cast<int16_t>(Codec::lz4);
    header.records_count = batch_records_max;
    header.last_offset_delta = batch_records_max - 1;
    std::vector<uint8_t> blob = from_hex("04224d18 00");
    EXPECT_TRUE(check_frame(make_frame(header, blob)).ok());
    header.records_count = batch_records_max + 1;
    header.last_offset_delta = batch_records_max;
    expect_refused(make_frame(header, blob), ErrorCode::message_too_large,
                   "the batch has more than 65536 records: send smaller batches");
}

TEST(Produced, RefusesProducerFieldsThatContradictEachOther) {
    auto expect_producer_refused = [](int64_t id, int16_t epoch, int32_t sequence, std::string_view text) {
        BatchHeader header = sample_header();
        header.producer_id = ProducerId(id);
        header.producer_epoch = ProducerEpoch(epoch);
        header.base_sequence = sequence;
        expect_refused(make_frame(header, sample_records), invalid, text);
    };
    expect_producer_refused(5, -1, 0, "the batch has a producer id but no producer epoch");
    expect_producer_refused(5, 0, -1, "the batch has a producer id but no sequence number");
    expect_producer_refused(-2, -1, -1, "the producer id is neither an id nor -1");
    expect_producer_refused(-1, 0, -1, "the batch has a producer epoch or a sequence number but no producer id");
    expect_producer_refused(-1, -1, 0, "the batch has a producer epoch or a sequence number but no producer id");
}

TEST(Produced, RefusesTimesThatCannotBe) {
    auto expect_times_refused = [](int64_t base, int64_t max, std::string_view text) {
        BatchHeader header = sample_header();
        header.base_timestamp = Timestamp(base);
        header.max_timestamp = Timestamp(max);
        expect_refused(make_frame(header, sample_records), invalid_time, text);
    };
    expect_times_refused(-1, sample_time, "the first record's timestamp is before 1970");
    expect_times_refused(sample_time, sample_time - 1, "the batch's largest timestamp is smaller than its first");
    expect_times_refused(sample_time, sample_time + 1001,
                         "a timestamp is too far in the future: check the clocks of producer and broker");
    expect_times_refused(sample_time, sample_time + 2, "a record is later than its batch says");
    expect_times_refused(sample_time, sample_time + 4, "no record is as late as its batch says");
}

TEST(Produced, RefusesARecordBefore1970) {
    BatchHeader header = sample_header();
    header.base_timestamp = Timestamp(2);
    header.max_timestamp = Timestamp(2);
    std::vector<uint8_t> records = from_hex("0c 00 00 00 01 01 00  0c 00 05 02 01 01 00");
    expect_refused(make_frame(header, records), invalid_time, "a record's timestamp is before 1970");
}

TEST(Produced, RefusesRecordsThatDoNotFillTheBatchExactly) {
    expect_records_refused("0c 00 00 00 01 01 00  0c 00 06 02 01 01", invalid,
                           "a record is malformed: a number or a length in it does not fit its bytes");
    expect_records_refused("0c 00 00 00 01 01 00", invalid,
                           "a record is malformed: a number or a length in it does not fit its bytes");
    expect_records_refused("0c 00 00 00 01 01 00  0c 00 06 02 01 01 00  00", invalid,
                           "there are bytes behind the batch's last record");
}

TEST(Produced, RefusesOffsetsThatAreNotDense) {
    expect_records_refused("0c 00 00 02 01 01 00  0c 00 06 02 01 01 00", invalid, "the records' offsets are not dense");
    expect_records_refused("0c 00 00 00 01 01 00  0c 00 06 00 01 01 00", invalid, "the records' offsets are not dense");
    expect_records_refused("0c 00 00 00 01 01 00  0c 00 06 04 01 01 00", invalid,
                           "a record has an offset outside of its batch");
}

TEST(Produced, RefusesARecordWithTooManyHeaders) {
    auto records_with_headers = [](size_t count) {
        std::vector<uint8_t> body = from_hex("00 00 00 01 01");
        std::array<uint8_t, varint_size_max> number;
        body.insert(body.end(), number.begin(), write_varint(number.data(), static_cast<int64_t>(count)));
        for (size_t index = 0; index < count; ++index) body.insert(body.end(), {0, 1});
        std::vector<uint8_t> record(number.begin(), write_varint(number.data(), static_cast<int64_t>(body.size())));
        record.insert(record.end(), body.begin(), body.end());
        return record;
    };
    BatchHeader header = sample_header();
    header.records_count = 1;
    header.last_offset_delta = 0;
    header.max_timestamp = header.base_timestamp;
    EXPECT_TRUE(check_frame(make_frame(header, records_with_headers(64))).ok());
    expect_refused(make_frame(header, records_with_headers(65)), invalid, "a record has more than 64 headers");
}

}  // namespace
}  // namespace ironbark::record
