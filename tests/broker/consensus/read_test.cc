#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

TEST(Read, WaitsForARoundThatBeganAfterIt) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        expire 1            # a round is under way
        read 1 r
        deliver 1 2
        deliver 2 1         # and confirmed: it began too early for r, and the next one begins
        1 told nothing
        deliver 1 2
        deliver 2 1
        1 told r readable
    )");
}

TEST(Read, OneRoundServesMany) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        wait 60
        read 1 r
        1 to 2 append behind 2:2 commit 2 in 2
        read 1 s
        read 1 t
        1 to 2 append behind 2:2 commit 2 in 2
        settle
        1 told r readable ; s readable ; t readable
    )");
}

TEST(Read, ADeposedLeaderAnswersNothing) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        cut 1
        pass 600
        elect 2
        read 1 r
        settle
        1 told nothing
        join 1
        expire 1
        1 told r not_leader_or_follower
    )");
}

TEST(Read, WaitsUntilTheLeaderHasCommittedInItsTerm) {
    run(R"(
        3 voters
        elect 1
        propose 1 a
        settle              # acknowledged, and only 1 knows that it is committed
        crash 1
        pass 700
        hold 3
        expire 2
        settle
        write term 3
        settle
        2 is leader 3
        2 applied nothing
        read 2 r
        settle
        2 told nothing
        release 3
        settle
        2 told r readable ; ready in 3
        2 applied a
    )");
}

TEST(Read, OfAFollowerFailsAtOnce) {
    run(R"(
        3 voters
        elect 1
        read 2 r
        2 told r not_leader_or_follower
    )");
}

TEST(Read, AreBounded) {
    Group group;
    group.settings.limits.reads_max = 1;
    group.run(R"(
        3 voters
        elect 1
        1 told ready in 2
        read 1 r
        read 1 s
        1 told s overloaded
        settle
        1 told r readable
    )");
}

TEST(Read, OfAnOnlyVoterIsPassedAtOnce) {
    run(R"(
        1 voter
        wait 0
        1 told ready in 2
        read 1 r
        1 told r readable
    )");
}

TEST(Read, ALostRoundIsFollowedByTheNextHeartbeat) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        wait 60
        read 1 r
        drop 1 2
        drop 1 3
        settle
        1 told nothing
        wait 50
        1 told r readable
    )");
}

}  // namespace
}  // namespace ironbark::consensus::testing
