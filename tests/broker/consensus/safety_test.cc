// The mistakes of others (research of the packaged C-Raft 0.15), as scripts: each fails on a core that makes it.
#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

// C1, figure 8 of the Raft paper: x of term 2 is on a majority, by the hand of the leader of term 4, and may still be
// overwritten by one that was elected without it.
TEST(Safety, AnEntryOfAnEarlierTermIsNotCommittedByCounting) {
    Group group;
    group.settings.limits.append_entries_max = 1;  // x travels without the entry that follows it
    group.run(R"(
        5 voters
        elect 1
        cut 3
        cut 4
        cut 5
        propose 1 x
        settle              # x = 3:2 on 1 and 2
        crash 1
        join 3
        join 4
        join 5
        cut 2
        pass 700
        expire 5            # leads in term 3, by 3 and 4
        deliver 5 3
        deliver 5 4
        deliver 3 5
        deliver 4 5
        write term 5
        deliver 5 3
        deliver 5 4
        write term 3
        write term 4
        deliver 3 5
        deliver 4 5
        5 is leader 3
        cut 5
        write 5
        5 log 1:1 2:2 3:3
        crash 5             # its 3:3 is nowhere else
        start 1
        join 2
        cut 4
        pass 900
        expire 1            # learns of term 3
        deliver 1 3
        deliver 3 1
        write term 1
        drop 1 2
        expire 1
        deliver 1 2
        deliver 1 3
        deliver 2 1
        deliver 3 1
        write term 1
        deliver 1 2
        deliver 1 3
        write term 2
        write term 3
        deliver 2 1
        deliver 3 1
        1 is leader 4
        1 to 3 append behind 3:2 - commit 0 in 4
        deliver 1 3
        3 to 1 not 3, try 3:0 in 4
        deliver 3 1
        1 to 3 append behind 2:2 x commit 0 in 4
        deliver 1 3
        write 3
        deliver 3 1
        drop 1 2
        drop 1 3
        expire 1
        deliver 1 2
        2 to 1 has 3 in 4
        deliver 2 1
        1 durable 3
        1 commit 0          # though 1, 2 and 3 have x on disk
        crash 1
        start 5
        join 4
        join 5
        pass 900
        expire 5
        settle
        expire 5
        settle
        5 is leader 5
        2 log 1:1 2:2 3:3 4:5
        3 log 1:1 2:2 3:3 4:5
        start 1
        wait 100
        1 log 1:1 2:2 3:3 4:5
        1 applied nothing
    )");
}

// C2: a follower with a stale suffix acknowledges a heartbeat, and the leader takes the suffix for its own entries.
TEST(Safety, AnAcknowledgementClaimsOnlyWhatTheLeaderHasProven) {
    run(R"(
        3 voters
        elect 1
        cut 1
        propose 1 a b c     # 3:2 4:2 5:2, only on 1
        settle
        pass 600
        expire 2
        settle
        2 is leader 3       # no-op 3:3 on 2 and 3
        cut 3
        propose 2 x y
        settle              # x 4:3 and y 5:3 on 2 alone
        2 commit 3
        join 1
        cut 1 3
        cut 3 1
        expire 2            # a heartbeat behind 2:2, which 1 has
        deliver 2 1 1
        write term 1
        1 to 2 has 2 in 3   # and not 5, where its log ends
        deliver 1 2
        2 commit 3
    )");
}

// C3: a leader whose write failed must not give the same place to another command: it stops.
TEST(Safety, AFailedWriteIsNeverFollowedByAnotherOne) {
    run(R"(
        3 voters
        elect 1
        1 told ready in 2
        hold 1
        propose 1 x
        fail 1
        1 told x unknown not_leader_or_follower ; storage failed: neither votes nor leads until restarted
        propose 1 z
        settle
        1 told nothing
        1 is stopped 2
        2 log 1:1 2:2 3:2
    )");
}

// C4: a voter that was told to be a candidate votes for itself, and for nobody else in that term.
TEST(Safety, AVoterThatIsHandedTheLeadVotesOnce) {
    Group group;
    group.run(R"(
        3 voters
        elect 1
        hold 2
        transfer 1 2
        deliver 1 2
        2 is candidate 3
    )");
    group.receive(2, group.message(3, 2, 3, VoteRequest{false, true, LogIndex(9), Term(2)}));
    group.run(R"(
        write term 2
        2 votes for 2
        2 to 3 vote at once for 2:2 in 3 ; vote no in 3
    )");
}

// C5: a membership that is not committed is cut away, also after a restart in between.
TEST(Safety, AnUncommittedReplacementIsRolledBackAfterARestart) {
    Group group;
    group.run(R"(
        3 voters
        elect 1
        cut 1
        1 told ready in 2
    )");
    group.step(1, ReplaceVoter{ProposalId(9), Term(2), voter(3, 1)});
    group.run(R"(
        settle
        1 voters oon joint
        crash 1
        start 1
        1 voters oon joint
        pass 600
        elect 2
        join 1
        wait 100
        1 voters ooo
        1 log 1:1 2:2 3:3
        crash 1
        start 1
        1 voters ooo
    )");
}

// C6: the same when the membership before it has left the log with a snapshot.
TEST(Safety, ARollbackFindsTheMembershipThatTheSnapshotHolds) {
    Group group;
    group.settings.limits.trail_entries = 0;
    group.run(R"(
        3 voters
        elect 1
        propose 1 a b
        settle
        snapshot 1
        1 log nothing
        cut 1
    )");
    group.step(1, ReplaceVoter{ProposalId(9), Term(2), voter(3, 1)});
    group.run(R"(
        settle
        1 voters oon joint
        crash 1
        start 1
        pass 600
        elect 2
        join 1
        wait 100
        1 voters ooo
        1 log 5:3
    )");
}

// A write that was cut away before it completed says nothing of what took its place.
TEST(Safety, ACompletionOfEntriesThatWereCutAwayCountsForNothing) {
    EntryLog log;
    Entry old{LogIndex(1), Term(1), EntryKind::no_op, nullptr, nullptr};
    Entry fresh{LogIndex(1), Term(2), EntryKind::no_op, nullptr, nullptr};
    WriteId first = log.append({old});
    log.truncate(LogIndex(1));
    WriteId third = log.append({fresh});
    EXPECT_TRUE(log.persisted(first));
    EXPECT_EQ(log.durable(), LogIndex(0));
    EXPECT_FALSE(log.persisted(first));
    EXPECT_FALSE(log.persisted(WriteId(third.value + 1)));
    EXPECT_TRUE(log.persisted(third));
    EXPECT_EQ(log.durable(), LogIndex(1));
}

TEST(Safety, WritesOfALogThatASnapshotReplacedCountForNothing) {
    EntryLog log;
    WriteId old = log.append({{LogIndex(1), Term(1), EntryKind::no_op, nullptr, nullptr}});
    WriteId reset = log.reset(LogIndex(10), Term(3));
    EXPECT_FALSE(log.persisted(old));
    EXPECT_EQ(log.durable(), LogIndex(10));
    EXPECT_TRUE(log.persisted(reset));
    EXPECT_EQ(log.last(), LogIndex(10));
    EXPECT_EQ(log.term_at(LogIndex(10)), Term(3));
    EXPECT_EQ(log.term_at(LogIndex(9)), std::nullopt);
}

}  // namespace
}  // namespace ironbark::consensus::testing
