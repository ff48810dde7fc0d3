// The simulator: whole runs of a broker and its clients, one for each seed, in virtual time.
//
//     simulate [--nodes K] [--seed N] [--count M] [--jobs J] [--profile swarm|calm|crashes] [--trace] [--events]
//              [--hashes] [--twice] [--atlas] [--minimise] [--without CLASS,...] [--skip NUMBER,...] [--chaos-ms T]
//
// One broker, or with `--nodes` a cluster of so many daemons.
//
// Runs the seeds N, N+1, ... N+M-1, J at a time, each in a process of its own. A run that breaks a promise says which,
// prints its last events and the command that repeats it; the others go on. `--trace` prints what happens as it
// happens, `--events` every event of the world; `--hashes` a line for each seed, which is the same in every build;
// `--twice` runs each seed twice and compares. Of clusters, `--atlas` counts which faults and paths were taken, and
// `--minimise` looks for a smaller set of faults with which the seed still fails in the same way, and prints the
// options that say so: classes of faults that are left out, numbers of mishaps that are skipped, a shorter time.

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <map>
#include <set>
#include <spdlog/spdlog.h>
#include <sstream>
#include <string>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/simulation/cluster/cluster_run.h"
#include "tests/simulation/cluster/minimise.h"
#include "tests/simulation/cluster/run.h"

