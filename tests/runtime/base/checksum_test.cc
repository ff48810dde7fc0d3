#include "runtime/base/checksum.h"

#include <gtest/gtest.h>

#include <numeric>
#include <vector>

namespace ironbark {
namespace {

// RFC 3720 B.4, and the check value of the catalogues for "123456789".
TEST(Crc32c, GivesThePublishedValues) {
    std::vector<uint8_t> zeros(32, 0x00);
    std::vector<uint8_t> ones(32, 0xff);
    std::vector<uint8_t> ascending(32);
    std::iota(ascending.begin(), ascending.end(), uint8_t{0});
    std::vector<uint8_t> descending(ascending.rbegin(), ascending.rend());
    EXPECT_EQ(crc32c(zeros), 0x8a9136aau);
    EXPECT_EQ(crc32c(ones), 0x62a8ab43u);
    EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
    EXPECT_EQ(crc32c(descending), 0x113fdb5cu);
    EXPECT_EQ(crc32c(as_bytes(std::string_view("123456789"))), 0xe3069283u);
    EXPECT_EQ(crc32c({}), 0u);
}

// The definition, bit by bit.
uint32_t slow_crc32c(Bytes bytes) {
    uint32_t crc = ~0u;
    for (uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    }
    return ~crc;
}

TEST(Crc32c, FollowsItsDefinitionAtEverySizeAndAlignment) {
    std::vector<uint8_t> bytes(70'000);
    uint32_t state = 1;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    for (size_t size = 0; size < 300; ++size) {
        Bytes part = Bytes(bytes).subspan(size % 9, size);
        EXPECT_EQ(crc32c(part), slow_crc32c(part)) << size;
    }
    for (size_t size : {383u, 384u, 385u, 1000u, 3071u, 3072u, 8192u, 24'576u, 65'537u}) {
        Bytes part = Bytes(bytes).subspan(3, size);
        EXPECT_EQ(crc32c(part), slow_crc32c(part)) << size;
    }
}

TEST(Crc32c, ContinuesWhereItStopped) {
    Bytes bytes = as_bytes(std::string_view("the record batch is the unit of everything"));
    for (size_t cut = 0; cut <= bytes.size(); ++cut) {
        EXPECT_EQ(crc32c(bytes.subspan(cut), crc32c(bytes.first(cut))), crc32c(bytes));
    }
}

TEST(Crc32c, OfTwoPartsIsKnownFromThoseOfEach) {
    std::vector<uint8_t> bytes(10'000);
    for (size_t index = 0; index < bytes.size(); ++index) bytes[index] = static_cast<uint8_t>(index * 7 >> 3);
    for (size_t cut : {0u, 1u, 40u, 4096u, 9999u, 10'000u}) {
        Bytes first = Bytes(bytes).first(cut);
        Bytes second = Bytes(bytes).subspan(cut);
        EXPECT_EQ(crc32c_of_both(crc32c(first), crc32c(second), second.size()), crc32c(bytes)) << cut;
    }
}

// Values that stand in files and on the wire: they must never change.
TEST(Xxh3, GivesThePublishedValues) {
    EXPECT_EQ(xxh3({}, 0), 0x2d06800538d394c2u);
    EXPECT_NE(xxh3({}, 1), xxh3({}, 0));
    EXPECT_NE(xxh3(as_bytes(std::string_view("123456789")), 7), xxh3(as_bytes(std::string_view("123456789")), 0));
}

}  // namespace
}  // namespace ironbark
