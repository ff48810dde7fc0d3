// The simulator of the controller quorum's core: voters, disks, network and clients in virtual time, one run a seed.
//
//     raft_simulate [--seed N] [--count M] [--jobs J] [--trace] [--hashes] [--keep-going]
//
// Runs the seeds N, N+1, ... N+M-1, shared out among J processes. The first run that breaks a promise says which, and
// the command that repeats it, and ends its process; with --keep-going the next seed is run. --trace tells a run as it
// goes; --hashes prints a line for each seed, which is the same in every build.

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/broker/consensus/simulation/world.h"

namespace ironbark::consensus::simulation {
namespace {

struct Arguments {
    uint64_t seed = 1;
    uint64_t count = 1;
    uint64_t jobs = 1;
    bool is_traced = false;
    bool prints_hashes = false;
    bool keeps_going = false;
};

// What a worker shares with its parent.
struct Worker {
    uint64_t seed;  // that it runs, or ran last
    bool is_done;
    uint64_t failed;
    Counts counts;
};

unsigned long long number(uint64_t value) {
    return static_cast<unsigned long long>(value);
}

bool parse(int count, char** words, Arguments* arguments) {
    for (int at = 1; at < count; ++at) {
        const std::string word = words[at];
        uint64_t* into = word == "--seed"    ? &arguments->seed
                         : word == "--count" ? &arguments->count
                         : word == "--jobs"  ? &arguments->jobs
                                             : nullptr;
        bool* flag = word == "--trace"        ? &arguments->is_traced
                     : word == "--hashes"     ? &arguments->prints_hashes
                     : word == "--keep-going" ? &arguments->keeps_going
                                              : nullptr;
        if (flag) {
            *flag = true;
        } else if (into && at + 1 < count) {
            char* end = nullptr;
            *into = std::strtoull(words[++at], &end, 10);
            if (end == words[at] || *end != '\0') return false;
        } else {
            return false;
        }
    }
    return arguments->jobs > 0 && arguments->jobs <= 64;
}

void add(Counts& sum, const Counts& counts) {
    static_assert(sizeof(Counts) % sizeof(uint64_t) == 0);
    auto* into = reinterpret_cast<uint64_t*>(&sum);
    auto* from = reinterpret_cast<const uint64_t*>(&counts);
    for (size_t at = 0; at < sizeof(Counts) / sizeof(uint64_t); ++at) into[at] += from[at];
}

bool run_one(uint64_t seed, const Arguments& arguments, Counts* counts) {
    World world(seed, arguments.is_traced);
    const std::string broken = world.run();
    add(*counts, world.counts());
    if (arguments.prints_hashes) std::printf("seed %llu hash %016llx\n", number(seed), number(world.counts().hash));
    if (broken.empty()) return true;
    std::printf("seed %llu: %s\n    raft_simulate --seed %llu --trace\n", number(seed), broken.c_str(), number(seed));
    std::fflush(stdout);
    return false;
}

// Every J-th seed from worker->seed on.
void work(const Arguments& arguments, Worker* worker) {
    const uint64_t end = arguments.seed + arguments.count;
    for (uint64_t seed = worker->seed; seed < end; seed += arguments.jobs) {
        worker->seed = seed;
        if (run_one(seed, arguments, &worker->counts)) continue;
        ++worker->failed;
        if (!arguments.keeps_going) break;
    }
    worker->is_done = true;
}

pid_t start(const Arguments& arguments, Worker* worker) {
    std::fflush(nullptr);
    pid_t child = fork();
    if (child < 0) std::abort();
    if (child > 0) return child;
    work(arguments, worker);
    std::fflush(nullptr);
    _exit(0);
}

// A worker that a broken assertion ended is started again behind the seed that it died of.
bool restart(const Arguments& arguments, Worker* worker) {
    std::printf("seed %llu: the process died\n    raft_simulate --seed %llu --trace\n", number(worker->seed),
                number(worker->seed));
    ++worker->failed;
    worker->seed += arguments.jobs;
    return arguments.keeps_going && worker->seed < arguments.seed + arguments.count;
}

int print_sum(const Counts& sum, uint64_t failed) {
    std::printf(
        "%llu seeds, %llu failed, hash %016llx: %llu s of virtual time, %llu steps, %llu messages, %llu starts\n",
        number(sum.seeds), number(failed), number(sum.hash), number(sum.virtual_ms / 1000), number(sum.steps),
        number(sum.messages), number(sum.restarts));
    std::printf(
        "%llu terms led, %llu entries, %llu written, %llu reads, %llu truncations, %llu parts of snapshots, "
        "%llu replacements, %llu transfers, %llu reports\n",
        number(sum.elections), number(sum.entries), number(sum.written), number(sum.reads), number(sum.truncations),
        number(sum.snapshots_sent), number(sum.replacements), number(sum.transfers), number(sum.reports));
    return failed == 0 && sum.seeds > 0 ? 0 : 1;
}

int run_all(const Arguments& arguments) {
    const size_t size = sizeof(Worker) * arguments.jobs;
    void* shared = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) std::abort();
    auto* workers = static_cast<Worker*>(shared);
    std::vector<pid_t> children(arguments.jobs, -1);
    for (uint64_t at = 0; at < arguments.jobs; ++at) {
        workers[at].seed = arguments.seed + at;
        children[at] = start(arguments, &workers[at]);
    }
    for (uint64_t at = 0; at < arguments.jobs; ++at) {
        while (true) {
            int status = 0;
            if (waitpid(children[at], &status, 0) != children[at]) std::abort();
            bool has_died = !WIFEXITED(status) || WEXITSTATUS(status) != 0 || !workers[at].is_done;
            if (!has_died || !restart(arguments, &workers[at])) break;
            children[at] = start(arguments, &workers[at]);
        }
    }
    Counts sum;
    uint64_t failed = 0;
    for (uint64_t at = 0; at < arguments.jobs; ++at) {
        add(sum, workers[at].counts);
        failed += workers[at].failed;
    }
    munmap(shared, size);
    return print_sum(sum, failed);
}

}  // namespace
}  // namespace ironbark::consensus::simulation

int main(int count, char** words) {
    using namespace ironbark::consensus::simulation;
    Arguments arguments;
    if (!parse(count, words, &arguments)) {
        std::fprintf(stderr,
                     "usage: raft_simulate [--seed N] [--count M] [--jobs J] [--trace] [--hashes] [--keep-going]\n");
        return 2;
    }
    return run_all(arguments);
}
