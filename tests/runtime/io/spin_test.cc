#include "runtime/io/spin.h"

#include <gtest/gtest.h>

namespace ironbark {
namespace {

TEST(Spin, BeginsAsleep) { EXPECT_EQ(Spin(200us).window(), 0us); }

TEST(Spin, PollsAfterAWaitThatPollingWouldHaveBridged) {
    Spin spin(200us);
    spin.note(199us);
    EXPECT_EQ(spin.window(), 200us);
    spin.note(200us);
    EXPECT_EQ(spin.window(), 200us);
}

TEST(Spin, SleepsAfterALongWait) {
    Spin spin(200us);
    spin.note(10us);
    spin.note(201us);
    EXPECT_EQ(spin.window(), 0us);
    spin.note(10us);
    EXPECT_EQ(spin.window(), 200us);
}

TEST(Spin, NeverPollsWithoutAllowance) {
    Spin spin(0us);
    spin.note(0us);
    EXPECT_EQ(spin.window(), 0us);
}

}  // namespace
}  // namespace ironbark
