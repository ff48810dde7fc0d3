#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

TEST(Election, WhoeverTimesOutFirstLeads) {
    run(R"(
        3 voters
        1 is follower 1
        1 log 1:1
        expire 1
        1 is pre_candidate 1
        1 to 2 would you for 1:1 in 1
        settle
        1 is leader 2
        2 is follower 2
        2 follows 1
        3 follows 1
        2 votes for 1
        1 log 1:1 2:2
        3 log 1:1 2:2
        1 commit 2
        1 told ready in 2
    )");
}

TEST(Election, AnOnlyVoterElectsItselfAtOnce) {
    run(R"(
        1 voter
        wait 0
        1 is leader 2
        1 commit 2
        propose 1 a
        settle
        1 applied a
        crash 1
        start 1
        settle
        1 is leader 3
        1 applied a
    )");
}

TEST(Election, NothingIsAskedBeforeTheVoteForOneselfIsDurable) {
    run(R"(
        3 voters
        hold 1
        expire 1
        settle
        1 is candidate 2
        1 to 2 nothing
        write term 1
        1 to 2 vote for 1:1 in 2
        1 is candidate 2
        settle
        1 is leader 2
    )");
}

TEST(Election, NoVoteIsGivenBeforeItIsDurable) {
    run(R"(
        3 voters
        hold 2
        cut 3
        expire 1
        settle
        1 is candidate 2
        2 to 1 nothing
        2 stored 1
        write term 2
        2 votes for 1
        2 to 1 vote yes in 2
        deliver 2 1
        1 is leader 2
    )");
}

TEST(Election, ACrashBeforeTheVoteIsDurableFreesIt) {
    run(R"(
        3 voters
        hold 2
        cut 3
        expire 1
        settle
        crash 2
        release 2
        start 2
        2 stored 1
        2 votes for nobody
    )");
}

TEST(Election, OneVoteInATerm) {
    run(R"(
        5 voters
        expire 1
        expire 2            # nobody leads yet: both ask
        deliver 1 3
        deliver 1 4
        deliver 2 4
        deliver 2 5
        settle
        1 is leader 2       # had its majority before 2 asked in earnest
        2 follows 1
        5 votes for 1
    )");
}

TEST(Election, ASplitVoteEndsAtTheNextTimeout) {
    run(R"(
        3 voters
        cut 3
        hold 1
        hold 2
        expire 1
        expire 2
        settle
        1 is candidate 2
        2 is candidate 2
        release 1
        release 2
        settle              # each has voted for itself, and 3 does not hear
        1 is candidate 2
        2 is candidate 2
        expire 1
        settle
        1 is leader 3
        2 follows 1
    )");
}

TEST(Election, AfterALeaderTheOthersAreCandidatesInTheirTurn) {
    run(R"(
        5 voters
        elect 5
        wait 50
        cut 5
        wait 290
        1 is follower 2
        wait 50
        1 is leader 3
        2 follows 1
        3 follows 1
        4 follows 1
    )");
    run(R"(
        5 voters
        elect 5
        wait 50
        # the first in turn does not hear that it could lead
        cut 5
        cut 1
        wait 400
        2 is leader 3
        3 follows 2
        4 follows 2
    )");
}

TEST(Election, ALogThatIsBehindIsNotVotedFor) {
    run(R"(
        3 voters
        elect 1
        cut 3
        propose 1 a
        settle
        join 3
        crash 1
        wait 0
        pass 400
        expire 3
        settle
        3 is pre_candidate 2
        expire 2
        settle
        2 is leader 3
        3 follows 2
    )");
}

TEST(Election, AVoterThatWasAwayDoesNotDisturb) {
    run(R"(
        3 voters
        elect 1
        cut 3
        wait 3000
        3 is pre_candidate 2      # asks, and raises no term
        join 3
        wait 200
        1 is leader 2
        3 follows 1
    )");
}

TEST(Election, WhoHearsFromALeaderGivesNoPreVoteUntilTheMinimumTimeout) {
    run(R"(
        3 voters
        elect 1
        cut 1 3
        cut 3 1
        pass 250
        expire 3
        deliver 3 2
        2 to 3 would yes in 2     # 300 ms have passed for it too
    )");
    run(R"(
        3 voters
        elect 1
        cut 1 3
        cut 3 1
        wait 330                  # 2 heard from 1 all the while
        expire 3
        deliver 3 2
        2 to 3 would no in 2
    )");
}

TEST(Election, AVoteIsRefusedToOneThatSkippedThePreVote) {
    Group group;
    group.run("3 voters\n elect 1");
    group.receive(2, group.message(3, 2, 9, VoteRequest{false, false, LogIndex(5), Term(2)}));
    group.run(R"(
        2 is follower 2
        2 follows 1
        2 to 3 nothing
    )");
}

