#include "log/journal.h"

#include <gtest/gtest.h>

#include "log/limits.h"
#include "runtime/task/scope.h"
#include "tests/log/journal_program.h"
#include "tests/log/printing.h"
#include "tests/log/record/samples.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {
namespace {

using record::from_hex;
using record::to_hex;
using simulation::Crash;


JournalProgram& start_program(simulation::Node& node) {
    return node.start([](World&) { return std::make_unique<JournalProgram>(); });
}

// One machine with one journal, opened in a new process whenever it is asked for.
class JournalTest : public testing::Test {
  protected:
    JournalTest() {
        boot();
        EXPECT_TRUE(run(world().disk.make_directory("data")).ok());
        EXPECT_TRUE(run(world().disk.sync_directory(".")).ok());
    }
    void boot() { program = &start_program(node); }
    World& world() { return node.world(); }
    simulation::SimulatedDisk& disk() { return node.disk(); }
    template <typename T>
    T run(Task<T> task) {
        return node.run(std::move(task));
    }

    Result<void> open(Uuid of = journal_owner) {
        Result<std::unique_ptr<Journal>> opened = run(Journal::open(world(), journal_path, of, copies));
        if (!opened.ok()) return opened.error();
        journal() = std::move(opened).value();
        contents = journal()->take_contents();
        return {};
    }
    void close() {
        run(journal()->close());
        journal().reset();
    }
    void crash(Crash how) {
        node.crash(how);
        boot();
    }
    std::unique_ptr<Journal>& journal() { return program->journal; }
    // What is in the journal, when it is opened by another process.
    Texts reopen() {
        if (journal()) close();
        EXPECT_TRUE(open().ok());
        return texts();
    }
    Texts texts() const {
        Texts texts;
        for (const JournalRecord& record : contents.records) texts.emplace_back(as_text(record));
        return texts;
    }
    Result<void> commit(const Texts& records) {
        for (const std::string& text : records) journal()->append(as_record(text));
        return run(journal()->commit());
    }
    // Three commits of one record, one block each, as the process left them that wrote them.
    void make_three() {
        ASSERT_TRUE(open().ok());
        for (const char* text : {"one", "two", "three"}) ASSERT_TRUE(commit({text}).ok());
        close();
    }

