#include "client/acknowledged.h"

#include <gtest/gtest.h>
#include <string>

namespace ironbark::client {
namespace {

// "3 records at 7..9, leader"
std::string text(const LostRange& lost) {
    return std::to_string(lost.records) + " records at " + std::to_string(lost.first_offset) + ".." +
           std::to_string(lost.last_offset) + ", " + name(lost.level) + (lost.is_fatal ? ", fatal" : "");
}

TEST(Acknowledged, KnowsWhereTheLastRecordsStood) {
    Acknowledged told;
    told.note(10, 100, Acks::leader, false);
    told.note(5, 110, Acks::leader, false);
    told.note(5, 200, Acks::leader, false);
    EXPECT_EQ(text(Acknowledged(told).lose(2)), "2 records at 203..204, leader");
    EXPECT_EQ(text(Acknowledged(told).lose(7)), "7 records at 113..204, leader");
    EXPECT_EQ(text(Acknowledged(told).lose(20)), "20 records at 100..204, leader");
}

// A batch behind a gap may be lost with the gap before it: that was said already.
TEST(Acknowledged, SaysOnceWhatIsLost) {
    Acknowledged told;
    told.note(10, 100, Acks::leader, false);
    EXPECT_EQ(text(told.lose(4)), "4 records at 106..109, leader");
    told.note(3, 106, Acks::leader, false);
    EXPECT_EQ(text(Acknowledged(told).lose(7)), "3 records at 106..108, leader");
    EXPECT_EQ(text(Acknowledged(told).lose(9)), "5 records at 104..108, leader");
    told.lose(7);
    EXPECT_EQ(told.lose(7).records, 0);
    told.note(1, 106, Acks::leader, false);
    EXPECT_EQ(text(told.lose(10)), "3 records at 104..106, leader");
}

TEST(Acknowledged, TheHighestLevelCounts) {
    Acknowledged told;
    told.note(1, 0, Acks::isr_durable, true);
    told.note(1, 1, Acks::leader_durable, false);
    told.note(1, 2, Acks::leader, false);
    EXPECT_EQ(text(Acknowledged(told).lose(1)), "1 records at 2..2, leader");
    EXPECT_EQ(text(Acknowledged(told).lose(2)), "2 records at 1..2, leader_durable");
    EXPECT_EQ(text(Acknowledged(told).lose(3)), "3 records at 0..2, isr_durable, fatal");
}

TEST(Acknowledged, APlaceThatNobodyKnewIsNotKnown) {
    Acknowledged told;
    told.note(1, 7, Acks::leader, false);
    told.note(2, -1, Acks::none, false);
    told.note(1, 10, Acks::leader, false);
    EXPECT_EQ(text(Acknowledged(told).lose(2)), "2 records at -1..10, leader");
    EXPECT_EQ(text(Acknowledged(told).lose(4)), "4 records at 7..10, leader");
}

TEST(Acknowledged, BeyondItsLimitItForgetsTheOldestPlacesAndNotTheirLevel) {
    Acknowledged told;
    told.note(1, 0, Acks::isr_durable, true);
    auto most = static_cast<int32_t>(Acknowledged::ranges_max);
    for (int32_t index = 1; index <= most; ++index) told.note(1, 2 * index, Acks::leader, false);
    EXPECT_EQ(text(Acknowledged(told).lose(most)),
              std::to_string(most) + " records at 2.." + std::to_string(2 * most) + ", leader");
    EXPECT_EQ(text(told.lose(most + 1)),
              std::to_string(most + 1) + " records at -1.." + std::to_string(2 * most) + ", isr_durable, fatal");
}

TEST(Acknowledged, WithoutANumberTheLastPlaceIsAllThatIsKnown) {
    Acknowledged told;
    told.note(3, 5, Acks::leader, false);
    EXPECT_EQ(text(told.lose_unknown()), "-1 records at -1..7, leader");
    EXPECT_EQ(text(told.lose_unknown()), "-1 records at -1..-1, none");
}

}  // namespace
}  // namespace ironbark::client
