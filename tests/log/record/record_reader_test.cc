#include "log/record/record_reader.h"

#include <gtest/gtest.h>

#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

// What a walk over a batch comes to: how many records there were, and the error that ended it, if one did.
struct Walk {
    int records_count = 0;
    Error error = ErrorCode::none;
};

Walk walk(const BatchHeader& header, Bytes records) {
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(header, records, &decompressor, &scratch);
    if (!reader.ok()) return {0, reader.error()};
    Walk walk;
    Record record;
    for (Result<bool> more = reader->next(&record); !more.ok() || *more; more = reader->next(&record)) {
        if (!more.ok()) {
            walk.error = more.error();
            return walk;
        }
        ++walk.records_count;
    }
    return walk;
}

BatchHeader header_of(int32_t records_count, int32_t last_offset_delta) {
    BatchHeader header = sample_header();
    header.batch_length = 49;
    header.records_count = records_count;
    header.last_offset_delta = last_offset_delta;
    return header;
}
BatchHeader header_of(int32_t records_count) {
    return header_of(records_count, records_count - 1);
}

constexpr char malformed[] = "a record is malformed: a number or a length in it does not fit its bytes";

TEST(RecordReader, GivesTheFieldsOfEachRecord) {
    BatchHeader header = header_of(2);
    header.base_offset = Offset(100);
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(header, sample_records, &decompressor, &scratch);
    ASSERT_TRUE(reader.ok());

    Record record;
    ASSERT_TRUE(*reader->next(&record));
    EXPECT_EQ(record.offset, Offset(100));
    EXPECT_EQ(record.timestamp, Timestamp(sample_time));
    EXPECT_EQ(as_text(*record.key), "k");
    EXPECT_EQ(as_text(*record.value), "hello");
    EXPECT_TRUE(record.headers.empty());

    ASSERT_TRUE(*reader->next(&record));
    EXPECT_EQ(record.offset, Offset(101));
    EXPECT_EQ(record.timestamp, Timestamp(sample_time + 3));
    EXPECT_FALSE(record.key.has_value());
    EXPECT_EQ(as_text(*record.value), "world");
    ASSERT_EQ(record.headers.size(), 1);
    for (const RecordHeader& each : record.headers) {
        EXPECT_EQ(each.key, "h");
        EXPECT_FALSE(each.value.has_value());
    }
    EXPECT_FALSE(*reader->next(&record));
    EXPECT_FALSE(*reader->next(&record));
}

TEST(RecordReader, GivesHeadersInTheirOrderAndRepeatedKeysToo) {
    std::vector<uint8_t> bytes = from_hex("1e 00 00 00 01 01 06  02 61 02 31  02 61 00  00 01");
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(header_of(1), bytes, &decompressor, &scratch);
    Record record;
    Result<bool> more = reader->next(&record);
    ASSERT_TRUE(more.ok()) << more.error().text;
    std::string seen;
    for (const RecordHeader& header : record.headers) {
        seen += std::string(header.key) + "=" + (header.value ? std::string(as_text(*header.value)) : "none") + ";";
    }
    EXPECT_EQ(seen, "a=1;a=;=none;");
    EXPECT_FALSE(record.value.has_value());
}

TEST(RecordReader, TakesTheBatchsTimeWhereTheBrokerSetIt) {
    BatchHeader header = header_of(2);
    header.attributes = attribute_append_time;
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(header, sample_records, &decompressor, &scratch);
    Record record;
    ASSERT_TRUE(*reader->next(&record));
    EXPECT_EQ(record.timestamp, header.max_timestamp);
}

TEST(RecordReader, ReadsCompressedBatches) {
    for (Codec codec : {Codec::lz4, Codec::zstd}) {
        BatchHeader header = header_of(2);
        header.attributes = static_cast<int16_t>(codec);
        Compressor compressor;
        Walk seen = walk(header, *compressor.compress(codec, sample_records));
        EXPECT_EQ(seen.error, ErrorCode::none) << seen.error.text;
        EXPECT_EQ(seen.records_count, 2);
    }
}

TEST(RecordReader, RefusesToDecompressBeyondItsLimit) {
    BatchHeader header = header_of(2);
    header.attributes = static_cast<int16_t>(Codec::zstd);
    Compressor compressor;
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<Bytes> blob = compressor.compress(Codec::zstd, sample_records);
    size_t size = sample_records.size();
    EXPECT_TRUE(RecordReader::open(header, *blob, &decompressor, &scratch, size).ok());
    Result<RecordReader> refused = RecordReader::open(header, *blob, &decompressor, &scratch, size - 1);
    EXPECT_EQ(refused.error().code, ErrorCode::message_too_large);
}

