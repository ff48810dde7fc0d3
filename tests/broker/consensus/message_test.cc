// What a peer says is judged, and never believed for its shape: it changes nothing, and is reported.
#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

Entry command(uint64_t index, uint64_t term) {
    return {LogIndex(index), Term(term), EntryKind::command, payload("x"), nullptr};
}

// A follower of voter 1 in term 2, with entries 1:1, 2:2 and 3:2, committed up to 2.
class BadMessage : public ::testing::Test {
  protected:
    BadMessage() { group.run("3 voters\n elect 1\n propose 1 a\n settle\n 2 commit 2"); }

    std::string said_to_2(MessageBody body, uint64_t term = 2, int from = 1) {
        return told(group.message(from, 2, term, std::move(body)));
    }
    std::string told(Message message) {
        const Status before = group.core(2).status();
        group.receive(2, std::move(message));
        const Status after = group.core(2).status();
        EXPECT_EQ(before.term, after.term);
        EXPECT_EQ(before.last, after.last);
        EXPECT_EQ(before.commit, after.commit);
        EXPECT_EQ(before.leader, after.leader);
        return group.told(2);
    }
    AppendRequest append(uint64_t previous, uint64_t previous_term, std::vector<Entry> entries) {
        return {LogIndex(previous), Term(previous_term), std::move(entries), LogIndex(9), 1};
    }

    Group group;
};

TEST_F(BadMessage, OfAnotherCluster) {
    Message message = group.message(1, 2, 9, VoteRequest{});
    message.cluster = voter(9).directory;
    EXPECT_EQ(told(message), "a message of another cluster");
    message.cluster = Uuid();
    EXPECT_EQ(told(message), "a message of no cluster");
}

TEST_F(BadMessage, ForAnotherDirectory) {
    Message message = group.message(1, 2, 9, AppendRequest{});
    message.to = voter(2, 1);
    EXPECT_EQ(told(message), "a message for another directory than this voter's");
}

TEST_F(BadMessage, OfADirectoryThatIsNoVoter) {
    Message message = group.message(3, 2, 9, VoteRequest{false, true, LogIndex(9), Term(8)});
    message.from = voter(3, 1);
    EXPECT_EQ(told(message), "a message of a directory that has no vote in this cluster");
    message.body = AppendResponse{};
    message.membership_index = LogIndex(9);
    EXPECT_EQ(told(message), "a message of a directory that has no vote in this cluster") << "an answer never counts";
    message.from = voter(2);
    EXPECT_EQ(told(message), "a message from this voter itself");
    message.from = {};
    EXPECT_EQ(told(message), "a message of a voter without a directory");
}

TEST_F(BadMessage, OfATermThatCannotBe) {
    EXPECT_EQ(said_to_2(AppendRequest{}, UINT64_MAX), "a term that nobody can have reached");
    EXPECT_EQ(said_to_2(AppendRequest{}, 0), "a message of no term");
    EXPECT_EQ(said_to_2(VoteRequest{true, false, LogIndex(1), Term(9)}),
              "a vote request for a log that is newer than its owner's term");
    EXPECT_EQ(said_to_2(VoteResponse{false, true, Term(0)}), "a vote in no term");
    EXPECT_EQ(said_to_2(VoteResponse{false, true, Term(3)}), "a vote in a term that the voter has not reached");
    EXPECT_EQ(said_to_2(VoteResponse{false, true, Term(2), -1}), "a vote after a silence of no length");
}

TEST_F(BadMessage, WithEntriesThatCannotFollowEachOther) {
    const std::string reason = "entries that cannot follow each other";
    EXPECT_EQ(said_to_2(append(3, 2, {command(5, 2)})), reason) << "a gap";
    EXPECT_EQ(said_to_2(append(3, 2, {command(4, 1)})), reason) << "a term that falls";
    EXPECT_EQ(said_to_2(append(0, 0, {command(1, 2)})), reason) << "the first entry names the voters";
    Entry entry = command(4, 2);
    entry.command = nullptr;
    EXPECT_EQ(said_to_2(append(3, 2, {entry})), reason) << "a command without a command";
    entry.kind = EntryKind::membership;
    EXPECT_EQ(said_to_2(append(3, 2, {entry})), reason);
    entry.membership = std::make_shared<const Membership>(Membership{cluster(), {voter(1), voter(2)}, std::nullopt});
    EXPECT_EQ(said_to_2(append(3, 2, {entry})), reason) << "two voters";
    entry.membership = std::make_shared<const Membership>(Membership{voter(9).directory, {voter(1)}, std::nullopt});
    EXPECT_EQ(said_to_2(append(3, 2, {entry})), reason) << "another cluster's";
    entry.kind = static_cast<EntryKind>(77);
    EXPECT_EQ(said_to_2(append(3, 2, {entry})), reason);
    EXPECT_EQ(said_to_2(append(3, 2, {command(4, 3)})), "entries of a later term than their sender's");
    EXPECT_EQ(said_to_2(append(UINT64_MAX, 2, {})), "a log index that nothing can have");
}

TEST_F(BadMessage, WithMoreThanItMayCarry) {
    std::vector<Entry> entries;
    for (uint64_t index = 4; index < 4 + 1025; ++index) entries.push_back(command(index, 2));
    EXPECT_EQ(said_to_2(append(3, 2, entries)), "more entries than a message may carry");
    Entry large = command(4, 2);
    large.command = std::make_shared<const std::vector<uint8_t>>(2 << 20);
    EXPECT_EQ(said_to_2(append(3, 2, {large})), "more bytes of entries than a message may carry");
}

