#include "tests/simulation/cluster/minimise.h"

#include <algorithm>
#include <cctype>
#include <cstdio>
#include <cstdlib>
#include <sstream>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/simulation/cluster/cluster_run.h"

namespace ironbark::simulation {
namespace {

// How a run failed: the promise, without its numbers and names, so that another record of another partition is the
// same.
struct Verdict {
    std::string kind;  // empty: it did not fail
    std::vector<uint64_t> mishaps;
};

std::string without_numbers(const std::string& line) {
    std::string text;
    std::istringstream words(line);
    for (std::string word; words >> word;) {
        const bool has_digit =
            std::any_of(word.begin(), word.end(), [](unsigned char each) { return std::isdigit(each); });
        if (!has_digit) text += (text.empty() ? "" : " ") + word;
    }
    return text;
}

Verdict verdict_of(const std::string& report) {
    Verdict verdict;
    std::istringstream lines(report);
    const std::string mark = mishaps_mark;
    for (std::string line; std::getline(lines, line);) {
        if (verdict.kind.empty() || line.starts_with("  expected:")) verdict.kind = without_numbers(line);
        if (!line.starts_with(mark)) continue;
        std::istringstream numbers(line.substr(mark.size()));
        for (std::string number; std::getline(numbers, number, ',');) {
            verdict.mishaps.push_back(std::strtoull(number.c_str(), nullptr, 10));
        }
    }
    return verdict;
}

// In a process of its own, whose report is read from a pipe.
Verdict try_without(Plan plan, const LeftOut& left_out) {
    plan.leave_out(left_out);
    int ends[2];
    if (pipe(ends) != 0) std::abort();
    std::fflush(nullptr);
    const pid_t child = fork();
    if (child < 0) std::abort();
    if (child == 0) {
        dup2(ends[1], STDERR_FILENO);
        ClusterRun(std::move(plan), Prints{}).execute();
        _exit(0);
    }
    close(ends[1]);
    std::string report;
    char buffer[4096];
    for (ssize_t count = 0; (count = read(ends[0], buffer, sizeof(buffer))) > 0;) {
        report.append(buffer, static_cast<size_t>(count));
    }
    close(ends[0]);
    int status = 0;
    waitpid(child, &status, 0);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return {};
    return verdict_of(report);
}

class Minimiser {
  public:
    Minimiser(const Plan& plan, Verdict first)
        : plan_(plan), last_(std::move(first)), kind_(last_.kind), smallest_(plan.left_out) {}

    const LeftOut& smallest() const { return smallest_; }

    void leave_out_classes() {
        std::vector<std::string> words;
        for (size_t index = 0; index < cluster_mishaps; ++index) {
            if (plan_.cluster.weights[index] != 0) words.push_back(name(static_cast<ClusterMishap>(index)));
        }
        for (const char* word : {"disk-stall", "short-read", "short-write", "write-error", "sync-error", "torn-pages",
                                 "split", "reset", "blackhole", "delay"}) {
            Options without = plan_.world;
            without.turn_off(word);
            if (without.to_string() != plan_.world.to_string()) words.push_back(word);
        }
        for (const std::string& word : words) {
            LeftOut less = smallest_;
            less.classes.insert(word);
            (void)keep_if_it_fails(less);
        }
    }

    // Halves, then quarters, down to single ones.
    void skip_mishaps() {
        for (size_t share = 2; !last_.mishaps.empty(); share *= 2) {
            const std::vector<uint64_t> befell = last_.mishaps;
            const size_t size = std::max<size_t>(befell.size() / share, 1);
            for (size_t begin = 0; begin < befell.size(); begin += size) {
                LeftOut less = smallest_;
                const size_t end = std::min(begin + size, befell.size());
                less.mishaps.insert(befell.begin() + static_cast<std::ptrdiff_t>(begin),
                                    befell.begin() + static_cast<std::ptrdiff_t>(end));
                (void)keep_if_it_fails(less);
            }
            if (size == 1) return;
        }
    }

    void shorten() {
        bool is_shorter = true;
        while (is_shorter) {
            LeftOut less = smallest_;
            less.chaos = less.chaos.value_or(plan_.chaos) * 3 / 4;
            is_shorter = *less.chaos > 100ms && keep_if_it_fails(less);
        }
    }

  private:
    bool keep_if_it_fails(const LeftOut& less) {
        Verdict verdict = try_without(plan_, less);
        if (verdict.kind != kind_) return false;
        smallest_ = less;
        last_ = std::move(verdict);
        std::printf("still fails with%s\n", smallest_.to_string().c_str());
        std::fflush(stdout);
        return true;
    }

    const Plan& plan_;
    Verdict last_;
    const std::string kind_;
    LeftOut smallest_;
};

}  // namespace

bool minimise(const Plan& plan) {
    Verdict first = try_without(plan, plan.left_out);
    if (first.kind.empty()) {
        std::printf("seed %llu does not fail\n", static_cast<unsigned long long>(plan.seed));
        return false;
    }
    std::printf("fails:%s\n", first.kind.c_str());
    Minimiser minimiser(plan, std::move(first));
    minimiser.shorten();
    minimiser.leave_out_classes();
    minimiser.skip_mishaps();
    minimiser.shorten();
    std::printf("simulate --nodes %zu --seed %llu --profile %s%s --trace\n", plan.nodes,
                static_cast<unsigned long long>(plan.seed), name(plan.profile),
                minimiser.smallest().to_string().c_str());
    return true;
}

}  // namespace ironbark::simulation
