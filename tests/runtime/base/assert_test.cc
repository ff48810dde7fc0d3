#include "runtime/base/assert.h"

#include <gtest/gtest.h>

namespace ironbark {
namespace {

TEST(AssertDeathTest, EndsTheProcessAndSaysWhatWasBroken) {
    int two = 2;
    ASSERT(two == 2);
    EXPECT_DEATH(ASSERT(two == 3), "assert_test.cc:[0-9]+: invariant broken: two == 3");
    EXPECT_DEATH(UNREACHABLE(), "invariant broken: unreachable");
}

TEST(Assert, IsAStatement) {
    bool reached = false;
    if (!reached)
        ASSERT(true);
    else
        reached = true;
    EXPECT_FALSE(reached);
}

}  // namespace
}  // namespace ironbark
