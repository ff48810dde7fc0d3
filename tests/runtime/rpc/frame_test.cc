#include "runtime/rpc/frame.h"

#include <gtest/gtest.h>

#include "tests/runtime/rpc/messages.h"

namespace ironbark::rpc {
namespace {

const Text sample_metadata{'m', 'e', 't', 'a', 'd', 'a', 't', 'a'};
const Text sample_payload{'p', 'a', 'y'};

Text sample() { return frame_of(9, 0x1122334455667788, sample_metadata, sample_payload, flag_one_way); }

Refusal refusal_of(const Text& bytes, size_t size_max = frame_size_max) {
    FrameHeader header;
    return decode(bytes, size_max, &header);
}

TEST(Frame, HasTheBytesThatWereReleased) {
    const Text golden{
        'I',  'B',  'R',  'K',                           // magic
        11,   0,    0,    0,                             // body: 8 of metadata, 3 of payload
        9,    0,                                         // method: produce
        2,    0,                                         // flags: one-way
        8,    0,    0,    0,                             // metadata size
        0x88, 0x77, 0x66, 0x55, 0x44, 0x33, 0x22, 0x11,  // correlation
        0xE6, 0x81, 0xA2, 0x07, 0x61, 0xDF, 0x28, 0x15,  // checksum
        'm',  'e',  't',  'a',  'd',  'a',  't',  'a',   //
        'p',  'a',  'y'};
    EXPECT_EQ(sample(), golden);
}

TEST(Frame, IsReadAsItWasWritten) {
    FrameHeader header;
    ASSERT_EQ(decode(sample(), frame_size_max, &header), Refusal::none);
    EXPECT_EQ(header.body_size, 11u);
    EXPECT_EQ(header.metadata_size, 8u);
    EXPECT_EQ(header.payload_size(), 3u);
    EXPECT_EQ(header.method, 9);
    EXPECT_TRUE(header.has(flag_one_way));
    EXPECT_FALSE(header.has(flag_response));
    EXPECT_EQ(header.correlation, 0x1122334455667788u);
    EXPECT_TRUE(verify_checksum(sample(), header));
}

TEST(Frame, IsRefusedWhenAnyBitOfHeaderOrMetadataWasChanged) {
    for (size_t bit = 0; bit < (frame_header_size + sample_metadata.size()) * 8; ++bit) {
        Text bytes = sample();
        bytes[bit / 8] = static_cast<uint8_t>(bytes[bit / 8] ^ (1 << bit % 8));
        FrameHeader header;
        Refusal refusal = decode(bytes, bytes.size(), &header);
        EXPECT_TRUE(refusal != Refusal::none || !verify_checksum(bytes, header)) << "bit " << bit;
    }
}

TEST(Frame, IsRefusedWhenItIsTooLarge) {
    EXPECT_EQ(refusal_of(sample(), sample().size()), Refusal::none);
    EXPECT_EQ(refusal_of(sample(), sample().size() - 1), Refusal::too_large);
    Text bytes = sample();
    store_le<uint32_t>(bytes.data() + 4, UINT32_MAX);
    EXPECT_EQ(refusal_of(bytes), Refusal::too_large);
}

TEST(Frame, IsRefusedWhenItsMetadataIsLargerThanItsBody) {
    Text bytes = sample();
    store_le<uint32_t>(bytes.data() + 12, 12);
    EXPECT_EQ(refusal_of(bytes), Refusal::malformed_header);
}

TEST(Frame, IsRefusedForAnUnknownLowFlagOnly) {
    for (int bit = 0; bit < 16; ++bit) {
        Text bytes = frame_of(9, 1, sample_metadata, {}, static_cast<uint16_t>(1 << bit));
        bool is_refused = bit >= 3 && bit < 8;
        EXPECT_EQ(refusal_of(bytes), is_refused ? Refusal::malformed_header : Refusal::none) << "bit " << bit;
    }
}

TEST(Frame, TellsStrangersApart) {
    auto classified = [](std::string_view text) { return classify(as_bytes(text)); };
    EXPECT_EQ(classified("IBRK"), Refusal::none);
    EXPECT_EQ(classified("GET / HTTP/1.1\r\n"), Refusal::http);
    EXPECT_EQ(classified("PRI * HTTP/2.0\r\n"), Refusal::http);
    EXPECT_EQ(classified("HTTP/1.1 200 OK\r\n"), Refusal::http);
    EXPECT_EQ(classified(std::string_view("\x16\x03\x01\x02\x00\x01", 6)), Refusal::tls);
    EXPECT_EQ(classified(std::string_view("\x15\x03\x03\x00\x02\x02", 6)), Refusal::tls);
    EXPECT_EQ(classified(std::string_view("\x00\x00\x00\x20\x00\x12", 6)), Refusal::foreign);
    EXPECT_EQ(classified("SSH-2.0"), Refusal::foreign);
}

}  // namespace
}  // namespace ironbark::rpc
