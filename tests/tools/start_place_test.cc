#include "tools/start_place.h"

#include <gtest/gtest.h>

namespace ironbark::tools {
namespace {

void expect(const char* text, Start::Kind kind, int64_t number) {
    Expected<Start> start = parse_start(text);
    ASSERT_TRUE(start.ok()) << text;
    EXPECT_EQ(start->kind, kind) << text;
    EXPECT_EQ(start->number, number) << text;
}

TEST(StartPlace, IsAWordANumberOrATime) {
    expect("start", Start::Kind::beginning, 0);
    expect("end", Start::Kind::end, 0);
    expect("0", Start::Kind::offset, 0);
    expect("1234567890123", Start::Kind::offset, 1234567890123);
    expect("-10", Start::Kind::before_end, 10);
    expect("@1714979289123", Start::Kind::timestamp, 1714979289123);
    expect("@2024-05-06T07:08:09.123Z", Start::Kind::timestamp, 1714979289123);
}

TEST(StartPlace, RefusesAnythingElse) {
    for (const char* text : {"", "-", "--1", "begin", "1x", "0x10", "+1", "@", "@tomorrow", "99999999999999999999"}) {
        EXPECT_FALSE(parse_start(text).ok()) << text;
    }
}

}  // namespace
}  // namespace ironbark::tools