TEST(RecordReader, NamesTheCodecsThatItDoesNotRead) {
    for (Codec codec : {Codec::gzip, Codec::snappy, static_cast<Codec>(5)}) {
        BatchHeader header = header_of(2);
        header.attributes = static_cast<int16_t>(codec);
        EXPECT_EQ(walk(header, sample_records).error, ErrorCode::unsupported_compression);
    }
}

TEST(RecordReader, SkipsWhatCompactionRemoved) {
    std::vector<uint8_t> bytes = from_hex("0c 00 00 04 01 01 00  0c 00 00 0a 01 01 00");
    EXPECT_EQ(walk(header_of(2, 7), bytes).records_count, 2);
    EXPECT_EQ(walk(header_of(2, 7), bytes).error, ErrorCode::none);
}

TEST(RecordReader, FindsNothingInABatchThatCompactionEmptied) {
    BatchHeader header = header_of(0, 7);
    EXPECT_EQ(walk(header, {}).error, ErrorCode::none);
    header.attributes = static_cast<int16_t>(Codec::lz4);
    EXPECT_EQ(walk(header, {}).error, ErrorCode::none);
}

TEST(RecordReader, RefusesEveryTruncation) {
    for (size_t size = 0; size < sample_records.size(); ++size) {
        std::vector<uint8_t> part(sample_records.begin(), sample_records.begin() + static_cast<ptrdiff_t>(size));
        EXPECT_EQ(walk(header_of(2), part).error, ErrorCode::invalid_record) << size;
    }
}

TEST(RecordReader, RefusesBytesBehindTheLastRecord) {
    EXPECT_STREQ(walk(header_of(1), sample_records).error.text, "there are bytes behind the batch's last record");
}

TEST(RecordReader, RefusesRecordsThatContradictTheirLengths) {
    EXPECT_STREQ(walk(header_of(1), from_hex("01")).error.text, malformed) << "negative length";
    EXPECT_STREQ(walk(header_of(1), from_hex("0e 00 00 00 01 01 00")).error.text, malformed) << "too long";
    EXPECT_STREQ(walk(header_of(1), from_hex("0e 00 00 00 01 01 00 00")).error.text, malformed) << "rest in record";
    EXPECT_STREQ(walk(header_of(1), from_hex("0c 00 00 00 03 01 00")).error.text, malformed) << "key length -2";
    EXPECT_STREQ(walk(header_of(1), from_hex("0c 00 00 00 01 08 00")).error.text, malformed) << "value too long";
    EXPECT_STREQ(walk(header_of(1), from_hex("0c 00 00 00 01 01 01")).error.text, malformed) << "header count -1";
    EXPECT_STREQ(walk(header_of(1), from_hex("0c 00 00 00 01 01 02")).error.text, malformed) << "no header there";
    EXPECT_STREQ(walk(header_of(1), from_hex("10 00 00 00 01 01 02 01 01")).error.text, malformed) << "header key -1";
}

TEST(RecordReader, RefusesOffsetsThatAreNotTheBatchs) {
    constexpr char outside[] = "a record has an offset outside of its batch";
    EXPECT_STREQ(walk(header_of(1), from_hex("0c 00 00 02 01 01 00")).error.text, outside);
    EXPECT_STREQ(walk(header_of(1), from_hex("0c 00 00 01 01 01 00")).error.text, outside);
    EXPECT_STREQ(walk(header_of(2), from_hex("0c 00 00 00 01 01 00  0c 00 00 00 01 01 00")).error.text,
                 "the records' offsets do not ascend");
}

TEST(RecordReader, RefusesATimestampThatDoesNotFit) {
    std::vector<uint8_t> bytes = from_hex("1e 00 feffffffffffffffff01 00 01 01 00");
    EXPECT_STREQ(walk(header_of(1), bytes).error.text, "a record's timestamp does not fit into 64 bits");
}

TEST(RecordReader, RefusesAnImpossibleHeader) {
    BatchHeader header = header_of(2);
    header.magic = 1;
    EXPECT_EQ(walk(header, sample_records).error, ErrorCode::corrupt_message);
    EXPECT_EQ(walk(header_of(3, 1), sample_records).error, ErrorCode::corrupt_message);
}

}  // namespace
}  // namespace ironbark::record
