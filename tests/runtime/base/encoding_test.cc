#include "runtime/base/encoding.h"

#include <gtest/gtest.h>

namespace ironbark {
namespace {

TEST(Encoding, ReadsBackWhatWasWritten) {
    Encoder encoder;
    encoder.number(int64_t{-5});
    encoder.text("topic");
    encoder.uuid(Uuid::from_words(1, 2));
    encoder.number(uint8_t{7});
    Decoder decoder(encoder.bytes());
    EXPECT_EQ(decoder.number<int64_t>(), -5);
    EXPECT_EQ(decoder.text(), "topic");
    EXPECT_EQ(decoder.uuid(), Uuid::from_words(1, 2));
    EXPECT_EQ(decoder.number<uint8_t>(), 7);
    EXPECT_TRUE(decoder.ok());
    EXPECT_TRUE(decoder.at_end());
}

TEST(Encoding, FailsAtEveryCutAndStaysFailed) {
    Encoder encoder;
    encoder.number(uint32_t{1});
    encoder.text("abc");
    encoder.number(uint16_t{2});
    for (size_t size = 0; size < encoder.size(); ++size) {
        Decoder decoder(Bytes(encoder.bytes()).first(size));
        decoder.number<uint32_t>();
        decoder.text();
        EXPECT_EQ(decoder.number<uint16_t>(), 0);
        EXPECT_FALSE(decoder.ok());
        EXPECT_EQ(decoder.raw(0).size(), 0u);
        EXPECT_FALSE(decoder.ok());
    }
}

TEST(Encoding, DoesNotBelieveALengthBeyondTheEnd) {
    Encoder encoder;
    encoder.number(uint32_t{0xffffffff});
    Decoder decoder(encoder.bytes());
    EXPECT_EQ(decoder.text(), "");
    EXPECT_FALSE(decoder.ok());
}

}  // namespace
}  // namespace ironbark
