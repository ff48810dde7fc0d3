#include "runtime/base/checksum.h"

#include <gtest/gtest.h>
#include <numeric>
#include <vector>

#include "tests/log/record/samples.h"

namespace ironbark::record {
namespace {

uint32_t crc32c_bit_by_bit(Bytes bytes) {
    uint32_t crc = 0xffffffff;
    for (uint8_t byte : bytes) {
        crc ^= byte;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82f63b78u : 0u);
    }
    return ~crc;
}

// Equal in every build: no two neighbours alike, and not periodic within a lane.
std::vector<uint8_t> pattern(size_t size) {
    std::vector<uint8_t> bytes(size);
    uint32_t state = 1;
    for (uint8_t& byte : bytes) byte = static_cast<uint8_t>((state = state * 1664525 + 1013904223) >> 24);
    return bytes;
}

TEST(Crc32c, GivesTheValuesOfRfc3720) {
    std::vector<uint8_t> ascending(32);
    std::iota(ascending.begin(), ascending.end(), uint8_t{0});
    std::vector<uint8_t> descending(ascending.rbegin(), ascending.rend());
    std::vector<uint8_t> read_command = from_hex(
        "01c00000 00000000 00000000 00000000 14000000 00000400 00000014 00000018 28000000 00000000 02000000 00000000");
    EXPECT_EQ(crc32c(std::vector<uint8_t>(32, 0x00)), 0x8a9136aau);
    EXPECT_EQ(crc32c(std::vector<uint8_t>(32, 0xff)), 0x62a8ab43u);
    EXPECT_EQ(crc32c(ascending), 0x46dd794eu);
    EXPECT_EQ(crc32c(descending), 0x113fdb5cu);
    EXPECT_EQ(crc32c(read_command), 0xd9963a56u);
    EXPECT_EQ(crc32c(as_bytes("123456789")), 0xe3069283u);
    EXPECT_EQ(crc32c({}), 0u);
}

TEST(Crc32c, AgreesWithTheDefinitionAtEverySizeAroundItsLanes) {
    std::vector<uint8_t> bytes = pattern(7000);
    for (size_t size : std::initializer_list<size_t>{1, 7, 8, 9, 1023, 1024, 1025, 3071, 3072, 3073, 3079, 3080, 6143,
                                                     6144, 6145, 7000}) {
        EXPECT_EQ(crc32c(Bytes(bytes).first(size)), crc32c_bit_by_bit(Bytes(bytes).first(size))) << size;
    }
}

TEST(Crc32c, ContinuesFromAnyPlace) {
    std::vector<uint8_t> bytes = pattern(6500);
    uint32_t whole = crc32c(bytes);
    for (size_t size = 0; size < bytes.size(); size += 97) {
        uint32_t first = crc32c(Bytes(bytes).first(size));
        EXPECT_EQ(crc32c(Bytes(bytes).subspan(size), first), whole) << size;
    }
}

TEST(Xxh3, GivesTheValuesThatXxhashPublishes) {
    EXPECT_EQ(xxh3({}, 0), 0x2d06800538d394c2u);
    EXPECT_EQ(xxh3(as_bytes("abc"), 0), 0x78af5f94892f3950u);
    EXPECT_EQ(xxh3(as_bytes("abc"), 1), 0x6b4467b443c76228u);
}

TEST(Xxh3, GivesTheValueOfTheLongInputPath) {
    std::vector<uint8_t> bytes(1024);
    std::iota(bytes.begin(), bytes.end(), uint8_t{0});
    EXPECT_EQ(xxh3(bytes, 0), 0xa870f92984398d22u);
}

}  // namespace
}  // namespace ironbark::record