    Copies copies = Copies::one;
    simulation::Simulation simulation{1};
    simulation::Node& node = simulation.node("n1");
    JournalProgram* program = nullptr;
    JournalContents contents;
};

TEST_F(JournalTest, IsEmptyWhenItIsNew) {
    EXPECT_EQ(reopen(), Texts{});
    EXPECT_EQ(reopen(), Texts{});
    EXPECT_EQ(contents.commits_lost, 0u);
    EXPECT_FALSE(contents.ends_torn || contents.head_damaged);
}

TEST_F(JournalTest, GivesRecordsBackInOrder) {
    ASSERT_TRUE(open().ok());
    ASSERT_TRUE(commit({"one", "", "three"}).ok());
    ASSERT_TRUE(commit({std::string(10'000, 'x')}).ok());
    EXPECT_EQ(reopen(), (Texts{"one", "", "three", std::string(10'000, 'x')}));
    ASSERT_TRUE(commit({"five"}).ok());
    EXPECT_EQ(reopen().back(), "five");
}

TEST_F(JournalTest, HasOnDiskWhatWasCommitted) {
    ASSERT_TRUE(open().ok());
    ASSERT_TRUE(commit({"committed"}).ok());
    journal()->append(as_record("only queued"));
    crash(Crash::power_loss);
    EXPECT_EQ(reopen(), Texts{"committed"});
}

TEST_F(JournalTest, CommitWithNothingQueuedWritesNothing) {
    ASSERT_TRUE(open().ok());
    uint64_t changes = disk().changes();
    ASSERT_TRUE(commit({}).ok());
    EXPECT_EQ(disk().changes(), changes);
}

Task<void> commit_one(Journal* journal, std::string text, int* done) {
    journal->append(as_record(text));
    Result<void> committed = co_await journal->commit();
    if (committed.ok()) ++*done;
}
Task<void> commit_many(Executor* executor, Journal* journal, int* done) {
    Scope scope(*executor);
    for (int number = 0; number < 50; ++number) scope.spawn(commit_one(journal, std::to_string(number), done));
    co_await scope.join();
}

TEST_F(JournalTest, CommitsThatAreAskedForMeanwhileJoinTheNext) {
    ASSERT_TRUE(open().ok());
    uint64_t before = journal()->size();
    int done = 0;
    run(commit_many(&world().executor, journal().get(), &done));
    EXPECT_EQ(done, 50);
    EXPECT_LE(journal()->size() - before, 2 * block_size) << "the first, and all others";
    EXPECT_EQ(reopen().size(), 50u);
}

TEST_F(JournalTest, IsThereAsAWholeOrNotAtAll) {
    const std::string large(5 * block_size, 'x');
    for (uint64_t seed = 0; seed < 50; ++seed) {
        simulation::Options options;
        options.disk.torn_pages = true;
        options.disk.write = simulation::Latency{10ms, 1us};
        simulation::Simulation other(seed, options);
        simulation::Node& machine = other.node("n1");
        JournalProgram* first = &start_program(machine);
        ASSERT_TRUE(machine.run(machine.world().disk.make_directory("data")).ok());
        ASSERT_TRUE(machine.run(machine.world().disk.sync_directory(".")).ok());
        first->journal = machine.run(Journal::open(machine.world(), journal_path, journal_owner)).value();
        int done = 0;
        machine.run(commit_one(first->journal.get(), "whole", &done));
        machine.spawn(commit_one(first->journal.get(), large, &done));
        other.run_for(5ms);
        machine.crash(seed % 2 == 0 ? Crash::kill : Crash::power_loss);
        JournalProgram& second = start_program(machine);
        second.journal = machine.run(Journal::open(machine.world(), journal_path, journal_owner)).value();
        std::vector<JournalRecord> records = second.journal->take_contents().records;
        ASSERT_GE(records.size(), 1u);
        EXPECT_EQ(as_text(records[0]), "whole");
        if (records.size() > 1) {
            EXPECT_EQ(as_text(records[1]), large);
        }
    }
}

TEST_F(JournalTest, RewriteReplacesEverything) {
    make_three();
    ASSERT_TRUE(open().ok());
    journal()->append(as_record("superseded"));
    std::vector<JournalRecord> live;
    live.push_back(as_record("all"));
    ASSERT_TRUE(run(journal()->rewrite(live)).ok());
    ASSERT_TRUE(commit({"next"}).ok());
    crash(Crash::power_loss);
    EXPECT_EQ(reopen(), (Texts{"all", "next"}));
}

TEST_F(JournalTest, RewriteIsOldOrNewWhereverItIsInterrupted) {
    make_three();
    const simulation::DiskImage image = [&] {
        node.kill();
        return disk().snapshot();
    }();
    for (Crash how : {Crash::kill, Crash::power_loss}) {
        for (uint64_t step = 1; step < 12; ++step) {
            disk().restore(image);
            boot();
            ASSERT_TRUE(open().ok());
            disk().stop_after(step, how);
            std::vector<JournalRecord> live;
            live.push_back(as_record("all"));
            bool ended = node.try_run(journal()->rewrite(live)).has_value();
            disk().stop_never();
            if (node.is_running()) node.crash(how);
            boot();
            Texts found = reopen();
            EXPECT_TRUE(found == Texts{"all"} || (!ended && found == (Texts{"one", "two", "three"}))) << step;
            close();
            node.kill();
        }
    }
    boot();
}

TEST_F(JournalTest, EndsBeforeATornCommit) {
    make_three();
    disk().rot(journal_path, 3 * block_size + 100);
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three"})) << "the zeros that fill a block count for nothing";
    ASSERT_TRUE(commit({"four"}).ok());
    close();
    // Since it was opened, the three are one commit, and this is the next.
    disk().rot(journal_path, 2 * block_size + 20);
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three"}));
    EXPECT_TRUE(contents.ends_torn);
    EXPECT_EQ(contents.commits_lost, 0u);
    ASSERT_TRUE(commit({"again"}).ok());
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three", "again"}));
    EXPECT_FALSE(contents.ends_torn);
}

TEST_F(JournalTest, SkipsADamagedCommitBetweenGoodOnesAndSaysSo) {
    make_three();
    disk().rot(journal_path, 2 * block_size + 33);
    const std::vector<uint8_t> damaged = disk().read(journal_path);
    EXPECT_EQ(reopen(), (Texts{"one", "three"}));
    EXPECT_EQ(contents.commits_lost, 1u);
    EXPECT_EQ(disk().read(journal_path), damaged) << "for the owner to see";
    EXPECT_EQ(reopen(), (Texts{"one", "three"})) << "still";
    EXPECT_EQ(contents.commits_lost, 1u);
}

TEST_F(JournalTest, WithADamagedHeadIsKnownByItsCommits) {
    make_three();
    disk().rot(journal_path, 20);
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three"}));
    EXPECT_TRUE(contents.head_damaged);
    std::vector<JournalRecord> live = std::move(contents.records);
    ASSERT_TRUE(run(journal()->rewrite(std::move(live))).ok());
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three"}));
    EXPECT_FALSE(contents.head_damaged);
}

TEST_F(JournalTest, WithADamagedHeadAndNothingReadableIsRefused) {
    ASSERT_TRUE(open().ok());
    close();
    disk().rot(journal_path, 20);
    const std::vector<uint8_t> damaged = disk().read(journal_path);
    EXPECT_EQ(open().error().code, ErrorCode::corrupt_data);
    EXPECT_EQ(disk().read(journal_path), damaged);
}

TEST_F(JournalTest, OfAnotherOwnerIsRefused) {
    make_three();
    EXPECT_EQ(open(Uuid::from_words(1, 2)).error().code, ErrorCode::foreign_data);
    EXPECT_EQ(reopen().size(), 3u) << "and left as it is";
}

TEST_F(JournalTest, OfImpossibleSizeIsRefused) {
    make_three();
    for (uint64_t size : {block_size - 1, uint64_t{1}, uint64_t{0}}) {
        disk().truncate(journal_path, size);
        EXPECT_EQ(open().error().code, ErrorCode::corrupt_data);
        EXPECT_EQ(disk().size(journal_path), size);
    }
}

TEST_F(JournalTest, IgnoresAReplacementThatACrashInterrupted) {
    make_three();
    disk().replace(std::string(journal_path) + ".new", std::vector<uint8_t>(100, 'x'));
    EXPECT_EQ(reopen().size(), 3u);
    EXPECT_FALSE(disk().exists(std::string(journal_path) + ".new"));
}

TEST_F(JournalTest, TakesNothingMoreAfterAFailedWriteOrSync) {
    for (bool is_sync : {false, true}) {
        ASSERT_TRUE(open().ok());
        ASSERT_TRUE(commit({"kept"}).ok());
        is_sync ? disk().fail_next_sync(journal_path) : disk().fail_next_write(journal_path);
        EXPECT_EQ(commit({"lost"}).error().code, ErrorCode::io_error);
        EXPECT_EQ(commit({"never"}).error().code, ErrorCode::io_error) << "a sync is not tried again";
        close();
    }
    disk().evict();
    EXPECT_EQ(reopen().front(), "kept");
}

TEST_F(JournalTest, DoesNotTrustWhatAFailedSyncLeftInTheCache) {
    ASSERT_TRUE(open().ok());
    disk().fail_next_sync(journal_path);
    ASSERT_FALSE(commit({"written, not synced"}).ok());
    Texts found = reopen();
    disk().evict();
    crash(Crash::power_loss);
    EXPECT_EQ(reopen(), found);
}

TEST_F(JournalTest, KeepsWhatWasQueuedWhenTheDiskIsFull) {
    ASSERT_TRUE(open().ok());
    disk().set_capacity(disk().used_bytes());
    const std::string large(2 << 20, 'x');
    EXPECT_EQ(commit({large}).error().code, ErrorCode::storage_full);
    disk().set_capacity(uint64_t{1} << 40);
    ASSERT_TRUE(commit({"more"}).ok());
    EXPECT_EQ(reopen(), (Texts{large, "more"}));
}

TEST_F(JournalTest, OpensOnAFullDisk) {
    make_three();
    disk().set_capacity(disk().used_bytes());
    EXPECT_EQ(reopen().size(), 3u);
    ASSERT_TRUE(commit({"small"}).ok()) << "there is room ahead of need";
    EXPECT_EQ(reopen().size(), 4u);
}

TEST_F(JournalTest, IsClosedForWhoComesLater) {
    ASSERT_TRUE(open().ok());
    run(journal()->close());
    EXPECT_EQ(commit({"late"}).error().code, ErrorCode::closed);
}

// With two copies: where they stand after `make_three`, and what of them is not zeros behind their end.
struct CopiesTest : JournalTest {
    CopiesTest() { copies = Copies::two; }
    void restore(const simulation::DiskImage& image) {
        node.kill();
        disk().restore(image);
        boot();
    }
    static constexpr uint64_t last_size = 40 + 4 + 5;  // of the commit with "three"
    static constexpr uint64_t first_copy = 5 * block_size;
    static constexpr uint64_t second_copy = 6 * block_size;
};

TEST_F(CopiesTest, AreOneCommit) {
    make_three();
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three"}));
    EXPECT_EQ(contents.copies_damaged, 0u);
    EXPECT_FALSE(contents.ends_torn);
    ASSERT_TRUE(commit({"four", std::string(10'000, 'x')}).ok());
    ASSERT_TRUE(commit({"five"}).ok());
    crash(Crash::power_loss);
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three", "four", std::string(10'000, 'x'), "five"}));
}

TEST_F(CopiesTest, LoseNothingWhereverAByteOfOneRots) {
    make_three();
    const simulation::DiskImage image = disk().snapshot();
    for (uint64_t copy : {first_copy, second_copy}) {
        for (uint64_t byte = 0; byte < last_size; ++byte) {
            restore(image);
            disk().rot(journal_path, copy + byte, byte % 8);
            ASSERT_EQ(reopen(), (Texts{"one", "two", "three"})) << copy + byte;
            EXPECT_EQ(contents.copies_damaged, copy == first_copy ? 1u : 0u);
            EXPECT_FALSE(contents.ends_damaged);
            ASSERT_TRUE(commit({"four"}).ok());
            ASSERT_EQ(reopen(), (Texts{"one", "two", "three", "four"}));
            EXPECT_EQ(contents.copies_damaged, 0u) << "it was written anew";
            close();
        }
    }
}

TEST_F(CopiesTest, ThatAreBothDamagedAreNotTakenForTorn) {
    make_three();
    const simulation::DiskImage image = disk().snapshot();
    for (uint64_t byte = 0; byte < last_size; ++byte) {
        for (uint64_t other : {uint64_t{0}, uint64_t{9}, uint64_t{17}, uint64_t{25}, uint64_t{35}, uint64_t{45}}) {
            restore(image);
            disk().rot(journal_path, first_copy + byte, 3);
            disk().rot(journal_path, second_copy + other, 5);
            const std::vector<uint8_t> damaged = disk().read(journal_path);
            ASSERT_EQ(reopen(), (Texts{"one", "two"})) << byte << ", " << other;
            EXPECT_TRUE(contents.ends_damaged) << byte << ", " << other;
            EXPECT_EQ(contents.commits_lost, 0u);
            EXPECT_EQ(contents.end, first_copy);
            EXPECT_EQ(disk().read(journal_path), damaged) << "for the owner to see";
            close();
        }
    }
}

TEST_F(CopiesTest, OfALargeCommitAreFoundWhereverTheOtherRots) {
    ASSERT_TRUE(open().ok());
    ASSERT_TRUE(commit({"one"}).ok());
    const std::string large(3 * block_size, 'x');
    ASSERT_TRUE(commit({large}).ok());
    ASSERT_TRUE(commit({"three"}).ok());
    close();
    const simulation::DiskImage image = disk().snapshot();
    for (uint64_t block = 3; block < 11; ++block) {
        restore(image);
        disk().rot(journal_path, block * block_size + 10, 3);
        ASSERT_EQ(reopen(), (Texts{"one", large, "three"})) << block;
        EXPECT_EQ(contents.copies_damaged, 1u);
        close();
    }
}

TEST_F(CopiesTest, DamagedBetweenGoodOnesAreALostCommit) {
    make_three();
    disk().rot(journal_path, 3 * block_size + 33);
    disk().rot(journal_path, 4 * block_size + 33);
    EXPECT_EQ(reopen(), (Texts{"one", "three"}));
    EXPECT_EQ(contents.commits_lost, 1u);
}

// Whatever a crash leaves of a commit that was not answered, it is not called damage.
TEST_F(CopiesTest, ThatACrashInterruptedAreNotDamage) {
    int torn = 0;
    for (uint64_t seed = 0; seed < 200; ++seed) {
        simulation::Options options;
        options.disk.torn_pages = true;
        options.disk.write = simulation::Latency{10ms, 1us};
        simulation::Simulation other(seed, options);
        simulation::Node& machine = other.node("n1");
        JournalProgram* first = &start_program(machine);
        ASSERT_TRUE(machine.run(machine.world().disk.make_directory("data")).ok());
        ASSERT_TRUE(machine.run(machine.world().disk.sync_directory(".")).ok());
        first->journal = machine.run(Journal::open(machine.world(), journal_path, journal_owner, Copies::two)).value();
        int done = 0;
        machine.run(commit_one(first->journal.get(), "whole", &done));
        const std::string next((seed % 4) * 2 * block_size + 10, 'x');
        machine.spawn(commit_one(first->journal.get(), next, &done));
        other.run_for(seed % 2 == 0 ? 5ms : 15ms);
        machine.crash(seed % 3 == 0 ? Crash::kill : Crash::power_loss);
        JournalProgram& second = start_program(machine);
        second.journal = machine.run(Journal::open(machine.world(), journal_path, journal_owner, Copies::two)).value();
        JournalContents found = second.journal->take_contents();
        EXPECT_FALSE(found.ends_damaged) << seed;
        EXPECT_EQ(found.commits_lost, 0u) << seed;
        ASSERT_GE(found.records.size(), static_cast<size_t>(done)) << seed;
        EXPECT_EQ(as_text(found.records[0]), "whole");
        torn += found.ends_torn ? 1 : 0;
    }
    EXPECT_GT(torn, 20);
}

TEST_F(CopiesTest, AreWrittenOverATornCommitOnAFullDisk) {
    make_three();
    std::vector<uint8_t> bytes = disk().read(journal_path);
    // Of the next commit, all but its first block is there.
    std::fill_n(bytes.begin() + 8 * block_size, 2 * block_size, uint8_t{0x5a});
    disk().replace(journal_path, bytes);
    disk().set_capacity(disk().used_bytes());
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three"}));
    EXPECT_TRUE(contents.ends_torn);
    EXPECT_FALSE(contents.ends_damaged);
    ASSERT_TRUE(commit({"four"}).ok());
    EXPECT_EQ(reopen(), (Texts{"one", "two", "three", "four"}));
    EXPECT_FALSE(contents.ends_torn);
}

// Computed by another program (Python's struct, and libxxhash).
TEST_F(CopiesTest, HaveTheseBytes) {
    ASSERT_TRUE(open().ok());
    ASSERT_TRUE(commit({"one", ""}).ok());
    ASSERT_TRUE(commit({"two"}).ok());
    std::vector<uint8_t> golden;
    for (const char* commit : {"3daf99d072d70fd5 42434d32 02000000 0100000000000000 3300000000000000 53d3082406f3aac4"
                               "03000000 6f6e65 00000000",
                               "602e449f09af5549 42434d32 01000000 0200000000000000 2f00000000000000 6e99244ae6fef731"
                               "03000000 74776f"}) {
        for (int copy = 0; copy < 2; ++copy) {
            std::vector<uint8_t> bytes = from_hex(commit);
            golden.insert(golden.end(), bytes.begin(), bytes.end());
            golden.resize(round_up(golden.size(), block_size));
        }
    }
    std::vector<uint8_t> file = disk().read(journal_path);
    EXPECT_EQ(to_hex(Bytes(file).subspan(block_size, golden.size())), to_hex(golden));
}

// Computed by another program (Python's struct, and libxxhash).
TEST_F(JournalTest, HasTheseBytes) {
    ASSERT_TRUE(open().ok());
    ASSERT_TRUE(commit({"one", ""}).ok());
    ASSERT_TRUE(commit({"two"}).ok());
    std::vector<uint8_t> golden = from_hex("21cc3181ecb14398 2349424a524e4c31 0f1e2d3c4b5a469788796a5b4c3d2e1f");
    golden.resize(block_size);
    for (const char* commit :
         {"ca5d69302e57c2c2 42434d31 02000000 0100000000000000 2b00000000000000"
          "03000000 6f6e65 00000000",
          "346bc996d135045c 42434d31 01000000 0200000000000000 2700000000000000 03000000 74776f"}) {
        std::vector<uint8_t> bytes = from_hex(commit);
        golden.insert(golden.end(), bytes.begin(), bytes.end());
        golden.resize(round_up(golden.size(), block_size));
    }
    std::vector<uint8_t> file = disk().read(journal_path);
    EXPECT_EQ(file.size(), journal_allocation_step);
    EXPECT_EQ(to_hex(Bytes(file).first(golden.size())), to_hex(golden));
}

}  // namespace
}  // namespace ironbark::log
