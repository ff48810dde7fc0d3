#include "tools/words.h"

#include <gtest/gtest.h>

namespace ironbark::tools {
namespace {

TEST(Unescape, ReplacesWhatPeopleType) {
    EXPECT_EQ(*unescape("a\\tb\\n\\r\\\\"), "a\tb\n\r\\");
    EXPECT_EQ(*unescape("\\x41\\x7f"), "A\x7f");
    EXPECT_EQ(*unescape("\\0"), std::string(1, '\0'));
    EXPECT_EQ(*unescape(""), "");
    EXPECT_EQ(*unescape("||"), "||");
}

TEST(Unescape, RefusesWhatMeansNothing) {
    for (const char* text : {"\\q", "\\", "\\x", "\\x4", "\\xg1"}) EXPECT_FALSE(unescape(text).ok()) << text;
}

TEST(Time, IsMillisecondsOrADate) {
    EXPECT_EQ(*parse_time("0"), 0);
    EXPECT_EQ(*parse_time("1715000000123"), 1715000000123);
    EXPECT_EQ(*parse_time("1970-01-02"), 86'400'000);
    EXPECT_EQ(*parse_time("2024-05-06T07:08"), 1714979280000);
    EXPECT_EQ(*parse_time("2024-05-06T07:08:09Z"), 1714979289000);
    EXPECT_EQ(*parse_time("2024-05-06 07:08:09.5"), 1714979289500);
    EXPECT_EQ(*parse_time("2024-05-06T07:08:09.123456789Z"), 1714979289123);
    EXPECT_EQ(*parse_time("2024-02-29"), 1709164800000);
}

TEST(Time, TakesTheZoneIntoAccount) {
    EXPECT_EQ(*parse_time("2024-05-06T07:08:09+02:00"), *parse_time("2024-05-06T05:08:09Z"));
    EXPECT_EQ(*parse_time("2024-05-06T07:08:09-0330"), *parse_time("2024-05-06T10:38:09Z"));
    EXPECT_EQ(*parse_time("2024-05-06T07:08+01"), *parse_time("2024-05-06T06:08"));
}

TEST(Time, RefusesWhatIsNone) {
    for (const char* text : {"", "-1", "yesterday", "2024-13-01", "2023-02-29", "2024-05-06T", "2024-05-06T7:08",
                             "2024-05-06T24:00", "2024-05-06T07:60", "2024-05-06T07:08:09.", "2024-05-06T07:08X",
                             "2024-05-06T07:08+2", "2024-05-06T07:08Zulu", "99999999999999999999"}) {
        EXPECT_FALSE(parse_time(text).ok()) << text;
    }
}

TEST(Time, IsPrintedSoThatItCanBeReadAgain) {
    EXPECT_EQ(time_text(1714979289123), "2024-05-06T07:08:09.123Z");
    EXPECT_EQ(time_text(0), "1970-01-01T00:00:00.000Z");
    EXPECT_EQ(time_text(-1), "-");
    EXPECT_EQ(*parse_time(time_text(253402300799999)), 253402300799999);
    EXPECT_FALSE(time_text(INT64_MAX).empty());
}

TEST(Quantities, HaveUnits) {
    EXPECT_EQ(bytes_text(0), "0 B");
    EXPECT_EQ(bytes_text(1023), "1023 B");
    EXPECT_EQ(bytes_text(1536), "1.5 KiB");
    EXPECT_EQ(bytes_text((uint64_t{1} << 20) - 1), "1.0 MiB");
    EXPECT_EQ(bytes_text(UINT64_MAX), "16384.0 PiB");
    EXPECT_EQ(duration_text(999), "999 ms");
    EXPECT_EQ(duration_text(2500), "2.5 s");
    EXPECT_EQ(duration_text(61'000), "1 min 1 s");
    EXPECT_EQ(duration_text(90 * 60'000), "1 h 30 min");
    EXPECT_EQ(duration_text(int64_t{50} * 3600 * 1000), "2 d 2 h");
    EXPECT_EQ(count_text(1, "record"), "1 record");
    EXPECT_EQ(count_text(2, "batch"), "2 batches");
    EXPECT_EQ(count_text(2, "entry"), "2 entries");
}

TEST(Utf8, IsToldFromOtherBytes) {
    for (const char* text : {"", "plain", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80"}) EXPECT_TRUE(is_utf8(text));
    for (const char* bytes : {"\x80", "\xc3", "\xc0\x80", "\xe0\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xff"}) {
        EXPECT_FALSE(is_utf8(bytes));
    }
    EXPECT_TRUE(is_utf8(std::string_view("\0", 1)));
}

TEST(Base64, IsTheOneOfTheStandard) {
    EXPECT_EQ(base64(""), "");
    EXPECT_EQ(base64("f"), "Zg==");
    EXPECT_EQ(base64("fo"), "Zm8=");
    EXPECT_EQ(base64("foobar"), "Zm9vYmFy");
    EXPECT_EQ(base64("\xff\xfe\xfd"), "//79");
}

}  // namespace
}  // namespace ironbark::tools
