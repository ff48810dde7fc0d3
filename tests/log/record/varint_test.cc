#include "log/record/varint.h"

#include <array>
#include <gtest/gtest.h>
#include <limits>

#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

constexpr int64_t smallest = std::numeric_limits<int64_t>::min();
constexpr int64_t largest = std::numeric_limits<int64_t>::max();

std::string encoded(int64_t number) {
    std::array<uint8_t, varint_size_max> bytes;
    uint8_t* end = write_varint(bytes.data(), number);
    return to_hex({bytes.data(), static_cast<size_t>(end - bytes.data())});
}

bool is_refused(std::string_view hex) {
    std::vector<uint8_t> bytes = from_hex(hex);
    Cursor cursor(bytes);
    cursor.varlong();
    return !cursor.ok();
}

TEST(Varint, HasTheseBytes) {
    EXPECT_EQ(encoded(0), "00");
    EXPECT_EQ(encoded(-1), "01");
    EXPECT_EQ(encoded(1), "02");
    EXPECT_EQ(encoded(63), "7e");
    EXPECT_EQ(encoded(-64), "7f");
    EXPECT_EQ(encoded(64), "8001");
    EXPECT_EQ(encoded(300), "d804");
    EXPECT_EQ(encoded(std::numeric_limits<int32_t>::max()), "feffffff0f");
    EXPECT_EQ(encoded(std::numeric_limits<int32_t>::min()), "ffffffff0f");
    EXPECT_EQ(encoded(largest), "feffffffffffffffff01");
    EXPECT_EQ(encoded(smallest), "ffffffffffffffffff01");
}

TEST(Varint, IsReadBackAtEveryPowerOfTwo) {
    for (int bit = 0; bit < 63; ++bit) {
        for (int64_t number : {int64_t{1} << bit, (int64_t{1} << bit) - 1, -(int64_t{1} << bit), smallest, largest}) {
            std::vector<uint8_t> bytes = from_hex(encoded(number));
            EXPECT_EQ(bytes.size(), varint_size(number)) << number;
            Cursor cursor(bytes);
            EXPECT_EQ(cursor.varlong(), number);
            EXPECT_TRUE(cursor.ok());
            EXPECT_EQ(cursor.left(), 0u);
        }
    }
}

TEST(Varint, CutOffIsRefused) {
    EXPECT_TRUE(is_refused(""));
    EXPECT_TRUE(is_refused("80"));
    EXPECT_TRUE(is_refused("ffffffffffffffffff"));
}

TEST(Varint, ThatDoesNotFitInto64BitsIsRefused) {
    EXPECT_TRUE(is_refused("ffffffffffffffffff02"));
    EXPECT_TRUE(is_refused("8080808080808080808001"));
    EXPECT_TRUE(is_refused("808080808080808080808000"));
}

TEST(Varint, LongerThanNeededIsAcceptedAsKafkaDoes) {
    EXPECT_FALSE(is_refused("8000"));
}

TEST(Cursor, RefusesANumberThatDoesNotFitInto32Bits) {
    for (int64_t number :
         {int64_t{std::numeric_limits<int32_t>::max()} + 1, int64_t{std::numeric_limits<int32_t>::min()} - 1}) {
        std::vector<uint8_t> bytes = from_hex(encoded(number));
        Cursor cursor(bytes);
        EXPECT_EQ(cursor.varint(), 0);
        EXPECT_FALSE(cursor.ok());
    }
}

TEST(Cursor, TakesNoMoreThanThereIs) {
    std::vector<uint8_t> bytes = from_hex("0102");
    Cursor exact(bytes);
    EXPECT_EQ(exact.take(2).size(), 2u);
    EXPECT_TRUE(exact.ok());
    Cursor more(bytes);
    EXPECT_TRUE(more.take(3).empty());
    EXPECT_FALSE(more.ok());
    Cursor negative(bytes);
    EXPECT_TRUE(negative.take(-1).empty());
    EXPECT_FALSE(negative.ok());
}

TEST(Cursor, TellsNoneFromEmpty) {
    std::vector<uint8_t> bytes = from_hex("01 00 02 61");
    Cursor cursor(bytes);
    EXPECT_FALSE(cursor.nullable().has_value());
    std::optional<Bytes> empty = cursor.nullable();
    EXPECT_TRUE(empty.has_value() && empty->empty());
    EXPECT_EQ(as_text(*cursor.nullable()), "a");
    EXPECT_TRUE(cursor.ok());
}

TEST(Cursor, GivesNothingAfterItHasFailed) {
    std::vector<uint8_t> bytes = from_hex("0a 61 02 61");
    Cursor cursor(bytes);
    EXPECT_TRUE(cursor.nullable()->empty());
    EXPECT_FALSE(cursor.ok());
    EXPECT_EQ(cursor.left(), 0u);
    EXPECT_EQ(cursor.varlong(), 0);
    EXPECT_EQ(cursor.byte(), 0);
    EXPECT_FALSE(cursor.ok());
}

}  // namespace
}  // namespace ironbark::record
