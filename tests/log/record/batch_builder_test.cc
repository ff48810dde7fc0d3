#include "log/record/batch_builder.h"

#include <deque>
#include <gtest/gtest.h>
#include <limits>
#include <random>
#include <string>

#include "log/record/record_reader.h"
#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

constexpr Timestamp any_time_max(std::numeric_limits<int64_t>::max());

NewRecord text_record(std::string_view value, int64_t time = sample_time) {
    return {.timestamp = Timestamp(time), .value = as_bytes(value)};
}

Result<FrameView> check(Bytes frame) {
    return check_produced(frame, sample_seed, batch_size_max, any_time_max);
}

std::vector<std::string> values_of(const FrameView& frame) {
    Decompressor decompressor;
    ByteBuffer scratch;
    Result<RecordReader> reader = RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch);
    std::vector<std::string> values;
    Record record;
    while (*reader->next(&record)) values.emplace_back(as_text(*record.value));
    return values;
}

TEST(BatchBuilder, WritesTheGoldenBytes) {
    BatchBuilder builder;
    RecordHeader header{.key = "h", .value = std::nullopt};
    NewRecord first = text_record("hello");
    first.key = as_bytes("k");
    NewRecord second = text_record("world", sample_time + 3);
    second.headers = {&header, 1};
    EXPECT_EQ(*builder.append(first), 0);
    EXPECT_EQ(*builder.append(second), 1);
    EXPECT_EQ(to_hex(builder.seal(sample_seed, {})), to_hex(sample_frame()));
}

TEST(BatchBuilder, TellsBeforehandWhatFitsToTheByte) {
    BatchBuilder ahead;
    BatchBuilder builder;
    EXPECT_EQ(builder.batch_size(), batch_header_size);
    for (int index = 0; index < 200; ++index) {
        std::string value(static_cast<size_t>(index * index), 'x');
        NewRecord record = text_record(value, sample_time - index * 100);
        ASSERT_TRUE(ahead.append(record).ok());
        EXPECT_TRUE(builder.fits(record, ahead.batch_size())) << index;
        EXPECT_FALSE(builder.fits(record, ahead.batch_size() - 1)) << index;
        ASSERT_TRUE(builder.append(record).ok());
    }
    EXPECT_EQ(builder.seal(sample_seed, {}).size(), builder.batch_size() + frame_header_size);
}

TEST(BatchBuilder, CompressesWhatShrinks) {
    for (Codec codec : {Codec::lz4, Codec::zstd}) {
        BatchBuilder builder;
        Compressor compressor;
        for (int index = 0; index < 50; ++index) ASSERT_TRUE(builder.append(text_record("again and again")).ok());
        size_t before = builder.batch_size();
        builder.compress(codec, &compressor);
        EXPECT_LT(builder.batch_size(), before / 2);
        Result<FrameView> frame = check(builder.seal(sample_seed, {}));
        ASSERT_TRUE(frame.ok()) << frame.error().text;
        EXPECT_EQ(frame->batch.codec(), codec);
        EXPECT_EQ(values_of(*frame), std::vector<std::string>(50, "again and again"));
    }
}

TEST(BatchBuilder, LeavesWhatDoesNotShrinkAsItIs) {
    for (Codec codec : {Codec::lz4, Codec::zstd}) {
        BatchBuilder builder;
        Compressor compressor;
        ASSERT_TRUE(builder.append(text_record("short")).ok());
        builder.compress(codec, &compressor);
        Result<FrameView> frame = check(builder.seal(sample_seed, {}));
        ASSERT_TRUE(frame.ok()) << frame.error().text;
        EXPECT_EQ(frame->batch.codec(), Codec::none);
        EXPECT_EQ(values_of(*frame), std::vector<std::string>{"short"});
    }
}

