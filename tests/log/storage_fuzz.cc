// The storage fuzz: random sequences of what a broker does with its logs, on a simulated disk with faults, with crashes
// and power losses between any two operations of the disk, against a trivial model.
//
//     storage_fuzz [--seed N] [--sequences M] [--operations K] [--loud]
//
// Sequence n of a run is the seed N + n: a failure prints its seed, and `--seed THAT --sequences 1` repeats it. Every
// hundredth sequence runs twice and must leave the same trace.

#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <unistd.h>

#include "runtime/base/checksum.h"
#include "tests/log/storage_workload.h"

namespace ironbark::log {
namespace {

using simulation::Crash;
using simulation::Node;
using simulation::one_in;
using simulation::Options;
using simulation::RandomStream;
using simulation::Simulation;

constexpr uint64_t repeated_every = 100;
constexpr Duration life_limit = std::chrono::hours(2);

struct Arguments {
    uint64_t seed = 1;
    uint64_t sequences = 2000;
    uint64_t operations = 0;  // per life; 0: by chance
    bool loud = false;
};

Options make_options(RandomStream& random, WorkloadShape* shape) {
    Options options;
    auto coin = [&random] { return random.chance(one_in(2)); };
    if (coin()) options.disk.short_read = one_in(20);
    if (coin()) options.disk.short_write = one_in(20);
    if (coin()) options.disk.torn_pages = true;
    if (coin()) options.disk.torn_sectors = true;
    if (random.chance(one_in(4))) options.disk.stall = one_in(500);
    if (random.chance(one_in(4))) options.disk.direct_io = false;
    uint64_t fault = random.below(8);
    shape->may_fail = fault == 0 || fault == 1;
    shape->may_rot = fault == 2;
    shape->may_be_full = fault == 3;
    if (fault == 0) options.disk.sync_error = one_in(100);
    if (fault == 1) options.disk.write_error = one_in(100);
    shape->may_lose_end = fault == 2 && coin();
    if (fault == 2) (shape->may_lose_end ? options.disk.rot : options.disk.read_error) = one_in(200);
    return options;
}

void make_shape(RandomStream& random, WorkloadShape* shape) {
    LogSettings& settings = shape->settings;
    settings.segment_bytes = uint64_t{16 * 1024} << random.below(5);
    settings.flush_bytes = uint64_t{8 * 1024} << random.below(6);
    settings.write_behind_bytes = uint64_t{1024} << random.below(6);
    settings.flush_interval = Duration(static_cast<int64_t>(random.between(10'000'000, 1'000'000'000)));
    settings.graveyard_bytes = uint64_t{64 * 1024} << random.below(4);
    shape->store.pool_files_max = random.below(4);
    shape->store.tail_bytes_max = uint64_t{16 * 1024} << random.below(8);
    shape->store.unwritten_bytes_max = int64_t{16 * 1024} << random.below(8);
    shape->store.reserve_bytes = 128 * 1024;
    shape->partitions = 1 + random.below(2);
    // Each kind of operation in some sequences often, in some never.
    for (size_t index = 0; index < StorageWorkload::operation_count; ++index) {
        uint64_t weight = random.between(1, 100);
        shape->weights.push_back(random.chance(one_in(3)) ? 0 : weight);
    }
    shape->weights[0] = 100;
    shape->weights[StorageWorkload::restart_operation] /= 8;  // little is left to look at afterwards
}

std::vector<StorageModel> make_models(RandomStream& random, size_t count) {
    std::vector<StorageModel> models;
    for (size_t index = 0; index < count; ++index) {
        models.emplace_back(PartitionIdentity{random.uuid(), PartitionIndex(static_cast<int32_t>(index))});
    }
    return models;
}

struct Outcome {
    uint64_t hash = 0;
    uint64_t lives = 0;
};

Outcome run_sequence(uint64_t seed, const Arguments& arguments, WorkloadCounts* counts) {
    RandomStream random(seed, "storage-fuzz");
    WorkloadShape shape;
    Options options = make_options(random, &shape);
    make_shape(random, &shape);
    std::vector<StorageModel> models = make_models(random, shape.partitions);
    Simulation simulation(seed, options);
    Node& node = simulation.node("storage");
    Outcome outcome;
    uint64_t lives = 1 + random.below(6);
    for (; outcome.lives < lives; ++outcome.lives) {
        uint64_t operations = arguments.operations != 0 ? arguments.operations : random.below(60);
        uint64_t ending = random.below(4);  // clean, killed, power lost, stopped between two disk operations
        Crash how = random.chance(one_in(2)) ? Crash::kill : Crash::power_loss;
        uint64_t stop_after = 1 + random.below(random.chance(one_in(2)) ? 40 : 400);
        auto make = [&](World& world) {
            return std::make_unique<StorageWorkload>(&node, &world, &shape, &models, &random, counts);
        };
        StorageWorkload& workload = node.start(make);
        if (arguments.loud) workload.be_loud();
        if (ending == 3) node.disk().stop_after(stop_after, how);
        node.spawn(workload.run(operations, ending == 0));
        bool ended = simulation.run_until([&] { return !node.is_running() || workload.is_done(); }, life_limit);
        if (!ended) simulation.fail("the life of a process does not end");
        node.disk().stop_never();
        bool refused = node.is_running() && workload.was_refused();
        if (node.is_running() && (ending == 0 || refused)) {
            simulation.run_for(1us);
            node.end();
        } else if (node.is_running()) {
            node.crash(ending == 1 ? Crash::kill : Crash::power_loss);
        }
        if (arguments.loud)
            std::fprintf(stderr, "-- life %llu ended: %llu\n", static_cast<unsigned long long>(outcome.lives),
                         static_cast<unsigned long long>(ending));
        if (refused) break;
    }
    outcome.hash = simulation.trace_hash();
    return outcome;
}

char current_seed[64];

void say_seed(int) {
    (void)!write(STDERR_FILENO, current_seed, std::strlen(current_seed));
    std::signal(SIGABRT, SIG_DFL);
    std::raise(SIGABRT);
}

bool parse(int count, char** words, Arguments* arguments) {
    for (int index = 1; index < count; ++index) {
        std::string word = words[index];
        if (word == "--loud") {
            arguments->loud = true;
            continue;
        }
        uint64_t* number = word == "--seed"         ? &arguments->seed
                           : word == "--sequences"  ? &arguments->sequences
                           : word == "--operations" ? &arguments->operations
                                                    : nullptr;
        if (number == nullptr || index + 1 == count) return false;
        *number = std::strtoull(words[++index], nullptr, 10);
    }
    return true;
}

int run(const Arguments& arguments) {
    std::signal(SIGABRT, say_seed);
    WorkloadCounts counts;
    uint64_t lives = 0;
    uint64_t hash = 0;
    for (uint64_t index = 0; index < arguments.sequences; ++index) {
        uint64_t seed = arguments.seed + index;
        std::snprintf(current_seed, sizeof(current_seed), "storage_fuzz --sequences 1 --seed %llu\n",
                      static_cast<unsigned long long>(seed));
        Outcome outcome = run_sequence(seed, arguments, &counts);
        if (index % repeated_every == 0) {
            WorkloadCounts again;
            if (run_sequence(seed, arguments, &again).hash != outcome.hash) {
                std::fprintf(stderr, "two runs of one seed differ\n");
                std::abort();
            }
        }
        lives += outcome.lives;
        hash = hash * 31 + outcome.hash;
    }
    std::printf("%llu sequences, %llu lives, hash %016llx\n%s\n", static_cast<unsigned long long>(arguments.sequences),
                static_cast<unsigned long long>(lives), static_cast<unsigned long long>(hash),
                counts.to_string().c_str());
    return 0;
}

}  // namespace
}  // namespace ironbark::log

int main(int count, char** words) {
    ironbark::log::Arguments arguments;
    if (!ironbark::log::parse(count, words, &arguments)) {
        std::fprintf(stderr, "usage: storage_fuzz [--seed N] [--sequences M] [--operations K] [--loud]\n");
        return 2;
    }
    return ironbark::log::run(arguments);
}
