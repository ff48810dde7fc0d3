#include "bench/load/pattern.h"

#include <gtest/gtest.h>

namespace ironbark::bench {
namespace {

TEST(Pattern, KnowsItsRecordsAgain) {
    Pattern writer(1024);
    Pattern reader(1024);
    const std::string record(writer.record(4711));
    EXPECT_EQ(record.size(), 1024u);
    EXPECT_TRUE(reader.is_record(record, 4711));
}

TEST(Pattern, RefusesAnotherNumberAnAlteredByteAndAShortRecord) {
    Pattern pattern(1024);
    std::string record(pattern.record(4711));
    EXPECT_FALSE(pattern.is_record(record, 4712));
    EXPECT_FALSE(pattern.is_record(record.substr(0, 1023), 4711));
    for (size_t position : {0u, 8u, 512u, 1023u}) {
        std::string altered = record;
        altered[position] = static_cast<char>(altered[position] ^ 1);
        EXPECT_FALSE(pattern.is_record(altered, 4711)) << position;
    }
}

}  // namespace
}  // namespace ironbark::bench
