#include "runtime/io/spin.h"

#include <gtest/gtest.h>

namespace ironbark {
namespace {

void note(Spin& spin, int times, Duration waited) {
    for (int time = 0; time < times; ++time) spin.note(waited);
}

TEST(Spin, BeginsAsleep) { EXPECT_EQ(Spin(200us).window(), 0us); }

TEST(Spin, PollsWhenShortWaitsCome) {
    Spin spin(200us);
    note(spin, 3, 200us);
    EXPECT_EQ(spin.window(), 0us);
    note(spin, 1, 200us);
    EXPECT_EQ(spin.window(), 200us);
}

TEST(Spin, GoesOnWhileLongWaitsAreFew) {
    Spin spin(200us);
    for (int round = 0; round < 10; ++round) {
        note(spin, 2, 50us);
        note(spin, 1, 201us);
    }
    EXPECT_EQ(spin.window(), 200us);
}

TEST(Spin, EndsWhenMostWaitsAreLong) {
    Spin spin(200us);
    note(spin, 1000, 10us);
    note(spin, 4, 1ms);
    EXPECT_EQ(spin.window(), 200us);
    note(spin, 1, 1ms);
    EXPECT_EQ(spin.window(), 0us);
}

TEST(Spin, EndsWithTheWork) {
    Spin spin(200us);
    note(spin, 1000, 10us);
    note(spin, 1, 2ms);
    EXPECT_EQ(spin.window(), 0us);
    note(spin, 3, 10us);
    EXPECT_EQ(spin.window(), 0us);
}

TEST(Spin, NeverPollsWithoutAllowance) {
    Spin spin(0us);
    note(spin, 10, 0us);
    EXPECT_EQ(spin.window(), 0us);
}

}  // namespace
}  // namespace ironbark