namespace ironbark::simulation {
namespace {

struct Arguments {
    uint64_t seed = 1;
    uint64_t count = 1;
    uint64_t jobs = 1;
    uint64_t nodes = 1;
    uint64_t chaos_ms = 0;  // 0: as drawn
    Profile profile = Profile::swarm;
    Prints prints;
    LeftOut left_out;
    bool prints_hashes = false;
    bool prints_atlas = false;
    bool runs_twice = false;
    bool minimises = false;
};

constexpr const char* usage =
    "usage: simulate [--nodes K] [--seed N] [--count M] [--jobs J] [--profile swarm|calm|crashes] [--trace] [--events] "
    "[--hashes] [--twice] [--atlas] [--minimise] [--without CLASS,...] [--skip NUMBER,...] [--chaos-ms T]\n";

bool parse_profile(const std::string& word, Profile* profile) {
    for (Profile known : {Profile::swarm, Profile::calm, Profile::crashes}) {
        if (word != name(known)) continue;
        *profile = known;
        return true;
    }
    return false;
}

bool parse_number(const char* word, uint64_t* number) {
    char* end = nullptr;
    *number = std::strtoull(word, &end, 10);
    return end != word && *end == '\0';
}

std::vector<std::string> parts_of(const std::string& list) {
    std::vector<std::string> parts;
    std::istringstream stream(list);
    for (std::string part; std::getline(stream, part, ',');) parts.push_back(part);
    return parts;
}

bool parse_skipped(const std::string& list, std::set<uint64_t>* numbers) {
    for (const std::string& part : parts_of(list)) {
        uint64_t number = 0;
        if (!parse_number(part.c_str(), &number)) return false;
        numbers->insert(number);
    }
    return true;
}

bool parse(int count, char** words, Arguments* arguments) {
    const std::map<std::string, uint64_t*> numbers{{"--seed", &arguments->seed},
                                                   {"--count", &arguments->count},
                                                   {"--jobs", &arguments->jobs},
                                                   {"--nodes", &arguments->nodes},
                                                   {"--chaos-ms", &arguments->chaos_ms}};
    const std::map<std::string, bool*> switches{
        {"--trace", &arguments->prints.story},   {"--events", &arguments->prints.events},
        {"--hashes", &arguments->prints_hashes}, {"--twice", &arguments->runs_twice},
        {"--atlas", &arguments->prints_atlas},   {"--minimise", &arguments->minimises}};
    for (int index = 1; index < count; ++index) {
        std::string word = words[index];
        bool has_value = index + 1 < count;
        if (auto known = switches.find(word); known != switches.end()) {
            *known->second = true;
        } else if (word == "--profile" && has_value) {
            if (!parse_profile(words[++index], &arguments->profile)) return false;
        } else if (word == "--without" && has_value) {
            for (const std::string& part : parts_of(words[++index])) arguments->left_out.classes.insert(part);
        } else if (word == "--skip" && has_value) {
            if (!parse_skipped(words[++index], &arguments->left_out.mishaps)) return false;
        } else if (auto number = numbers.find(word); number != numbers.end() && has_value) {
            if (!parse_number(words[++index], number->second)) return false;
        } else {
            return false;
        }
    }
    if (arguments->chaos_ms > 0) arguments->left_out.chaos = std::chrono::milliseconds(arguments->chaos_ms);
    const bool is_minimising_one = !arguments->minimises || (arguments->nodes > 1 && arguments->count == 1);
    return arguments->jobs > 0 && arguments->nodes > 0 && arguments->nodes <= 5 && arguments->nodes % 2 == 1 &&
           is_minimising_one;
}

void print(uint64_t seed, const RunOutcome& outcome) {
    std::printf("seed %llu hash %016llx events %llu virtual %.3f s\n", static_cast<unsigned long long>(seed),
                static_cast<unsigned long long>(outcome.hash), static_cast<unsigned long long>(outcome.events),
                static_cast<double>(outcome.virtual_time.count()) / 1e9);
    std::fflush(stdout);
}

Plan cluster_plan(uint64_t seed, const Arguments& arguments) {
    Plan plan = Plan::draw(seed, arguments.profile, arguments.nodes);
    plan.leave_out(arguments.left_out);
    return plan;
}

RunOutcome run_once(uint64_t seed, const Arguments& arguments) {
    if (arguments.nodes == 1) return Run(seed, arguments.profile, arguments.prints).execute();
    return ClusterRun(cluster_plan(seed, arguments), arguments.prints).execute();
}

RunOutcome run_one(uint64_t seed, const Arguments& arguments) {
    RunOutcome outcome = run_once(seed, arguments);
    if (!arguments.runs_twice) return outcome;
    RunOutcome again = run_once(seed, arguments);
    if (again.hash != outcome.hash) {
        std::fprintf(stderr, "two runs of seed %llu differ\n", static_cast<unsigned long long>(seed));
        std::abort();
    }
    return outcome;
}

void add(RunOutcome& sum, const RunOutcome& outcome) {
    // Every member is a count.
    static_assert(sizeof(RunOutcome) % sizeof(uint64_t) == 0);
    auto* into = reinterpret_cast<uint64_t*>(&sum);
    auto* from = reinterpret_cast<const uint64_t*>(&outcome);
    for (size_t index = 0; index < sizeof(RunOutcome) / sizeof(uint64_t); ++index) into[index] += from[index];
}

// A child that runs one seed and writes its outcome into a pipe.
struct Child {
    uint64_t seed;
    int pipe;
};

pid_t start_child(uint64_t seed, const Arguments& arguments, int* from) {
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    std::fflush(nullptr);
    pid_t child = fork();
    if (child < 0) std::abort();
    if (child == 0) {
        close(ends[0]);
        RunOutcome outcome = run_one(seed, arguments);
        bool is_told = write(ends[1], &outcome, sizeof(outcome)) == sizeof(outcome);
        _exit(is_told ? 0 : 1);
    }
    close(ends[1]);
    *from = ends[0];
    return child;
}

void print_sum(const Arguments& arguments, const RunOutcome& sum, const std::vector<uint64_t>& failed) {
    const History::Counts& counts = sum.counts;
    auto number = [](uint64_t value) { return static_cast<unsigned long long>(value); };
    std::printf("%llu seeds, hash %016llx, %llu events, %.0f s of virtual time, %llu starts of brokers\n",
                number(arguments.count), number(sum.hash), number(sum.events),
                static_cast<double>(sum.virtual_time.count()) / 1e9, number(sum.broker_starts));
    std::printf(
        "records: %llu sent, %llu written (%llu durable, %llu found written), %llu not written, %llu unknown, %llu not "
        "accepted; %llu shown, %llu gaps, %llu undone, %llu told lost in %llu losses, %llu in the end\n",
        number(counts.sent), number(counts.written), number(counts.written_durable), number(counts.duplicates),
        number(counts.not_written), number(counts.unknown), number(counts.refused), number(counts.shown),
        number(counts.gaps), number(counts.undone), number(counts.records_lost), number(counts.losses),
        number(counts.final_records));
    std::printf(
        "%llu starts after a crash, %llu refused; %llu clients killed, %llu cuts, %llu full disks, %llu rots; topics: "
        "%llu "
        "made, %llu deleted, %llu altered, %llu enlarged, %llu deletions of records\n",
        number(counts.starts_after_crash), number(counts.starts_refused), number(counts.clients_killed),
        number(counts.cuts), number(counts.full_disks), number(counts.rots), number(counts.topics_made),
        number(counts.topics_deleted), number(counts.topics_altered), number(counts.topics_enlarged),
        number(counts.deletions));
    if (failed.empty()) return;
    std::printf("%zu FAILED:", failed.size());
    for (uint64_t seed : failed) std::printf(" %llu", number(seed));
    std::printf("\n");
}

int run_all(const Arguments& arguments) {
    std::map<pid_t, Child> children;
    std::map<uint64_t, RunOutcome> outcomes;
    std::vector<uint64_t> failed;
    RunOutcome sum;
    uint64_t started = 0;
    while (started < arguments.count || !children.empty()) {
        if (started < arguments.count && children.size() < arguments.jobs) {
            uint64_t seed = arguments.seed + started++;
            int from = -1;
            pid_t child = start_child(seed, arguments, &from);
            children[child] = {seed, from};
            continue;
        }
        int status = 0;
        pid_t ended = wait(&status);
        auto child = children.find(ended);
        if (child == children.end()) continue;
        RunOutcome outcome;
        bool is_whole = read(child->second.pipe, &outcome, sizeof(outcome)) == sizeof(outcome);
        close(child->second.pipe);
        if (is_whole && WIFEXITED(status) && WEXITSTATUS(status) == 0) {
            add(sum, outcome);
            outcomes.emplace(child->second.seed, outcome);
        } else {
            failed.push_back(child->second.seed);
        }
        children.erase(child);
    }
    for (const auto& [seed, outcome] : outcomes) {
        if (arguments.prints_hashes) print(seed, outcome);
    }
    std::sort(failed.begin(), failed.end());
    if (arguments.prints_atlas) std::printf("%s", sum.atlas.to_string().c_str());
    print_sum(arguments, sum, failed);
    return failed.empty() ? 0 : 1;
}

}  // namespace
}  // namespace ironbark::simulation

int main(int count, char** words) {
    using namespace ironbark::simulation;
    Arguments arguments;
    if (!parse(count, words, &arguments)) {
        std::fprintf(stderr, "%s", usage);
        return 2;
    }
    spdlog::set_level(arguments.prints.story ? spdlog::level::info : spdlog::level::off);
    if (arguments.minimises) return minimise(cluster_plan(arguments.seed, arguments)) ? 1 : 0;
    if (arguments.count > 1) return run_all(arguments);
    const RunOutcome outcome = run_one(arguments.seed, arguments);
    if (arguments.prints_atlas) std::printf("%s", outcome.atlas.to_string().c_str());
    print(arguments.seed, outcome);
    return 0;
}
