#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

TEST(Replication, ACommandIsWrittenWhenAMajorityHasItOnDisk) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        cut 3
        hold 2
        propose 1 a
        1 to 2 append behind 2:2 a commit 2 in 2
        settle
        1 commit 2          # 2 has it, but not on disk
        2 durable 2
        write 2
        settle
        1 commit 3
        1 applied a
        1 told a written at 3
        wait 50
        2 applied a
    )");
}

TEST(Replication, ALeaderCountsItselfOnlyWhenItsDiskHasIt) {
    run(R"(
        3 voters
        elect 1
        cut 3
        hold 1
        propose 1 a
        settle
        2 durable 3
        1 durable 2
        1 commit 2
        write 1
        1 commit 3
    )");
}

TEST(Replication, TwoFollowersCommitBesidesASlowLeader) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        hold 1
        propose 1 a
        settle
        1 commit 3
        1 applied nothing   # what is applied is durable here as well
        release 1
        settle
        1 applied a
        1 told a written at 3
    )");
}

TEST(Replication, EntriesFollowEachOtherWithoutWaiting) {
    run(R"(
        3 voters
        elect 1
        propose 1 a b c
        1 to 2 append behind 2:2 a commit 2 in 2 ; append behind 3:2 b commit 2 in 2 ; append behind 4:2 c commit 2 in 2
        settle
        1 applied a b c
    )");
}

TEST(Replication, TheWindowBoundsWhatIsOnTheWay) {
    Group group;
    group.settings.limits.window_messages_max = 2;
    group.run(R"(
        3 voters
        elect 1
        propose 1 a b c d e
        1 to 2 append behind 2:2 a commit 2 in 2 ; append behind 3:2 b commit 2 in 2
        deliver 1 2 1
        write 2
        deliver 2 1
        1 to 2 append behind 3:2 b commit 2 in 2 ; append behind 4:2 c d e commit 2 in 2
        settle
        2 log 1:1 2:2 3:2 4:2 5:2 6:2 7:2
    )");
}

TEST(Replication, MessagesAreBoundedInEntriesAndBytes) {
    Group group;
    group.settings.limits.append_entries_max = 2;
    group.settings.limits.command_size_max = 100;
    group.settings.limits.append_bytes_max = 200;
    group.run(R"(
        3 voters
        elect 1
        cut 2
        propose 1 a b c
        settle
        join 2
        wait 50
        2 log 1:1 2:2 3:2 4:2 5:2
    )");
    group.settings.limits.append_bytes_max = 164;
    Group small;
    small.settings = group.settings;
    const std::string large(90, 'x');
    small.run("3 voters\n elect 1\n cut 2\n propose 1 " + large + " " + large + "\n settle\n join 2\n wait 50\n" +
              "2 log 1:1 2:2 3:2 4:2");
}

TEST(Replication, LossShowsAtTheNextHeartbeat) {
    run(R"(
        3 voters
        elect 1
        propose 1 a b
        drop 1 2
        settle
        2 durable 2
        1 commit 4          # with 3
        wait 50
        2 log 1:1 2:2 3:2 4:2
    )");
}

TEST(Replication, WhatArrivesInAnotherOrderIsAskedForAgain) {
    run(R"(
        3 voters
        elect 1
        propose 1 a b
        last 1 2            # b before a
        2 to 1 not 3, try 3:0 in 2
        settle
        2 log 1:1 2:2 3:2 4:2
    )");
}

TEST(Replication, WhatArrivesTwiceIsWrittenOnce) {
    run(R"(
        3 voters
        elect 1
        propose 1 a
        again 1 2
        again 1 2
        settle
        2 log 1:1 2:2 3:2
        propose 1 b
        again 1 3
        settle
        3 applied a
        wait 50
        3 applied a b
    )");
}

TEST(Replication, ADelayedMessageTakesNothingBack) {
    Group group;
    group.run(R"(
        3 voters
        elect 1
        propose 1 a b c
        settle
        2 durable 5
    )");
    AppendRequest old{
        LogIndex(2), Term(2), {{LogIndex(3), Term(2), EntryKind::command, payload("a"), nullptr}}, LogIndex(2), 0};
    group.receive(2, group.message(1, 2, 2, old));
    group.run(R"(
        2 durable 5
        2 to 1 has 5 in 2
    )");
}

TEST(Replication, AnotherLeadersEntriesAreReplaced) {
    run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 x y       # nobody else hears of them
        settle
        1 log 1:1 2:2 3:2 4:2
        pass 600
        elect 2
        propose 2 a
        settle
        join 1
        wait 100
        1 log 1:1 2:2 3:3 4:3
        1 applied a
        1 told ready in 2 ; x unknown not_leader_or_follower ; y unknown not_leader_or_follower
    )");
}

