#include "runtime/base/ids.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace ironbark {
namespace {

static_assert(!std::is_convertible_v<Epoch, BrokerId>);
static_assert(!std::is_convertible_v<int32_t, Epoch>);
static_assert(!std::is_convertible_v<Offset, int64_t>);

TEST(Offset, Counts) {
    EXPECT_EQ(Offset(5) + 3, Offset(8));
    EXPECT_EQ(Offset(5) - 3, Offset(2));
    EXPECT_EQ(Offset(5) - Offset(3), 2);
    EXPECT_LT(Offset(-1), Offset(0));
}

TEST(Uuid, IsPrintedAndParsed) {
    Uuid uuid = Uuid::from_words(0x0123456789abcdef, 0xfedcba9876543210);
    EXPECT_EQ(uuid.to_string(), "01234567-89ab-4def-bedc-ba9876543210");  // with the marks of version 4
    EXPECT_EQ(Uuid::parse(uuid.to_string()), uuid);
    EXPECT_EQ(Uuid::parse("01234567-89AB-4DEF-BEDC-BA9876543210"), uuid);
    EXPECT_FALSE(uuid.is_zero());
    EXPECT_TRUE(Uuid().is_zero());
}

TEST(Uuid, RefusesWhatIsNone) {
    for (const char* text : {"", "0", "01234567-89ab-4def-bedc-ba987654321", "01234567-89ab-4def-bedc-ba98765432100",
                             "01234567089ab-4def-bedc-ba9876543210", "01234567-89ab-4def-bedc-ba987654321g",
                             "0123456-789ab-4def-bedc-ba9876543210"}) {
        EXPECT_FALSE(Uuid::parse(text).has_value()) << text;
    }
}

TEST(PartitionIdentity, IsADirectoryName) {
    PartitionIdentity identity{Uuid::from_words(1, 2), PartitionIndex(17)};
    EXPECT_EQ(identity.to_string(), "00000000-0000-4001-8000-000000000002-17");
    EXPECT_EQ(PartitionIdentity::parse(identity.to_string()), identity);
    for (const char* text : {"00000000-0000-4001-8000-000000000002", "00000000-0000-4001-8000-000000000002-",
                             "00000000-0000-4001-8000-000000000002--1", "00000000-0000-4001-8000-000000000002-1x",
                             "00000000-0000-4001-8000-000000000002-99999999999", "pool"}) {
        EXPECT_FALSE(PartitionIdentity::parse(text).has_value()) << text;
    }
}

TEST(PartitionIdentity, SeedsDifferByTopicAndPartition) {
    PartitionIdentity identity{Uuid::from_words(1, 2), PartitionIndex(0)};
    PartitionIdentity next{Uuid::from_words(1, 2), PartitionIndex(1)};
    PartitionIdentity other{Uuid::from_words(1, 3), PartitionIndex(0)};
    EXPECT_NE(identity.seed(), next.seed());
    EXPECT_NE(identity.seed(), other.seed());
}

}  // namespace
}  // namespace ironbark
