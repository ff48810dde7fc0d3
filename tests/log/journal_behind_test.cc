// A journal whose second copies are written behind: with the next commit, or by `write_copy`.
#include <gtest/gtest.h>

#include "log/limits.h"
#include "tests/log/journal_program.h"
#include "tests/log/printing.h"
#include "tests/log/record/samples.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

using simulation::Crash;



Task<Result<void>> commit_text(Journal* journal, std::string text, uint64_t room) {
    journal->append(as_record(text));
    co_return co_await journal->commit(room);
}

struct Machine {
    explicit Machine(uint64_t seed = 1, simulation::Options options = {})
        : simulation(seed, options), node(simulation.node("n1")) {
        boot();
        EXPECT_TRUE(node.run(node.world().disk.make_directory("data")).ok());
        EXPECT_TRUE(node.run(node.world().disk.sync_directory(".")).ok());
    }
    ~Machine() {
        if (node.is_running()) node.kill();
    }
    void boot() {
        program = &node.start([](World&) { return std::make_unique<JournalProgram>(); });
    }
    Journal& journal() { return *program->journal; }
    simulation::SimulatedDisk& disk() { return node.disk(); }
    void open() {
        auto opened = node.run(Journal::open(node.world(), journal_path, journal_owner, Copies::two_behind));
        ASSERT_TRUE(opened.ok());
        program->journal = std::move(opened).value();
        contents = journal().take_contents();
    }
    void close() {
        node.run(journal().close());
        program->journal.reset();
    }
    Texts reopen() {
        if (program->journal) close();
        open();
        Texts texts;
        for (const JournalRecord& record : contents.records) texts.emplace_back(as_text(record));
        return texts;
    }
    Result<void> commit(std::string text, uint64_t room = 0) {
        return node.run(commit_text(&journal(), std::move(text), room));
    }
    void copy() { ASSERT_TRUE(node.run(journal().write_copy()).ok()); }
    // Three commits, one block each, at blocks 1, 3 and 5, and their copies behind them.
    void make_three() {
        open();
        for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(commit(text).ok());
        copy();
        close();
    }
    void restore(const simulation::DiskImage& image) {
        if (node.is_running()) node.kill();
        disk().restore(image);
        boot();
    }
    std::vector<uint8_t> block(uint64_t index) {
        std::vector<uint8_t> bytes = disk().read(journal_path);
        Bytes block = Bytes(bytes).subspan(index * block_size, block_size);
        return {block.begin(), block.end()};
    }

    simulation::Simulation simulation;
    simulation::Node& node;
    JournalProgram* program = nullptr;
    JournalContents contents;
};

TEST(CopyBehind, IsNotWaitedForAndGoesWithTheNextCommit) {
    Machine machine;
    machine.open();
    const uint64_t before = machine.disk().changes();
    ASSERT_TRUE(machine.commit("one").ok());
    EXPECT_EQ(machine.disk().changes() - before, 1u) << "one write";
    EXPECT_TRUE(machine.journal().owes_copy());
    EXPECT_TRUE(is_zero(machine.block(2)));
    ASSERT_TRUE(machine.commit("two").ok());
    EXPECT_EQ(machine.disk().changes() - before, 2u) << "one more, for both";
    EXPECT_EQ(machine.block(2), machine.block(1));
    EXPECT_TRUE(is_zero(machine.block(4)));
    machine.copy();
    EXPECT_EQ(machine.block(4), machine.block(3));
    EXPECT_FALSE(machine.journal().owes_copy());
    const uint64_t after = machine.disk().changes();
    machine.copy();
    EXPECT_EQ(machine.disk().changes(), after) << "nothing is owed";
}

TEST(CopyBehind, LosesNothingWhereverAByteOfOneRots) {
    Machine machine;
    machine.make_three();
    const simulation::DiskImage image = machine.disk().snapshot();
    for (uint64_t block = 1; block <= 6; ++block) {
        for (uint64_t byte = 0; byte < 49; ++byte) {
            machine.restore(image);
            machine.disk().rot(journal_path, block * block_size + byte, byte % 8);
            ASSERT_EQ(machine.reopen(), (Texts{"one", "two", "three"})) << block << ", " << byte;
            EXPECT_FALSE(machine.contents.ends_damaged);
            ASSERT_TRUE(machine.commit("four").ok());
            ASSERT_EQ(machine.reopen(), (Texts{"one", "two", "three", "four"}));
            EXPECT_EQ(machine.contents.copies_damaged, 0u) << "it was written anew";
            machine.close();
        }
    }
}

