#include "bench/load/schedule.h"

#include <gtest/gtest.h>

namespace ironbark::bench {
namespace {

// Goes through the schedule; `is_disturbed` is asked for each turn in order. "1u" is round 1 through io_uring.
template <typename IsDisturbed>
std::string walk(Schedule& schedule, IsDisturbed is_disturbed) {
    std::string counted;
    for (int number = 0; const std::optional<Turn> turn = schedule.next(); ++number) {
        if (schedule.finish(*turn, is_disturbed(number))) counted += std::to_string(turn->round) + turn->io[0] + ' ';
    }
    return counted;
}

TEST(Schedule, TakesTheWorldsInTurnInEachRound) {
    Schedule schedule({"uring", "posix"}, 3, 3);
    EXPECT_EQ(walk(schedule, [](int) { return false; }), "0u 0p 1u 1p 2u 2p ");
    EXPECT_EQ(schedule.repeats(), 0);
}

TEST(Schedule, RepeatsADisturbedTurnAtTheEnd) {
    Schedule schedule({"uring", "posix"}, 2, 2);
    EXPECT_EQ(walk(schedule, [](int number) { return number == 1; }), "0u 1u 1p 0p ");
    EXPECT_EQ(schedule.repeats(), 1);
    EXPECT_EQ(schedule.disturbed(), 0);
}

TEST(Schedule, CountsADisturbedTurnWhenItHasRepeatedEnoughAndSaysSo) {
    Schedule schedule({"uring"}, 3, 2);
    EXPECT_EQ(walk(schedule, [](int) { return true; }), "2u 0u 1u ");
    EXPECT_EQ(schedule.repeats(), 2);
    EXPECT_EQ(schedule.disturbed(), 3);
}

}  // namespace
}  // namespace ironbark::bench