TEST(BatchBuilder, SealsAgainWithOtherIds) {
    for (Codec codec : {Codec::none, Codec::lz4}) {
        BatchBuilder builder;
        Compressor compressor;
        for (int index = 0; index < 20; ++index) ASSERT_TRUE(builder.append(text_record("the same")).ok());
        if (codec != Codec::none) builder.compress(codec, &compressor);
        ASSERT_TRUE(check(builder.seal(sample_seed, {ProducerId(9), ProducerEpoch(1), 1000})).ok());

        PartitionIdentity other = sample_partition;
        other.partition = PartitionIndex(1);
        Bytes again = builder.seal(other.seed(), {ProducerId(9), ProducerEpoch(2), 0});
        EXPECT_FALSE(check(again).ok()) << "it belongs to another partition now";
        Result<FrameView> frame = check_produced(again, other.seed(), batch_size_max, any_time_max);
        ASSERT_TRUE(frame.ok()) << frame.error().text;
        EXPECT_EQ(frame->batch.producer_id, ProducerId(9));
        EXPECT_EQ(frame->batch.producer_epoch, ProducerEpoch(2));
        EXPECT_EQ(frame->batch.base_sequence, 0);
        EXPECT_EQ(values_of(*frame), std::vector<std::string>(20, "the same"));
    }
}

TEST(BatchBuilder, StartsAnewAfterReset) {
    BatchBuilder builder;
    Compressor compressor;
    for (int index = 0; index < 20; ++index) ASSERT_TRUE(builder.append(text_record("old", sample_time * 2)).ok());
    builder.compress(Codec::zstd, &compressor);
    builder.seal(sample_seed, {ProducerId(9), ProducerEpoch(1), 1000});
    builder.reset();
    EXPECT_TRUE(builder.is_empty());
    ASSERT_TRUE(builder.append(text_record("new")).ok());
    Result<FrameView> frame = check(builder.seal(sample_seed, {}));
    ASSERT_TRUE(frame.ok()) << frame.error().text;
    EXPECT_EQ(frame->batch.max_timestamp, Timestamp(sample_time));
    EXPECT_EQ(values_of(*frame), std::vector<std::string>{"new"});
}

TEST(BatchBuilder, HoldsTheMostRecordsThatABatchMayHave) {
    BatchBuilder builder;
    for (int32_t index = 0; index < batch_records_max; ++index) ASSERT_TRUE(builder.append(text_record("")).ok());
    EXPECT_FALSE(builder.fits(text_record(""), batch_size_max));
    EXPECT_EQ(builder.append(text_record("")).error().code, ErrorCode::message_too_large);
    Result<FrameView> frame = check(builder.seal(sample_seed, {}));
    ASSERT_TRUE(frame.ok()) << frame.error().text;
    EXPECT_EQ(frame->batch.records_count, batch_records_max);
}

TEST(BatchBuilder, RefusesARecordThatNoBatchCanHold) {
    BatchBuilder builder;
    ASSERT_TRUE(builder.append(text_record("small")).ok());
    std::string value(batch_size_max, 'x');
    EXPECT_EQ(builder.append(text_record(value)).error().code, ErrorCode::message_too_large);
    Result<FrameView> frame = check(builder.seal(sample_seed, {}));
    ASSERT_TRUE(frame.ok());
    EXPECT_EQ(values_of(*frame), std::vector<std::string>{"small"}) << "the refused one left nothing behind";
}

TEST(BatchBuilder, HoldsTheLargestBatch) {
    BatchBuilder builder;
    constexpr size_t around_value = 4 + 1 + 1 + 1 + 1 + 4 + 1;
    std::string value(batch_size_max - batch_header_size - around_value, 'x');
    ASSERT_TRUE(builder.append(text_record(value)).ok());
    EXPECT_EQ(builder.batch_size(), batch_size_max);
    EXPECT_TRUE(check(builder.seal(sample_seed, {})).ok());
}

