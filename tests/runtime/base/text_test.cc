#include "runtime/base/text.h"

#include <gtest/gtest.h>

#include <array>

namespace ironbark {
namespace {

TEST(Text, ReadsSizes) {
    EXPECT_EQ(*parse_bytes("1048576"), 1048576);
    EXPECT_EQ(*parse_bytes("64KiB"), 65536);
    EXPECT_EQ(*parse_bytes("1.5 MiB"), 1572864);
    EXPECT_EQ(*parse_bytes("2GB"), 2'000'000'000);
    EXPECT_EQ(*parse_bytes("-1"), -1);
}

TEST(Text, ReadsDurations) {
    EXPECT_EQ(*parse_milliseconds("1500"), 1500);
    EXPECT_EQ(*parse_milliseconds("5s"), 5000);
    EXPECT_EQ(*parse_milliseconds("2h"), 7'200'000);
    EXPECT_EQ(*parse_milliseconds("7d"), 604'800'000);
}

TEST(Text, RefusesWhatIsNeither) {
    for (const char* text : {"", "KiB", "5 apples", "1kib", "nan", "inf", "1e300", "0x10"}) {
        EXPECT_FALSE(parse_bytes(text).ok()) << text;
        EXPECT_FALSE(parse_milliseconds(text).ok()) << text;
    }
}

TEST(Text, FindsTheNearestWord) {
    constexpr std::array<std::string_view, 3> words{"retention.bytes", "retention.ms", "segment.bytes"};
    EXPECT_EQ(nearest("retention.byte", words), "retention.bytes");
    EXPECT_EQ(nearest("segmnet.bytes", words), "segment.bytes");
    EXPECT_EQ(nearest("colour", words), "");
}

}  // namespace
}  // namespace ironbark