TEST(CopyBehind, DamagedAsTheFirstIsNotTakenForTorn) {
    Machine machine;
    machine.make_three();
    const simulation::DiskImage image = machine.disk().snapshot();
    for (uint64_t byte = 0; byte < 49; ++byte) {
        for (const uint64_t other : std::initializer_list<uint64_t>{0, 9, 17, 25, 35, 45}) {
            machine.restore(image);
            machine.disk().rot(journal_path, 5 * block_size + byte, 3);
            machine.disk().rot(journal_path, 6 * block_size + other, 5);
            const std::vector<uint8_t> damaged = machine.disk().read(journal_path);
            ASSERT_EQ(machine.reopen(), (Texts{"one", "two"})) << byte << ", " << other;
            EXPECT_TRUE(machine.contents.ends_damaged) << byte << ", " << other;
            EXPECT_EQ(machine.disk().read(journal_path), damaged) << "for the owner to see";
            machine.close();
        }
    }
}

// What is not excluded: the last commit before its copy. Its header says more than a torn one could; its records do
// not.
TEST(CopyBehind, ThatIsNotThereYetLeavesTheRecordsOfOneCommitExposed) {
    Machine machine;
    machine.open();
    for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(machine.commit(text).ok());
    machine.close();
    const simulation::DiskImage image = machine.disk().snapshot();
    for (uint64_t byte = 0; byte < 49; ++byte) {
        machine.restore(image);
        machine.disk().rot(journal_path, 5 * block_size + byte, 3);
        ASSERT_EQ(machine.reopen(), (Texts{"one", "two"}));
        // Its checksum, and the records: what a torn write may leave, too.
        EXPECT_EQ(machine.contents.ends_damaged, byte >= 8 && byte < 40) << byte;
        machine.close();
    }
    machine.restore(image);
    EXPECT_EQ(machine.reopen().size(), 3u);
    machine.close();
    machine.disk().rot(journal_path, block_size + 45);
    EXPECT_EQ(machine.reopen().size(), 3u) << "from the next start on it is there twice";
}

TEST(CopyBehind, TellsAFileThatWasCutOff) {
    Machine machine;
    machine.open();
    for (int number = 0; number < 200; ++number) ASSERT_TRUE(machine.commit(std::string(1000, 'x')).ok());
    machine.copy();
    machine.close();
    const simulation::DiskImage image = machine.disk().snapshot();
    const uint64_t size = machine.disk().size(journal_path);
    EXPECT_EQ(size, 2 * journal_allocation_step);
    for (uint64_t cut = 2 * block_size; cut < size; cut += 7 * block_size + 512) {
        machine.restore(image);
        machine.disk().truncate(journal_path, cut);
        Texts found = machine.reopen();
        EXPECT_EQ(machine.contents.ends_damaged, cut <= 401 * block_size) << cut;
        EXPECT_TRUE(found.size() == 200 || cut < 401 * block_size) << cut;
        machine.close();
    }
}

Task<void> commit_for_ever(Executor* executor, Journal* journal, uint64_t seed, uint64_t* done) {
    for (uint64_t number = 0;; ++number) {
        const std::string text(1 + (seed + number) % 4 * 3000, static_cast<char>('a' + number % 26));
        Result<void> committed = co_await commit_text(journal, text, 0);
        if (!committed.ok()) co_return;
        *done = number + 1;
        if ((seed + number) % 3 != 0) continue;
        Result<void> copied = co_await journal->write_copy();
        if (!copied.ok()) co_return;
        if ((seed + number) % 2 == 0) co_await sleep_for(*executor, 1ms);
    }
}