TEST(Election, ADeadLeaderIsReplacedAtOnceByThoseWhoSawItDie) {
    run(R"(
        3 voters
        elect 1
        wait 100
        crash 1
        dead 2 1
        dead 3 1
        wait 20
        2 is leader 3
        3 follows 2
        2 leads after 8 ms  # nobody may take that for silence
    )");
}

TEST(Election, OneThatDidNotSeeItDieGrantsNothingYet) {
    run(R"(
        3 voters
        elect 1
        wait 100
        crash 1
        dead 2 1
        wait 40
        2 is pre_candidate 2
        dead 3 1
        wait 40
        3 is leader 3       # 2 was willing from the beginning
    )");
}

TEST(Election, LateNewsOfADeathDoNotDepose) {
    run(R"(
        3 voters
        elect 1
        dead 2 1            # it had died long ago, and leads again
        2 is follower 2     # the timer has not expired
        wait 110
        1 is leader 2
        2 follows 1
    )");
}

TEST(Election, ThoseWhoSeeALeaderDieAreCandidatesInTheirTurn) {
    run(R"(
        5 voters
        elect 5
        wait 50
        cut 5
        dead 1 5
        dead 2 5
        dead 3 5
        dead 4 5
        wait 11
        1 is leader 3       # the others grant what nobody else asks for
        2 follows 1
        3 follows 1
        4 follows 1
    )");
}

// When a lease may have been granted last hangs on this (Controller::become_active).
TEST(Election, ALeaderKnowsWhenItsVotersHadConfirmedAnotherLast) {
    run(R"(
        3 voters
        elect 1
        wait 100
        crash 1
        wait 400
        2 is leader 3
        2 leads after 320 ms
    )");
    run(R"(
        3 voters
        elect 1
        wait 100
        transfer 1 2
        settle
        2 is leader 3
        2 leads after 0 ms
    )");
    run(R"(
        # the one that had heard the leader a moment ago is among the voters
        3 voters
        elect 1
        wait 100
        cut 2
        wait 400
        crash 1
        join 2
        dead 3 1
        dead 2 1
        wait 20
        2 is leader 3
        2 leads after 20 ms
    )");
    run(R"(
        # the voter is who led until now, and had confirmed itself
        5 voters
        elect 1
        wait 100
        cut 3
        cut 4
        cut 5
        wait 320
        1 is follower 2
        cut 2
        join 3
        join 4
        expire 3
        settle
        3 is leader 3
        3 leads after 29 ms
    )");
}

TEST(Election, ALeaderWithoutAMajorityStepsDown) {
    run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 a
        wait 299
        1 is leader 2
        1 told ready in 2
        wait 60
        1 is follower 2
        1 told a unknown not_leader_or_follower
        2 is leader 3
        join 1
        wait 100
        1 follows 2
        1 log 1:1 2:2 3:3
    )");
}

TEST(Election, ALeaderThatSleptStepsDownWhenItWakes) {
    run(R"(
        3 voters
        elect 1
        pass 5000
        expire 1
        1 is follower 2
    )");
}

TEST(Election, AStaleLeaderLearnsThatItIsOver) {
    run(R"(
        3 voters
        elect 1
        cut 1
        pass 600
        elect 2
        2 is leader 3
        1 is leader 2
        join 1
        propose 1 a
        deliver 1 3
        3 to 1 not 0, try 0:0 in 3
        settle
        1 is follower 3
        1 applied nothing
    )");
}

TEST(Election, AVoteIsKeptOverARestart) {
    run(R"(
        3 voters
        expire 1
        deliver 1 2
        deliver 2 1
        write term 1
        deliver 1 2
        write term 2
        2 votes for 1
        crash 2
        start 2
        pass 400
        expire 3            # asks in term 1: 2 is in term 2 and says so
        deliver 3 2
        deliver 2 3
        3 is follower 2
        expire 3
        drop 3 2
        2 votes for 1
        2 stored 2
    )");
}

TEST(Election, ACandidateWhoseDiskIsSlowDoesNotRunAheadOfIt) {
    run(R"(
        3 voters
        hold 1
        expire 1
        settle
        1 is candidate 2
        cut 1
        wait 3000
        1 is candidate 2    # still waits for its first write
    )");
}

TEST(Election, AFailedDiskStopsTheVoterForGood) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        propose 1 a
        fail 1
        1 told a unknown not_leader_or_follower ; storage failed: neither votes nor leads until restarted
        1 is stopped 2
        wait 1000
        1 is stopped 2
        2 is leader 3
    )");
}

TEST(Election, ABlankVoterVotesForNobodyItWasNotAskedBy) {
    run(R"(
        3 voters
        wipe 3
        wait 2000
        3 is follower 0     # knows no cluster, and asks for nothing
        1 is leader 2
        1 told ready in 2
        2 told nothing
    )");
}

}  // namespace
}  // namespace ironbark::consensus::testing
