// What random sequences and reviews have found in the storage, each as a script: seeds change their meaning when code
// changes, scripts do not.

#include <gtest/gtest.h>

#include <optional>
#include <vector>

#include "tests/log/crash_machine.h"

namespace ironbark::log {
namespace {

using simulation::Crash;

Task<void> fill_segments(CrashMachine* machine) {
    co_await machine->append_durably(18);
    co_await machine->checkpoint();
}

Task<void> delete_and_cut_to_start(CrashMachine* machine, Offset start) {
    co_await machine->delete_before(start);
    co_await machine->cut(start);
}

// A cut back to the log's start replays from the snapshot of that boundary, or from nothing.
TEST(FoundByFuzz, DeletionMakesTheSnapshotOfTheBoundaryThatStays) {
    CrashMachine machine(2);
    ASSERT_TRUE(machine.open());
    ASSERT_TRUE(machine.run(fill_segments(&machine)));
    const Offset boundary = machine.segment_bases()[2];
    machine.crash(Crash::kill);
    machine.disk().remove(machine.path_of(boundary, producers_suffix));
    ASSERT_TRUE(machine.open());
    ASSERT_TRUE(machine.run(delete_and_cut_to_start(&machine, boundary)));
    EXPECT_EQ(machine.wrong(), "");  // the cut compares the producers
    EXPECT_EQ(machine.log().log_start(), boundary);
    machine.crash(Crash::power_loss);
    EXPECT_TRUE(machine.open()) << machine.wrong();
}

// Written, and no longer in memory, when the sync fails; then the disk forgets it.
Task<void> fail_a_sync(CrashMachine* machine, ErrorCode* outcome) {
    Log& log = machine->log();
    co_await machine->append_durably(2);
    const Offset from = log.log_end();
    co_await machine->append(1);
    EXPECT_EQ(log.segment_count(), 1u);
    while (log.written_end() == from) co_await sleep_for(machine->world().executor, 1ms);
    while (log.release_memory() > 0) continue;
    machine->disk().fail_next_sync(machine->path_of(Offset(0), log_suffix));
    Result<void> reached = co_await log.reach_durable(log.log_end(), never);
    EXPECT_EQ(reached.error().code, ErrorCode::storage_error);
    machine->disk().evict();
    Result<ReadFrames> durable = co_await log.read(Offset(0), from, 1'000'000);
    EXPECT_EQ(durable.value().next, from);
    Result<ReadFrames> frames = co_await log.read(from, log.log_end(), 1000);
    *outcome = frames.ok() ? ErrorCode::none : frames.error().code;
}

TEST(FoundByFuzz, AFailedLogDoesNotCallCorruptWhatItCouldNotSync) {
    CrashMachine machine(2);
    ASSERT_TRUE(machine.open());
    ErrorCode outcome = ErrorCode::none;
    ASSERT_TRUE(machine.run(fail_a_sync(&machine, &outcome)));
    EXPECT_EQ(outcome, ErrorCode::storage_error);
    machine.crash(Crash::kill);
    EXPECT_TRUE(machine.open()) << machine.wrong();
}

// The second deletion must not take the first one's start for known.
Task<void> delete_without_marks(CrashMachine* machine, Offset to) {
    machine->disk().fail_next_write("/data/marks-0");
    for (int attempt = 0; attempt < 2; ++attempt) {
        Result<void> deleted = co_await machine->log().delete_before(to);
        EXPECT_FALSE(deleted.ok());
        EXPECT_EQ(machine->log().log_start(), Offset(0)) << "readers would rely on it";
    }
}

TEST(FoundByFuzz, NoSegmentIsRemovedBeforeTheMarksKnowTheStart) {
    CrashMachine machine(2);
    ASSERT_TRUE(machine.open());
    ASSERT_TRUE(machine.run(fill_segments(&machine)));
    const std::vector<Offset> bases = machine.segment_bases();
    ASSERT_TRUE(machine.run(delete_without_marks(&machine, bases[2])));
    EXPECT_EQ(machine.segment_bases(), bases);
    machine.crash(Crash::kill);
    EXPECT_TRUE(machine.open()) << machine.wrong();
    EXPECT_EQ(machine.log().log_start(), Offset(0));
}

PartitionMarks marks_of(int32_t partition, int64_t log_start) {
    PartitionMarks marks;
    marks.identity.partition = PartitionIndex(partition);
    marks.log_start = Offset(log_start);
    return marks;
}

Task<void> commit(Marks* marks) { EXPECT_TRUE((co_await marks->commit()).ok()); }
Task<void> rewrite(Marks* marks) { EXPECT_TRUE((co_await marks->rewrite()).ok()); }

// The second commit waits for its turn when the rewrite begins, and would have taken the third change along.
Task<void> change_beside_rewrite(World* world) {
    Result<std::unique_ptr<Marks>> opened = co_await Marks::open(*world, "/marks", Uuid());
    Marks* marks = opened.value().get();
    Scope scope(world->executor);
    for (int32_t partition = 0; partition < 2; ++partition) {
        marks->set(marks_of(partition, 1));
        scope.spawn(commit(marks));
        co_await sleep_for(world->executor, 1us);
    }
    scope.spawn(rewrite(marks));
    co_await sleep_for(world->executor, 1us);
    marks->set(marks_of(2, 5));
    co_await commit(marks);
    co_await scope.join();
    co_await marks->close();
}

Task<void> read_marks(World* world, std::optional<int64_t>* log_start) {
    Result<std::unique_ptr<Marks>> opened = co_await Marks::open(*world, "/marks", Uuid());
    const PartitionMarks* found = opened.value()->find(marks_of(2, 0).identity);
    if (found != nullptr) *log_start = found->log_start.value;
    co_await opened.value()->close();
}

TEST(FoundByFuzz, AMarkThatIsSetBesideARewriteIsNotLost) {
    for (uint64_t seed = 1; seed <= 20; ++seed) {
        simulation::Simulation simulation(seed);
        simulation::Node& node = simulation.node("n");
        node.run(change_beside_rewrite(&node.boot()));
        node.kill();
        std::optional<int64_t> log_start;
        node.run(read_marks(&node.boot(), &log_start));
        EXPECT_EQ(log_start, 5) << "seed " << seed;
    }
}

}  // namespace
}  // namespace ironbark::log
