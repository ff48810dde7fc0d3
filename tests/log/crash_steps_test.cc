// The process dies, or the power goes, in place of each change that an operation makes to the disk, and again in place
// of each change that the recovery after it makes. Whatever is found then is compared with the model: what was durable
// is there, unaltered; nothing is there that never was; the operation is done or not done; and the log goes on.

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/log/crash_machine.h"

namespace ironbark::log {
namespace {

using simulation::Crash;

struct Effort {
    uint64_t seeds;           // of chance: what is torn, which of two operations comes first
    uint64_t recovery_every;  // of so many steps one is followed by all steps of its recovery
};
constexpr Effort quick{1, 16};
constexpr Effort thorough{4, 1};  // minutes: labelled `long`

using Script = Task<void> (*)(CrashMachine* machine);

struct Operation {
    const char* name;
    Script run;
};

// What every operation finds: a log of several segments, durable but for the last batches.
Task<void> fill(CrashMachine* machine) {
    co_await machine->append_durably(12);
    co_await machine->append_durably(1);
    co_await machine->checkpoint();
    co_await machine->append_durably(8);
    co_await machine->append(2);
}

// The same in segments that have had a life before.
Task<void> fill_recycled(CrashMachine* machine) {
    co_await machine->append_durably(24);
    co_await machine->delete_before(machine->model().end());
    co_await fill(machine);
    ASSERT(machine->store().context().counters.segments_reused > 0);
}

// A batch's beginning so many batches before the end, or the log's start.
Offset batches_before_end(const CrashMachine& machine, size_t count) {
    const StorageModel& model = machine.model();
    const size_t size = model.batches().size();
    return std::max(model.log_start(), model.batches()[size - std::min(size, count)].base());
}

Task<void> cut_the_newest_batch(CrashMachine* machine) { return machine->cut(batches_before_end(*machine, 1)); }
Task<void> cut_across_segments(CrashMachine* machine) { return machine->cut(batches_before_end(*machine, 9)); }
Task<void> cut_between_segments(CrashMachine* machine) {
    const std::vector<Offset> bases = machine->segment_bases();
    return machine->cut(std::max(machine->log().log_start(), bases[bases.size() / 2]));
}
Task<void> cut_to_the_start(CrashMachine* machine) { return machine->cut(machine->log().log_start()); }

Task<void> cut_and_go_on(CrashMachine* machine) {
    co_await cut_across_segments(machine);
    co_await machine->append_durably(1);
    co_await machine->append_durably(4);
}

Task<void> delete_a_part(CrashMachine* machine) { return machine->delete_before(batches_before_end(*machine, 7)); }

// As a follower

Task<void> cut_openly(CrashMachine* machine) { return machine->cut_openly(batches_before_end(*machine, 4)); }

// The second cut forgets the epoch that protected from what the first one left, and frames of an older one follow.
Task<void> cut_twice_and_follow(CrashMachine* machine) {
    co_await machine->cut(batches_before_end(*machine, 3));
    co_await machine->append_durably(2);
    co_await machine->cut_openly(batches_before_end(*machine, 5));
    co_await machine->append_replicas(1, 0);
    co_await machine->wait_durable();
    co_await machine->append_replicas(2, 1);
    co_await machine->cut_openly(batches_before_end(*machine, 2));
    co_await machine->append_replicas(3, 0);
    co_await machine->wait_durable();
}

Task<void> forget_an_epoch(CrashMachine* machine) {
    co_await machine->begin_epoch();
    co_await machine->checkpoint();
    co_await machine->cut_openly(machine->model().end());
    co_await machine->append_replicas(2, 0);
    co_await machine->wait_durable();
}

Task<void> follow_epochs(CrashMachine* machine) {
    for (int32_t epochs_later : {0, 1, 3}) {
        co_await machine->append_replicas(3, epochs_later);
        co_await machine->wait_durable();
    }
    co_await machine->checkpoint();
}

Task<void> start_anew_behind_the_end(CrashMachine* machine) {
    co_await machine->restart(machine->model().end() + 100);
    co_await machine->append_replicas(2, 0);
    co_await machine->wait_durable();
}

// Below the log's start: what retention gave to the pool is of higher offsets and epochs.
Task<void> start_anew_before_the_start(CrashMachine* machine) {
    co_await delete_a_part(machine);
    co_await machine->restart(Offset(machine->log().log_start().value / 2));
    co_await machine->append_replicas(3, 1);
    co_await machine->wait_durable();
    co_await machine->cut_openly(batches_before_end(*machine, 2));
    co_await machine->append_replicas(7, 0);
    co_await machine->wait_durable();
}

Task<void> start_anew_from_zero(CrashMachine* machine) {
    co_await machine->restart(Offset());
    co_await machine->append_replicas(2, 0);
    co_await machine->wait_durable();
}

Task<void> write_rounds(CrashMachine* machine) {
    co_await machine->append_durably(1);
    co_await machine->append(3);
    co_await machine->append_durably(1);
}

Task<void> roll(CrashMachine* machine) {
    const size_t segments = machine->log().segment_count();
    while (machine->log().segment_count() < segments + 2) co_await machine->append(1);
    co_await machine->wait_durable();
}

Task<void> delete_everything(CrashMachine* machine) { return machine->delete_before(machine->model().end()); }
Task<void> retain_two_segments(CrashMachine* machine) { return machine->retain(2 * 16 * 1024); }

Task<void> delete_and_cut_back(CrashMachine* machine) {
    co_await delete_a_part(machine);
    co_await cut_to_the_start(machine);
    co_await machine->append_durably(2);
}

Task<void> delete_and_reuse(CrashMachine* machine) {
    co_await delete_a_part(machine);
    co_await machine->append_durably(9);
}

Task<void> checkpoint(CrashMachine* machine) { return machine->checkpoint(); }

Task<void> rewrite_the_journal(CrashMachine* machine) {
    co_await machine->begin_epoch();
    co_await machine->rewrite_marks();
    co_await machine->append_durably(1);
}

const Operation operations[] = {
    {"cut the newest batch", cut_the_newest_batch},
    {"cut across segments", cut_across_segments},
    {"cut between segments", cut_between_segments},
    {"cut to the start", cut_to_the_start},
    {"cut and go on", cut_and_go_on},
    {"write rounds", write_rounds},
    {"roll", roll},
    {"delete a part", delete_a_part},
    {"delete everything", delete_everything},
    {"retain two segments", retain_two_segments},
    {"delete and cut back", delete_and_cut_back},
    {"delete and reuse", delete_and_reuse},
    {"checkpoint", checkpoint},
    {"rewrite the journal", rewrite_the_journal},
    {"cut openly", cut_openly},
    {"cut twice and follow", cut_twice_and_follow},
    {"forget an epoch", forget_an_epoch},
    {"follow epochs", follow_epochs},
    {"start anew behind the end", start_anew_behind_the_end},
    {"start anew before the start", start_anew_before_the_start},
    {"start anew from zero", start_anew_from_zero},
};

// Lets the process die in place of the k-th change of the operation; at its end, if it has fewer. Whether it has more.
bool die_in(CrashMachine* machine, Script prepare, Script operate, uint64_t step, Crash how) {
    EXPECT_TRUE(machine->open());
    EXPECT_TRUE(machine->run(prepare(machine)));
    machine->disk().stop_after(step, how);
    const bool has_ended = machine->run(operate(machine));
    machine->disk().stop_never();
    if (machine->is_running()) machine->crash(how);
    return !has_ended;
}

// After whatever happened: the log opens, the operation can be done, and the log goes on, durably.
std::string go_on(CrashMachine* machine, Script operate) {
    if (!machine->open()) return machine->wrong();
    machine->run(machine->append_durably(2));
    machine->run(operate(machine));
    machine->run(machine->append_durably(2));
    machine->run(machine->read_all());
    machine->crash(Crash::power_loss);
    machine->open();
    return machine->wrong();
}

// How many places to die in there were.
uint64_t try_recovery(const CrashMachine& dead, Script operate, const std::string& what) {
    for (uint64_t step = 1;; ++step) {
        CrashMachine machine(step, dead);
        const Crash how = step % 2 == 0 ? Crash::kill : Crash::power_loss;
        machine.disk().stop_after(step, how);
        const bool has_ended = machine.open();
        machine.disk().stop_never();
        if (machine.is_running()) machine.crash(how);
        EXPECT_EQ(machine.wrong(), "") << what << ", recovery " << step;
        EXPECT_EQ(go_on(&machine, operate), "") << what << ", recovery " << step << ", afterwards";
        if (has_ended || testing::Test::HasFailure()) return step;
    }
}

void try_steps(Script prepare, const Operation& operation, Crash how, Effort effort) {
    uint64_t steps = 0;
    uint64_t recovery_steps = 0;
    for (uint64_t seed = 1; seed <= effort.seeds; ++seed) {
        bool has_more = true;
        for (uint64_t step = 1; has_more && !testing::Test::HasFailure(); ++step) {
            const std::string what = fmt::format("{}, seed {}, step {}", operation.name, seed, step);
            CrashMachine machine(seed);
            has_more = die_in(&machine, prepare, operation.run, step, how);
            ASSERT_EQ(machine.wrong(), "") << what;
            const bool with_recovery = seed == 1 && step % effort.recovery_every == 0;
            if (with_recovery) recovery_steps += try_recovery(machine, operation.run, what);
            EXPECT_EQ(go_on(&machine, operation.run), "") << what;
            ++steps;
        }
    }
    EXPECT_GT(steps, effort.seeds * effort.recovery_every);
    fmt::print("{}: {} steps, {} steps of recoveries\n", operation.name, steps, recovery_steps);
}

void try_all(Script prepare, Crash how, Effort effort) {
    for (const Operation& operation : operations) try_steps(prepare, operation, how, effort);
}

TEST(CrashSteps, KilledInPlaceOfEachChange) { try_all(fill, Crash::kill, quick); }
TEST(CrashSteps, PowerLostInPlaceOfEachChange) { try_all(fill, Crash::power_loss, quick); }
TEST(CrashSteps, KilledInRecycledSegments) { try_all(fill_recycled, Crash::kill, quick); }
TEST(CrashSteps, PowerLostInRecycledSegments) { try_all(fill_recycled, Crash::power_loss, quick); }

TEST(AllCrashSteps, KilledInPlaceOfEachChange) { try_all(fill, Crash::kill, thorough); }
TEST(AllCrashSteps, PowerLostInPlaceOfEachChange) { try_all(fill, Crash::power_loss, thorough); }
TEST(AllCrashSteps, KilledInRecycledSegments) { try_all(fill_recycled, Crash::kill, thorough); }
TEST(AllCrashSteps, PowerLostInRecycledSegments) { try_all(fill_recycled, Crash::power_loss, thorough); }

}  // namespace
}  // namespace ironbark::log
