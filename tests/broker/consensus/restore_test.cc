#include <gtest/gtest.h>

#include "tests/broker/consensus/group.h"

namespace ironbark::consensus::testing {
namespace {

std::shared_ptr<const Membership> three_voters() {
    return std::make_shared<const Membership>(Membership{cluster(), {voter(1), voter(2), voter(3)}, std::nullopt});
}

// Entries from `first` on with these terms; entry 1 says who votes.
std::vector<Entry> log_from(uint64_t first, std::vector<uint64_t> terms) {
    std::vector<Entry> entries;
    for (uint64_t term : terms) {
        Entry entry{LogIndex(first), Term(term), EntryKind::command, payload("x"), nullptr};
        if (first == 1) entry = {LogIndex(1), Term(term), EntryKind::membership, nullptr, three_voters()};
        entries.push_back(entry);
        ++first;
    }
    return entries;
}

Snapshot snapshot_at(uint64_t index, uint64_t term) {
    return {LogIndex(index), Term(term), three_voters(), LogIndex(1), 10, 99};
}

struct Outcome {
    std::string error;
    Status status{};
    Actions first_actions{};
};

Outcome restore(Restored restored) {
    Settings settings;
    settings.self = voter(1);
    Result<Core> core = Core::restore(settings, std::move(restored), {1000, 0});
    if (!core.ok()) return {core.error().text};
    Outcome outcome{"", core->status()};
    outcome.first_actions = core->step({1000, 0}, TimerExpired{});
    return outcome;
}

TEST(Restore, OfNothingIsABlankVoter) {
    Outcome outcome = restore({});
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status.cluster, Uuid());
    EXPECT_EQ(outcome.status.membership, nullptr);
    EXPECT_TRUE(outcome.first_actions.empty());
}

TEST(Restore, TakesTermVoteAndLog) {
    Outcome outcome = restore({cluster(), Term(5), voter(2), std::nullopt, log_from(1, {1, 2, 2, 4})});
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status.term, Term(5));
    EXPECT_EQ(outcome.status.last, LogIndex(4));
    EXPECT_EQ(outcome.status.durable, LogIndex(4));
    EXPECT_EQ(outcome.status.commit, LogIndex(0));
}

// The two streams of writes do not wait for each other.
TEST(Restore, TakesALogThatIsAheadOfItsTerm) {
    Outcome outcome = restore({cluster(), Term(2), voter(2), std::nullopt, log_from(1, {1, 2, 4})});
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status.term, Term(4));
    ASSERT_EQ(outcome.first_actions.size(), 1u) << "the term is written before anything is said in it";
    EXPECT_EQ(std::get<PersistTermAndVote>(outcome.first_actions[0]).term, Term(4));
    outcome = restore({Uuid(), Term(0), std::nullopt, std::nullopt, log_from(1, {1})});
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status.cluster, cluster());
    EXPECT_EQ(outcome.status.term, Term(1));
}

TEST(Restore, GoesOnBehindASnapshotThatTheLogHolds) {
    Outcome outcome = restore({cluster(), Term(5), std::nullopt, snapshot_at(3, 2), log_from(2, {2, 2, 4})});
    EXPECT_EQ(outcome.error, "");
    EXPECT_EQ(outcome.status.applied, LogIndex(3));
    EXPECT_EQ(outcome.status.last, LogIndex(4));
    EXPECT_TRUE(outcome.first_actions.empty());
    outcome = restore({cluster(), Term(5), std::nullopt, snapshot_at(3, 2), log_from(4, {2, 4})});
    EXPECT_EQ(outcome.status.last, LogIndex(5));
    outcome = restore({cluster(), Term(5), std::nullopt, snapshot_at(3, 2), log_from(2, {2, 2})});
    EXPECT_EQ(outcome.status.last, LogIndex(3));
    EXPECT_TRUE(outcome.first_actions.empty());
}

// A crash came between a leader's snapshot and the reset of the log.
TEST(Restore, ResetsALogThatASnapshotHasReplaced) {
    for (std::vector<Entry> old :
         {log_from(1, {1, 1, 1, 1, 1}), log_from(1, {1, 1}), log_from(3, {1, 1}), log_from(1, {})}) {
        Outcome outcome = restore({cluster(), Term(5), std::nullopt, snapshot_at(4, 3), old});
        EXPECT_EQ(outcome.error, "");
        EXPECT_EQ(outcome.status.last, LogIndex(4));
        ASSERT_EQ(outcome.first_actions.size(), 1u);
        const auto* reset = std::get_if<ResetLog>(&outcome.first_actions[0]);
        ASSERT_NE(reset, nullptr);
        EXPECT_EQ(reset->base, LogIndex(4));
    }
}

TEST(Restore, RefusesWhatDoesNotAddUp) {
    auto error = [](Restored restored) { return restore(std::move(restored)).error; };
    auto none = std::nullopt;
    EXPECT_EQ(error({cluster(), Term(5), none, snapshot_at(3, 2), log_from(5, {4})}),
              "entries are missing between the snapshot and the log");
    EXPECT_EQ(error({cluster(), Term(5), none, none, log_from(2, {4})}),
              "entries are missing between the snapshot and the log");
    EXPECT_EQ(error({cluster(), Term(5), none, none, log_from(1, {4, 3})}),
              "the entries of the log cannot follow each other");
    EXPECT_EQ(error({cluster(), Term(5), none, snapshot_at(3, 4), log_from(4, {3})}),
              "the log goes back to an earlier term than its snapshot");
    EXPECT_EQ(error({voter(9).directory, Term(5), none, snapshot_at(3, 4), {}}),
              "term and vote, and the log, are of different clusters");
    EXPECT_EQ(error({voter(9).directory, Term(5), none, none, log_from(1, {1})}),
              "the entries of the log cannot follow each other");
    EXPECT_EQ(error({cluster(), Term(0), voter(1), none, {}}), "there is a stored vote without a term");
    EXPECT_EQ(error({Uuid(), Term(3), none, none, {}}), "there is a stored term, but of no cluster");
    EXPECT_EQ(error({Uuid(), Term(3), voter(1), none, log_from(1, {1})}), "there is a stored term, but of no cluster");
    EXPECT_EQ(error({cluster(), Term(UINT64_MAX), none, none, {}}),
              "the stored term is one that nobody can have reached");
    Snapshot bad = snapshot_at(3, 2);
    bad.membership = nullptr;
    EXPECT_EQ(error({cluster(), Term(5), none, bad, {}}), "the snapshot cannot be one");
    std::vector<Entry> first_is_a_command = log_from(1, {1});
    first_is_a_command[0] = {LogIndex(1), Term(1), EntryKind::command, payload("x"), nullptr};
    EXPECT_EQ(error({cluster(), Term(5), none, none, first_is_a_command}),
              "the entries of the log cannot follow each other");
}

}  // namespace
}  // namespace ironbark::consensus::testing
