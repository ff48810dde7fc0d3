#include "log/record/codec.h"

#include <gtest/gtest.h>

#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

constexpr size_t plenty = size_t{1} << 20;

std::vector<uint8_t> compressed(Codec codec, Bytes from) {
    Compressor compressor;
    Result<Bytes> result = compressor.compress(codec, from);
    return {result->begin(), result->end()};
}

std::vector<uint8_t> text_of(size_t size) {
    std::vector<uint8_t> bytes(size);
    for (size_t index = 0; index < size; ++index) bytes[index] = static_cast<uint8_t>("ironbark"[index * index % 8]);
    return bytes;
}

class EachCodec : public testing::TestWithParam<Codec> {};
INSTANTIATE_TEST_SUITE_P(Codec, EachCodec, testing::Values(Codec::lz4, Codec::zstd), [](const auto& named) {
    return named.param == Codec::lz4 ? "Lz4" : "Zstd";
});

TEST_P(EachCodec, GivesBackWhatWasCompressed) {
    Compressor compressor;
    Decompressor decompressor;
    ByteBuffer output;
    for (size_t size : std::initializer_list<size_t>{0, 1, 100, 65535, 65536, 65537, 300000}) {
        std::vector<uint8_t> bytes = text_of(size);
        Result<Bytes> small = compressor.compress(GetParam(), bytes);
        ASSERT_TRUE(small.ok());
        Result<void> result = decompressor.decompress(GetParam(), *small, plenty, &output);
        ASSERT_TRUE(result.ok()) << result.error().text;
        EXPECT_EQ(to_hex(output.bytes()), to_hex(bytes)) << size;
    }
}

TEST_P(EachCodec, GivesNoMoreThanTheLimit) {
    std::vector<uint8_t> small = compressed(GetParam(), text_of(200000));
    Decompressor decompressor;
    ByteBuffer output;
    EXPECT_TRUE(decompressor.decompress(GetParam(), small, 200000, &output).ok());
    for (size_t limit : std::initializer_list<size_t>{0, 1, 65536, 199999}) {
        Result<void> result = decompressor.decompress(GetParam(), small, limit, &output);
        ASSERT_FALSE(result.ok()) << limit;
        EXPECT_EQ(result.error().code, ErrorCode::message_too_large) << limit;
        EXPECT_EQ(output.size(), 0u);
    }
}

TEST_P(EachCodec, TakesMemoryOnlyForWhatComesOut) {
    std::vector<uint8_t> small = compressed(GetParam(), std::vector<uint8_t>(plenty));
    ASSERT_LT(small.size(), 10000u);
    Decompressor decompressor;
    ByteBuffer output;
    ASSERT_FALSE(decompressor.decompress(GetParam(), small, 100000, &output).ok());
    EXPECT_LE(output.capacity(), 100000u);
}

TEST_P(EachCodec, RefusesEveryTruncation) {
    std::vector<uint8_t> small = compressed(GetParam(), text_of(500));
    Decompressor decompressor;
    ByteBuffer output;
    for (size_t size = 0; size < small.size(); ++size) {
        std::vector<uint8_t> part(small.begin(), small.begin() + static_cast<ptrdiff_t>(size));
        Result<void> result = decompressor.decompress(GetParam(), part, plenty, &output);
        ASSERT_FALSE(result.ok()) << size;
        EXPECT_EQ(result.error().code, ErrorCode::invalid_record) << size;
    }
}

TEST_P(EachCodec, WorksAgainAfterDamage) {
    std::vector<uint8_t> small = compressed(GetParam(), text_of(5000));
    std::vector<uint8_t> damaged = small;
    damaged[4] ^= 0x80;  // LZ4: the version; zstd: how the content size is written
    Decompressor decompressor;
    ByteBuffer output;
    EXPECT_FALSE(decompressor.decompress(GetParam(), damaged, plenty, &output).ok());
    EXPECT_TRUE(decompressor.decompress(GetParam(), small, plenty, &output).ok());
    EXPECT_EQ(output.size(), 5000u);
}

TEST_P(EachCodec, RefusesBytesBehindTheFrame) {
    std::vector<uint8_t> small = compressed(GetParam(), text_of(500));
    small.push_back(0);
    Decompressor decompressor;
    ByteBuffer output;
    Result<void> result = decompressor.decompress(GetParam(), small, plenty, &output);
    EXPECT_EQ(result.error().code, ErrorCode::invalid_record);
}

TEST(Codec, WritesLz4FramesThatKafkaClientsRead) {
    std::vector<uint8_t> frame = compressed(Codec::lz4, text_of(100));
    EXPECT_EQ(to_hex(Bytes(frame).first(4)), "04224d18");
    EXPECT_EQ(frame[4], 0x60) << "version 1, independent blocks, no checksum of content or blocks, no content size";
    EXPECT_EQ(frame[5], 0x40) << "blocks of 64 KiB";
    EXPECT_EQ(frame[6], 0x82) << "second byte of XXH32 of the two bytes before";
}

TEST(Codec, WritesZstdFrames) {
    EXPECT_EQ(to_hex(Bytes(compressed(Codec::zstd, text_of(100))).first(4)), "28b52ffd");
}

TEST(Codec, RefusesWhatItDoesNotSupportByName) {
    Decompressor decompressor;
    ByteBuffer output;
    Result<void> gzip = decompressor.decompress(Codec::gzip, {}, plenty, &output);
    Result<void> snappy = decompressor.decompress(Codec::snappy, {}, plenty, &output);
    Result<void> seven = decompressor.decompress(static_cast<Codec>(7), {}, plenty, &output);
    EXPECT_EQ(gzip.error().code, ErrorCode::unsupported_compression);
    EXPECT_STREQ(gzip.error().text, "the batch is compressed with gzip");
    EXPECT_EQ(snappy.error().code, ErrorCode::unsupported_compression);
    EXPECT_STREQ(snappy.error().text, "the batch is compressed with snappy");
    EXPECT_EQ(seven.error().code, ErrorCode::unsupported_compression);
    EXPECT_EQ(Compressor().compress(Codec::gzip, {}).error().code, ErrorCode::unsupported_compression);
}

}  // namespace
}  // namespace ironbark::record