// Whatever a crash leaves: what was answered is there, at most one commit more, and nothing is called damage.
TEST(CopyBehind, ThatACrashInterruptedIsNotDamage) {
    int torn = 0;
    for (uint64_t seed = 0; seed < 300; ++seed) {
        simulation::Options options;
        options.disk.torn_pages = true;
        options.disk.write = simulation::Latency{2ms, 1us};
        Machine machine(seed, options);
        machine.open();
        uint64_t done = 0;
        machine.node.spawn(commit_for_ever(&machine.node.world().executor, &machine.journal(), seed, &done));
        machine.simulation.run_for(5ms + 100us * (seed % 97));
        machine.node.crash(seed % 3 == 0 ? Crash::kill : Crash::power_loss);
        machine.boot();
        Texts found = machine.reopen();
        const JournalContents& contents = machine.contents;
        EXPECT_FALSE(contents.ends_damaged) << seed;
        EXPECT_EQ(contents.commits_lost, 0u) << seed;
        EXPECT_EQ(contents.copies_damaged, 0u) << seed;
        ASSERT_TRUE(found.size() == done || found.size() == done + 1) << seed;
        for (uint64_t number = 0; number < found.size(); ++number) {
            ASSERT_EQ(found[number], std::string(1 + (seed + number) % 4 * 3000, static_cast<char>('a' + number % 26)));
        }
        torn += contents.ends_torn ? 1 : 0;
    }
    EXPECT_GT(torn, 20);
}

TEST(CopyBehind, IsStillOwedWhenTheDiskIsFullAtTheNextStart) {
    Machine machine;
    machine.open();
    ASSERT_TRUE(machine.commit("one").ok());
    machine.close();
    machine.disk().set_capacity(machine.disk().used_bytes());
    EXPECT_EQ(machine.reopen(), Texts{"one"});
    EXPECT_TRUE(machine.journal().owes_copy());
    machine.copy();
    EXPECT_EQ(machine.block(2), machine.block(1));
    ASSERT_TRUE(machine.commit("two").ok());
    EXPECT_EQ(machine.reopen(), (Texts{"one", "two"}));
}

TEST(CopyBehind, LeavesTheRoomThatIsAskedFor) {
    Machine machine;
    machine.open();
    machine.disk().set_capacity(machine.disk().used_bytes());
    const uint64_t room = journal_allocation_step / 2;
    int taken = 0;
    while (machine.commit("with room", room).ok()) ++taken;
    EXPECT_NEAR(taken, 63, 1);
    EXPECT_EQ(machine.commit("with room", room).error().code, ErrorCode::storage_full);
    EXPECT_EQ(machine.journal().take_queued().size(), 2u);
    for (int number = 0; number < 63; ++number) ASSERT_TRUE(machine.commit("without").ok()) << number;
    EXPECT_EQ(machine.reopen().size(), static_cast<size_t>(taken) + 63);
}

TEST(CopyBehind, ALargeRewriteIsSeveralCommits) {
    Machine machine;
    machine.open();
    std::vector<JournalRecord> records(24, JournalRecord(500'000, 'x'));
    ASSERT_TRUE(machine.node.run(machine.journal().rewrite(records)).ok());
    ASSERT_TRUE(machine.commit("next").ok());
    Texts found = machine.reopen();
    ASSERT_EQ(found.size(), 25u);
    EXPECT_EQ(found.back(), "next");
    machine.close();
    machine.disk().rot(journal_path, 20'000'000);
    EXPECT_EQ(machine.reopen().size(), 25u);
    EXPECT_EQ(machine.contents.copies_damaged, 1u);
}

TEST(CopyBehind, AFailedWriteOfItIsFinal) {
    Machine machine;
    machine.open();
    ASSERT_TRUE(machine.commit("one").ok());
    machine.disk().fail_next_sync(journal_path);
    EXPECT_EQ(machine.node.run(machine.journal().write_copy()).error().code, ErrorCode::io_error);
    EXPECT_EQ(machine.commit("two").error().code, ErrorCode::io_error);
    EXPECT_EQ(machine.reopen(), Texts{"one"});
}

TEST(CopyBehind, ANewJournalNeverWasWithoutItsFirstRecords) {
    for (uint64_t step = 1; step < 12; ++step) {
        for (Crash how : {Crash::kill, Crash::power_loss}) {
            Machine machine(step);
            machine.disk().stop_after(step, how);
            World& world = machine.node.world();
            std::vector<JournalRecord> first{as_record("first")};
            auto opened =
                machine.node.try_run(Journal::open(world, journal_path, journal_owner, Copies::two_behind, first));
            if (opened) machine.program->journal = std::move(*opened).value();
            machine.disk().stop_never();
            if (machine.node.is_running()) machine.node.crash(how);
            machine.boot();
            if (machine.disk().exists(journal_path)) {
                EXPECT_EQ(machine.reopen(), Texts{"first"}) << step;
            }
        }
    }
}

}  // namespace
}  // namespace ironbark::log
