// What a store does with the core's actions, and what it answers.
#include "broker/voter/limits.h"
#include "tests/broker/voter/voter_world.h"

namespace ironbark::consensus::testing {
namespace {

TEST(VoterStore, IsBlankWhenItIsNewAndKnowsItselfFromThenOn) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.restored(), "term 0");
    const Uuid itself = world.store().voter_directory();
    EXPECT_FALSE(itself.is_zero());
    EXPECT_NE(itself, data_directory);
    world.crash(Crash::power_loss);
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.store().voter_directory(), itself);
    EXPECT_EQ(world.restored(), "term 0");
}

TEST(VoterStore, AnswersEachWriteWhenItIsDurable) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.store().take(term_and_vote(1, 1));
    EXPECT_EQ(world.take_events(), "") << "not at once";
    EXPECT_EQ(world.events(), "term 1");
    world.store().take(append(1, {first_entry()}));
    EXPECT_EQ(world.events(), "log 1");
    world.store().take(term_and_vote(2, 3, 1));
    world.store().take(append(2, {entry(2, 3, "a"), entry(3, 3, "b"), no_op(4, 3)}));
    EXPECT_EQ(world.events(), "term 2, log 2");
    const std::string before = world.restored();
    EXPECT_TRUE(before.starts_with("term 3 vote 1 1/1:M 2/3:")) << before;
    EXPECT_TRUE(before.ends_with(" 4/3:-")) << before;
    world.crash(Crash::power_loss);
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.restored(), before);
}

TEST(VoterStore, TruncatesAndGoesOn) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(9);
    world.store().take(TruncateSuffix{WriteId(2), LogIndex(5)});
    world.store().take(append(3, {entry(5, 3, "other")}));
    EXPECT_EQ(world.events(), "log 2, log 3");
    const std::string before = world.restored();
    world.crash(Crash::power_loss);
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.restored(), before);
    EXPECT_EQ(world.store().restored().entries.size(), 5u);
    EXPECT_EQ(world.store().restored().entries.back().term, Term(3));
}

TEST(VoterStore, WhatIsAskedForMeanwhileJoinsTheNextCommit) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(1);
    const uint64_t before = world.store().commits();
    world.store().take(append(2, {entry(2, 2, "first")}));
    world.simulation.run_for(1us);
    for (uint64_t index = 3; index < 100; ++index) world.store().take(append(index, {entry(index, 2, "more")}));
    world.store().take(term_and_vote(2, 3));
    EXPECT_TRUE(world.events().ends_with("log 98, log 99, term 2"));
    EXPECT_EQ(world.store().commits() - before, 2u) << "the first, and all others, the term included";
}

TEST(VoterStore, NobodyWaitsForTheSecondCopy) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(1);
    world.simulation.run_for(1s);
    const uint64_t before = world.disk().changes();
    world.store().take(append(2, {entry(2, 2, "a")}));
    ASSERT_TRUE(world.simulation.run_until([&] { return world.take_events() == "log 2"; }, 1s));
    EXPECT_EQ(world.disk().changes() - before, 1u) << "one write";
    world.store().take(append(3, {entry(3, 2, "b")}));
    ASSERT_TRUE(world.simulation.run_until([&] { return world.take_events() == "log 3"; }, 1s));
    EXPECT_EQ(world.disk().changes() - before, 2u) << "with the copy of the one before";
    world.simulation.run_for(2 * copy_delay);
    EXPECT_EQ(world.disk().changes() - before, 3u) << "nothing came: the last one gets its copy";
    world.simulation.run_for(10s);
    EXPECT_EQ(world.disk().changes() - before, 3u);
}

TEST(VoterStore, CarriesOutWhatItTookBeforeItCloses) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.store().take(term_and_vote(1, 4, 3));
    world.store().take(append(1, {first_entry()}));
    world.close();
    EXPECT_EQ(world.take_events(), "term 1, log 1");
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.restored(), "term 4 vote 3 1/1:M");
}

