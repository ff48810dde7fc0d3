#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

TEST(Transfer, HandsOverWithoutWaitingForATimeout) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        transfer 1 3
        settle
        3 is leader 3
        1 follows 3
        1 told handed over
    )");
}

TEST(Transfer, ChoosesWhoHasMost) {
    run(R"(
        3 voters
        elect 1
        cut 2
        propose 1 a
        settle
        join 2
        transfer 1
        settle
        3 is leader 3
    )");
}

TEST(Transfer, WaitsUntilTheOtherHasEverything) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        propose 1 a
        transfer 1 2
        1 to 2 append behind 2:2 a commit 2 in 2
        propose 1 b
        1 told b not_written not_leader_or_follower
        settle
        2 is leader 3
        1 told a written at 3 ; handed over
    )");
}

TEST(Transfer, ThatFailsIsGivenUp) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        cut 2
        transfer 1 2
        wait 310
        1 is leader 2
        1 told not handed over
        propose 1 a
        settle
        1 told a written at 3
    )");
}

TEST(Transfer, IsRepeatedWhenItIsLost) {
    run(R"(
        3 voters
        elect 1
        transfer 1 2
        1 to 2 be candidate now in 2
        drop 1 2
        wait 50
        2 is leader 3
    )");
}

TEST(Transfer, NeedsAnotherVoter) {
    run(R"(
        1 voter
        wait 0
        1 told ready in 2
        transfer 1
        1 told not handed over ; only a leader hands over, once at a time, and to another voter
    )");
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        transfer 1 1
        transfer 2 1
        1 told not handed over ; only a leader hands over, once at a time, and to another voter
        2 told not handed over ; only a leader hands over, once at a time, and to another voter
    )");
}

}  // namespace
}  // namespace ironbark::consensus::testing