TEST_F(BadMessage, ThatDeniesWhatIsCommitted) {
    EXPECT_EQ(said_to_2(append(2, 1, {})), "the leader denies what is committed");
    EXPECT_EQ(said_to_2(append(1, 1, {command(2, 1)})), "the leader would overwrite what is committed");
    EXPECT_EQ(said_to_2(append(3, 1, {})), "the leader denies what is committed") << "it had proven entry 3";
    Snapshot snapshot = group.core(2).describe(LogIndex(2));
    snapshot.last_term = Term(1);
    snapshot.size_bytes = 1;
    EXPECT_EQ(said_to_2(SnapshotChunk{snapshot, 0, payload("x")}), "the leader's snapshot denies what is committed");
}

TEST_F(BadMessage, OfASecondLeaderInTheTerm) {
    EXPECT_EQ(said_to_2(append(3, 2, {}), 2, 3), "claims to lead in a term that has another leader");
    EXPECT_EQ(said_to_2(TimeoutNow{}, 2, 3), "who does not lead hands over the lead");
    group.receive(1, group.message(3, 1, 2, append(3, 2, {})));
    EXPECT_NE(group.told(1).find("claims to lead in a term that has another leader"), std::string::npos);
    EXPECT_EQ(group.core(1).status().role, Role::leader);
}

TEST_F(BadMessage, ThatAcknowledgesWhatWasNeverSent) {
    group.told(1);
    for (AppendResponse response :
         {AppendResponse{1, true, LogIndex(99), {}, {}, {}}, AppendResponse{99, true, LogIndex(3), {}, {}, {}},
          AppendResponse{1, false, {}, LogIndex(99), LogIndex(1), Term(1)}}) {
        group.receive(1, group.message(3, 1, 2, response));
        EXPECT_EQ(group.told(1), "acknowledges what it was never sent");
    }
    group.receive(1, group.message(3, 1, 2, AppendResponse{1, false, {}, LogIndex(2), LogIndex(9), Term(1)}));
    EXPECT_EQ(group.told(1), "a hint that points forward");
    group.run("1 commit 3");
}

TEST_F(BadMessage, WithAPartOfASnapshotThatCannotBe) {
    Snapshot good = group.core(2).describe(LogIndex(2));
    good.last_index = LogIndex(9);
    good.size_bytes = 4;
    auto said = [&](Snapshot snapshot, uint64_t position, Payload bytes) {
        return said_to_2(SnapshotChunk{std::move(snapshot), position, std::move(bytes)});
    };
    EXPECT_EQ(said(good, 4, payload("x")), "a part beyond the end of its snapshot");
    EXPECT_EQ(said(good, 3, payload("xy")), "a part longer than its snapshot");
    EXPECT_EQ(said(good, 0, payload("")), "a part of a snapshot without bytes");
    EXPECT_EQ(said(good, 0, nullptr), "a part of a snapshot without bytes");
    EXPECT_EQ(said(good, 0, std::make_shared<const std::vector<uint8_t>>(1 << 20)),
              "a part of a snapshot that is too large");
    Snapshot bad = good;
    bad.last_term = Term(3);
    EXPECT_EQ(said(bad, 0, payload("x")), "a snapshot of a later term than its sender's");
    bad = good;
    bad.size_bytes = 0;
    EXPECT_EQ(said(bad, 0, payload("x")), "a snapshot that cannot be one");
    bad = good;
    bad.membership = nullptr;
    EXPECT_EQ(said(bad, 0, payload("x")), "a snapshot that cannot be one");
    bad.membership = std::make_shared<const Membership>(Membership{voter(9).directory, {voter(1)}, std::nullopt});
    EXPECT_EQ(said(bad, 0, payload("x")), "a snapshot of another cluster");
    EXPECT_EQ(said_to_2(SnapshotResponse{good, 5}), "a position beyond the end of the snapshot");
}

TEST_F(BadMessage, CompletionsThatNobodyWaitsForChangeNothing) {
    Snapshot snapshot = group.core(2).describe(LogIndex(2));
    group.step(2, TermAndVotePersisted{WriteId(99)});
    group.step(2, LogPersisted{WriteId(99)});
    group.step(2, SnapshotChunkWritten{snapshot, 1});
    group.step(2, SnapshotInstalled{snapshot});
    group.step(2, SnapshotRefused{snapshot});
    EXPECT_EQ(
        group.told(2),
        "a completion of a term that was never written ; a snapshot was installed that nobody asked for ; a snapshot "
        "was refused that nobody asked for");
    group.run("2 durable 3");
}

TEST_F(BadMessage, FormingTwiceIsIgnored) {
    group.step(2, Form{*group.core(2).status().membership});
    EXPECT_EQ(group.told(2), "a cluster can only be formed by a voter that has no log and promised nothing");
    Group blank;
    blank.run("3 voters\n wipe 3");
    blank.step(3, Form{*group.core(2).status().membership});
    EXPECT_EQ(blank.told(3), "a cluster needs 1, 3 or 5 different voters, this one among them");
}

}  // namespace
}  // namespace ironbark::consensus::testing