TEST(VoterStore, ForgetsWhatSnapshotsStandForWhenItsJournalIsLong) {
    VoterWorld world;
    world.journal_rewrite_bytes = 500'000;
    ASSERT_TRUE(world.open().ok());
    world.fill(1);
    uint64_t index = 1;
    uint64_t write = 1;
    for (uint64_t round = 1; round <= 40; ++round) {
        while (index < round * 100) {
            ++index;
            world.store().take(append(++write, {entry(index, 2, std::string(1'000, 'x'))}));
        }
        world.events();
        ASSERT_TRUE(world.make_snapshot(index, 2, some_records(3, 100)).ok());
        world.store().take(CompactLog{LogIndex(index - 10)});
        EXPECT_LE(world.store().journal_bytes(), 500'000 + 12 * 100 * 1'000 * 2) << round;
    }
    world.store().take(append(++write, {entry(index + 1, 2, "last")}));
    world.events();
    world.crash(Crash::power_loss);
    ASSERT_TRUE(world.open().ok()) << world.problem;
    Restored restored = world.store().restored();
    EXPECT_EQ(restored.snapshot->last_index, LogIndex(4000));
    EXPECT_EQ(restored.term, Term(2));
    EXPECT_GT(restored.entries.front().index, LogIndex(1));
    EXPECT_LE(restored.entries.front().index, LogIndex(3901)) << "back to the snapshot before";
    EXPECT_EQ(restored.entries.back().index, LogIndex(4001));
    EXPECT_EQ(world.snapshot_files(), 2u);
}

TEST(VoterStore, WhatComesDuringARewriteStandsBehindIt) {
    for (uint64_t seed = 1; seed <= 5; ++seed) {
        VoterWorld world(seed);
        world.journal_rewrite_bytes = 300'000;
        ASSERT_TRUE(world.open().ok());
        world.fill(1);
        uint64_t index = 1;
        uint64_t write = 1;
        // Every entry is cut off again, so that little is live and rewrites are due all the time.
        for (int round = 0; round < 30; ++round) {
            world.store().take(append(++write, {entry(index + 1, 2, std::string(50'000, 'x'))}));
            world.store().take(TruncateSuffix{WriteId(++write), LogIndex(index + 1)});
            ++index;
            world.store().take(append(++write, {entry(index, 2, "kept")}));
            world.simulation.run_for(200us * (seed % 5));
        }
        world.simulation.run_until([&] { return world.heard_events.size() == 90; }, 10s);
        std::string events;
        for (uint64_t number = 2; number <= write; ++number)
            events += (number == 2 ? "log " : ", log ") + std::to_string(number);
        EXPECT_EQ(world.take_events(), events);
        world.simulation.run_for(100ms);
        EXPECT_LT(world.store().journal_bytes(), uint64_t{300'000});
        const std::string before = world.restored();
        world.crash(Crash::power_loss);
        ASSERT_TRUE(world.open().ok());
        EXPECT_EQ(world.restored(), before);
    }
}

TEST(VoterStore, AFailedWriteOrSyncIsFinal) {
    for (bool is_sync : {false, true}) {
        VoterWorld world;
        ASSERT_TRUE(world.open().ok());
        world.fill(1);
        is_sync ? world.disk().fail_next_sync(journal_path) : world.disk().fail_next_write(journal_path);
        world.store().take(append(2, {entry(2, 2, "a")}));
        world.store().take(term_and_vote(2, 3));
        EXPECT_EQ(world.events(), "failed") << "once, and nothing else";
        world.store().take(append(3, {entry(3, 2, "b")}));
        world.store().take(term_and_vote(3, 4));
        EXPECT_EQ(world.events(10s), "");
        EXPECT_TRUE(world.store().has_failed());
        ASSERT_EQ(world.notices().size(), 1u);
        EXPECT_NE(world.notices()[0].find("neither votes nor leads"), std::string::npos);
        world.disk().evict();
        ASSERT_TRUE(world.reopen().ok());
        const Restored restored = world.store().restored();
        EXPECT_TRUE(restored.term == Term(2) || restored.term == Term(3))
            << "what was not answered may be there or not";
    }
}

TEST(VoterStore, AFailedCopyIsFinal) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(1);
    world.store().take(append(2, {entry(2, 2, "a")}));
    ASSERT_TRUE(world.simulation.run_until([&] { return world.take_events() == "log 2"; }, 1s));
    world.disk().fail_next_write(journal_path);
    EXPECT_EQ(world.events(), "failed");
}

TEST(VoterStore, OnAFullDiskTheLogWaitsAndTermsAreWritten) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(1);
    world.disk().set_capacity(world.disk().used_bytes());
    uint64_t index = 1;
    while (!world.store().is_waiting_for_room()) {
        ++index;
        world.store().take(append(index, {entry(index, 2, std::string(3000, 'x'))}));
        world.simulation.run_for(5ms);
    }
    world.take_events();
    EXPECT_EQ(world.notices().size(), 1u);
    world.store().take(append(index + 1, {entry(index + 1, 2, "waits")}));
    for (uint64_t term = 3; term < 3 + 60; ++term) {
        world.store().take(term_and_vote(term - 1, term, 1));
        ASSERT_EQ(world.events(), "term " + std::to_string(term - 1));
    }
    EXPECT_EQ(world.events(20s), "") << "the log waits";
    EXPECT_EQ(world.notices().size(), 1u) << "it was said once";
    simulation::DiskImage full = world.disk().snapshot();
    world.disk().set_capacity(uint64_t{1} << 40);
    EXPECT_EQ(world.events(2s), "log " + std::to_string(index) + ", log " + std::to_string(index + 1));
    EXPECT_EQ(world.notices().size(), 2u) << world.notices().back();
    const std::string before = world.restored();
    ASSERT_TRUE(world.reopen().ok());
    EXPECT_EQ(world.restored(), before);
    world.restore(full);
    ASSERT_TRUE(world.open().ok());
    EXPECT_EQ(world.store().restored().term, Term(62));
    EXPECT_EQ(world.store().restored().entries.back().index, LogIndex(index - 1));
}

TEST(VoterStore, WhenTheReserveIsUsedUpTermsWaitToo) {
    VoterWorld world;
    ASSERT_TRUE(world.open().ok());
    world.fill(1);
    world.disk().set_capacity(world.disk().used_bytes());
    uint64_t write = 1;
    std::string events = "term";
    while (!events.empty()) {
        ++write;
        world.store().take(term_and_vote(write, write + 1));
        events = world.events();
    }
    EXPECT_GT(write, 64u);
    EXPECT_EQ(world.notices().size(), 1u);
    world.disk().set_capacity(uint64_t{1} << 40);
    EXPECT_EQ(world.events(2s), "term " + std::to_string(write));
}

TEST(VoterStore, OpensOnAFullDiskAndIsNotMadeOnOne) {
    VoterWorld world;
    world.disk().set_capacity(world.disk().used_bytes());
    EXPECT_EQ(world.open().error().code, ErrorCode::storage_full);
    EXPECT_NE(world.problem.find("Make room"), std::string::npos) << world.problem;
    world.disk().set_capacity(uint64_t{1} << 40);
    ASSERT_TRUE(world.open().ok());
    world.fill(3);
    const std::string before = world.restored();
    world.disk().set_capacity(world.disk().used_bytes());
    world.crash(Crash::power_loss);
    ASSERT_TRUE(world.open().ok()) << world.problem;
    EXPECT_EQ(world.restored(), before);
    world.store().take(term_and_vote(1, 3, 3));
    EXPECT_EQ(world.events(), "term 1");
}

}  // namespace
}  // namespace ironbark::consensus::testing