TEST(BatchBuilder, RefusesTooManyHeadersAndTimesBefore1970) {
    BatchBuilder builder;
    std::vector<RecordHeader> headers(65, RecordHeader{.key = "h", .value = std::nullopt});
    NewRecord record = text_record("value");
    record.headers = headers;
    EXPECT_EQ(builder.append(record).error().code, ErrorCode::invalid_record);
    record.headers = record.headers.first(64);
    EXPECT_TRUE(builder.append(record).ok());
    EXPECT_EQ(builder.append(text_record("early", -1)).error().code, ErrorCode::invalid_timestamp);
    EXPECT_EQ(builder.records_count(), 1);
}

// The same records out as in, whatever they are: built from a seeded generator, read back, compared field by field.
class RandomBatch {
  public:
    explicit RandomBatch(uint64_t number) : random_(number) {}

    void expect_round_trip() {
        BatchBuilder builder;
        Compressor compressor;
        std::vector<NewRecord> records = make_records();
        for (const NewRecord& record : records) ASSERT_TRUE(builder.append(record).ok());
        constexpr Codec codecs[] = {Codec::none, Codec::lz4, Codec::zstd};
        Codec codec = codecs[below(3)];
        if (codec != Codec::none) builder.compress(codec, &compressor);
        Result<FrameView> frame = check(builder.seal(sample_seed, {}));
        ASSERT_TRUE(frame.ok()) << frame.error().text;
        expect_equal(*frame, records);
    }

  private:
    size_t below(size_t bound) { return random_() % bound; }

    std::optional<Bytes> make_bytes() {
        size_t kind = below(10);
        if (kind == 0) return std::nullopt;
        size_t size = kind == 1 ? 0 : below(kind == 2 ? 5000 : 200);
        std::string& text = texts_.emplace_back(size, 'a');
        for (char& character : text) character = static_cast<char>('a' + below(kind));
        return as_bytes(text);
    }

    std::span<const RecordHeader> make_headers() {
        std::vector<RecordHeader>& headers = headers_.emplace_back();
        for (size_t left = below(4) == 0 ? below(65) : 0; left > 0; --left) {
            headers.push_back({as_text(make_bytes().value_or(Bytes())), make_bytes()});
        }
        return headers;
    }

    std::vector<NewRecord> make_records() {
        std::vector<NewRecord> records(1 + below(40));
        for (NewRecord& record : records) {
            record.timestamp = Timestamp(sample_time + static_cast<int64_t>(below(100000)) - 50000);
            record.key = make_bytes();
            record.value = make_bytes();
            record.headers = make_headers();
        }
        return records;
    }

    static void expect_equal(const FrameView& frame, const std::vector<NewRecord>& records) {
        Decompressor decompressor;
        ByteBuffer scratch;
        Result<RecordReader> reader = RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch);
        ASSERT_TRUE(reader.ok()) << reader.error().text;
        Record record;
        for (const NewRecord& expected : records) {
            ASSERT_TRUE(*reader->next(&record));
            EXPECT_EQ(record.timestamp, expected.timestamp);
            EXPECT_TRUE(equal(record.key, expected.key));
            EXPECT_TRUE(equal(record.value, expected.value));
            auto header = expected.headers.begin();
            for (const RecordHeader& seen : record.headers) {
                EXPECT_EQ(seen.key, header->key);
                EXPECT_TRUE(equal(seen.value, header->value));
                ++header;
            }
            EXPECT_TRUE(header == expected.headers.end());
        }
        EXPECT_FALSE(*reader->next(&record));
    }

    static bool equal(const std::optional<Bytes>& left, const std::optional<Bytes>& right) {
        if (left.has_value() != right.has_value()) return false;
        return !left.has_value() || as_text(*left) == as_text(*right);
    }

    std::mt19937_64 random_;
    std::deque<std::string> texts_;
    std::deque<std::vector<RecordHeader>> headers_;
};

TEST(BatchBuilder, RandomBatchesComeBackAsTheyWere) {
    for (uint64_t number = 0; number < 200; ++number) {
        SCOPED_TRACE(number);
        RandomBatch(number).expect_round_trip();
        if (HasFatalFailure()) return;
    }
}

}  // namespace
}  // namespace ironbark::record