// What differs is found in one step a term, not in one step an entry.
TEST(Replication, BacktrackingSkipsWholeTerms) {
    run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 a b c d e f g h
        settle
        pass 600
        elect 2
        propose 2 p q
        settle
        transfer 2 3
        settle
        3 is leader 4
        join 1
        expire 3
        3 to 1 append behind 5:3 commit 6 in 4
        deliver 3 1
        write term 1
        1 to 3 not 5, try 2:2 in 4
        deliver 1 3
        3 to 1 append behind 2:2 - p q - commit 6 in 4
        settle
        1 log 1:1 2:2 3:3 4:3 5:3 6:4
    )");
}

TEST(Replication, AShortLogSaysWhereItEnds) {
    run(R"(
        3 voters
        elect 1
        cut 3
        propose 1 a b c
        settle
        join 3
        expire 1            # a heartbeat
        deliver 1 3
        3 to 1 not 5, try 3:0 in 2
        deliver 3 1
        1 to 3 append behind 2:2 a b c commit 5 in 2
        settle
        3 durable 5
    )");
}

TEST(Replication, AProposalOfAnEarlierTermIsRefused) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        propose 1 in 1 a
        1 told a not_written not_leader_or_follower
        propose 2 b
        2 told b not_written not_leader_or_follower
        wait 100
        1 commit 2
    )");
}

TEST(Replication, WhatIsNotCommittedIsBounded) {
    Group group;
    group.settings.limits.proposals_max = 2;
    group.settings.limits.command_size_max = 3;
    group.run(R"(
        3 voters
        elect 1
        1 told ready in 2
        propose 1 a b c long
        1 told c not_written overloaded ; long not_written message_too_large
        settle
        1 told a written at 3 ; b written at 4
        propose 1 d
        settle
        1 told d written at 5
    )");
}

TEST(Replication, ALogThatNobodyMakesASnapshotOfIsFull) {
    Group group;
    group.settings.limits.log_bytes_max = 64 * 4 + 2;  // two entries of the beginning, and two commands of one byte
    group.settings.limits.trail_entries = 0;
    group.run(R"(
        3 voters
        elect 1
        1 told ready in 2
        propose 1 a b c
        1 told c not_written overloaded
        settle
        1 told a written at 3 ; b written at 4
        snapshot 1
        propose 1 d
        settle
        2 durable 4         # followers are full as well, until they make one
        wait 50
        snapshot 2
        wait 100
        2 durable 5
        1 told d written at 5
    )");
}

TEST(Replication, AFollowerWhoseConnectionBrokeIsAskedAnew) {
    run(R"(
        3 voters
        elect 1
        propose 1 a
        drop 1 2
        dead 1 2
        propose 1 b
        1 to 2 append behind 2:2 a b commit 2 in 2
        settle
        2 durable 4
    )");
}

TEST(Replication, AFollowerCommitsOnlyWhatThisLeaderHasProven) {
    Group group;
    group.run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 x         # 3:2, only here
        settle
        pass 600
        elect 2             # in term 3, with an entry 3:3 that is committed
        join 1
        1 log 1:1 2:2 3:2
    )");
    // A heartbeat that proves entry 2 must not commit entry 3, which is another one here.
    group.receive(1, group.message(2, 1, 3, AppendRequest{LogIndex(2), Term(2), {}, LogIndex(3), 1}));
    group.run(R"(
        1 commit 2
        1 applied nothing
        settle
        wait 50
        1 log 1:1 2:2 3:3
    )");
}

TEST(Replication, CommitsNothingOfAnEarlierTermByCounting) {
    run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 x
        settle
        crash 1
        start 1
        join 1
        pass 900
        elect 1             # x is in term 2, the no-op in term 3
        1 commit 4
        1 applied x
        3 applied nothing
        wait 50
        3 applied x
    )");
}

TEST(Replication, RestartKeepsWhatWasDurableAndLearnsTheCommitAnew) {
    run(R"(
        3 voters
        elect 1
        propose 1 a b
        settle
        hold 1
        propose 1 c
        deliver 1 2
        crash 1
        release 1
        start 1
        1 log 1:1 2:2 3:2 4:2
        1 commit 0
        1 applied nothing
        settle
        pass 600
        elect 2
        wait 50
        1 applied a b c     # it had been sent before the leader died
    )");
}

}  // namespace
}  // namespace ironbark::consensus::testing
