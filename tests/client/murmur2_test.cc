#include "client/murmur2.h"

#include <gtest/gtest.h>

namespace ironbark::client {
namespace {

struct Vector {
    const char* key;
    uint32_t hash;
};

// Of Kafka's UtilsTest.testMurmur2.
constexpr Vector java[] = {
    {"21", static_cast<uint32_t>(-973932308)},
    {"foobar", static_cast<uint32_t>(-790332482)},
    {"a-little-bit-long-string", static_cast<uint32_t>(-985981536)},
    {"a-little-bit-longer-string", static_cast<uint32_t>(-1486304829)},
    {"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", static_cast<uint32_t>(-58897971)},
    {"abc", 479470107},
};

// Of librdkafka's unittest_murmur2.
constexpr Vector librdkafka[] = {
    {"kafka", 0xd067cf64},
    {"giberish123456789", 0x8f552b0c},
    {"1234", 0x9fc97b14},
    {"234", 0xe7c009ca},
    {"34", 0x873930da},
    {"4", 0x5a4b5ca1},
    {"PreAmbleWillBeRemoved,ThePrePartThatIs", 0x78424f1c},
    {"reAmbleWillBeRemoved,ThePrePartThatIs", 0x4a62b377},
    {"eAmbleWillBeRemoved,ThePrePartThatIs", 0xe0e4e09e},
    {"AmbleWillBeRemoved,ThePrePartThatIs", 0x62b8b43f},
    {"", 0x106e08d9},
};

TEST(Murmur2, AgreesWithKafkasJavaClient) {
    for (const Vector& vector : java) EXPECT_EQ(murmur2(as_bytes(vector.key)), vector.hash) << vector.key;
}

TEST(Murmur2, AgreesWithLibrdkafka) {
    for (const Vector& vector : librdkafka) EXPECT_EQ(murmur2(as_bytes(vector.key)), vector.hash) << vector.key;
}

// Java masks each byte with 0xff. These two were computed from its source by hand.
TEST(Murmur2, BytesAreUnsigned) {
    const uint8_t key[] = {0xff, 0x80, 0x7f, 0xfe, 0x81, 0xf0, 0xf1};
    EXPECT_EQ(murmur2(Bytes(key).first(5)), 0xb6faa167);
    EXPECT_EQ(murmur2(Bytes(key)), 0xdc2d1be4);
}

TEST(Murmur2, PartitionsAreNeverNegative) {
    EXPECT_EQ(partition_of_key(as_bytes("21"), 7),
              static_cast<int32_t>((static_cast<uint32_t>(-973932308) & 0x7fffffff) % 7));
    for (int number = 0; number < 1000; ++number) {
        int32_t partition = partition_of_key(as_bytes(std::to_string(number)), 3);
        EXPECT_GE(partition, 0);
        EXPECT_LT(partition, 3);
    }
}

}  // namespace
}  // namespace ironbark::client
