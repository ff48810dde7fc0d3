#include "runtime/base/bytes.h"

#include <gtest/gtest.h>

#include <array>

namespace ironbark {
namespace {

TEST(Bytes, StoresNumbersInEitherOrderAtAnyPlace) {
    std::array<uint8_t, 9> bytes{};
    store_le(bytes.data() + 1, uint32_t{0x01020304});
    EXPECT_EQ(bytes, (std::array<uint8_t, 9>{0, 4, 3, 2, 1, 0, 0, 0, 0}));
    store_be(bytes.data() + 1, uint64_t{0x0102030405060708});
    EXPECT_EQ(bytes, (std::array<uint8_t, 9>{0, 1, 2, 3, 4, 5, 6, 7, 8}));
    EXPECT_EQ(load_be<uint64_t>(bytes.data() + 1), 0x0102030405060708u);
    EXPECT_EQ(load_le<uint16_t>(bytes.data() + 1), 0x0201u);
}

TEST(Bytes, KeepsTheSignOfNumbers) {
    std::array<uint8_t, 8> bytes{};
    store_be(bytes.data(), int64_t{-2});
    EXPECT_EQ(load_be<int64_t>(bytes.data()), -2);
    EXPECT_EQ(bytes[0], 0xff);
    EXPECT_EQ(bytes[7], 0xfe);
    store_be(bytes.data(), int8_t{-3});
    EXPECT_EQ(load_be<int8_t>(bytes.data()), -3);
}

TEST(Bytes, RoundsToMultiples) {
    EXPECT_EQ(round_up(0, 4096), 0u);
    EXPECT_EQ(round_up(1, 4096), 4096u);
    EXPECT_EQ(round_up(4096, 4096), 4096u);
    EXPECT_EQ(round_down(8191, 4096), 4096u);
}

TEST(Bytes, ViewsTextAsBytesAndBack) {
    EXPECT_EQ(as_text(as_bytes(std::string_view("record"))), "record");
    EXPECT_EQ(as_bytes(std::string_view("\xff")).front(), 0xff);
}

}  // namespace
}  // namespace ironbark
