#include "tests/simulation/simulation.h"

#include <algorithm>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/simulated_executor.h"

namespace ironbark::simulation {
namespace {

// Not zero, so that a point in time somewhat before the start is still a point in time.
constexpr Instant start{std::chrono::hours(1)};
constexpr int64_t start_wall_milliseconds = 1'735'689'600'000;  // 2025-01-01

// Newest last; who aborts is most likely in it.
std::vector<const Simulation*> alive;
void (*handler_before)(int) = SIG_DFL;  // of SIGABRT: a test program's own, which has its turn after ours

Tie tie_of_seed(RandomStream& random) { return static_cast<Tie>(random.below(3)); }

}  // namespace

Simulation::Simulation(uint64_t seed, Options options)
    : seed_(seed),
      options_(std::move(options)),
      scheduler_(seed, "scheduler"),
      shuffle_(options_.shuffle.value_or(scheduler_.chance(one_in(2)))),
      queue_(options_.tie.value_or(tie_of_seed(scheduler_)), RandomStream(seed, "ties")),
      now_(start),
      network_(*this) {
    alive.push_back(this);
    report_aborts();
}

Simulation::~Simulation() {
    for (std::unique_ptr<Node>& node : nodes_) {
        if (node->is_running()) node->kill();
    }
    std::erase(alive, this);
}

Node& Simulation::node(std::string_view name) {
    if (Node* found = find_node(name)) return *found;
    nodes_.push_back(std::make_unique<Node>(*this, std::string(name), nodes_.size() + 1));
    return *nodes_.back();
}

Node* Simulation::find_node(std::string_view name) {
    for (std::unique_ptr<Node>& node : nodes_) {
        if (node->name() == name) return node.get();
    }
    return nullptr;
}

std::vector<Node*> Simulation::nodes() {
    std::vector<Node*> all;
    for (std::unique_ptr<Node>& node : nodes_) all.push_back(node.get());
    return all;
}

bool Simulation::run_until(const std::function<bool()>& condition, Duration limit) {
    Instant end = now_ + limit;
    while (!condition()) {
        if (step(end)) continue;
        now_ = end;
        return condition();
    }
    return true;
}

void Simulation::run_for(Duration duration) {
    run_until([] { return false; }, duration);
}

void Simulation::after(Duration delay, std::function<void()> script) {
    schedule(now_ + delay, [this, script = std::move(script)] {
        record(TraceKind::script, 0);
        script();
    });
}

Duration Simulation::elapsed() const { return now_ - start; }

void Simulation::end_faults() {
    options_.end_faults();
    network_.heal_all();
}

bool Simulation::step(Instant limit) {
    bool is_due = queue_.next_at() <= now_;
    collect_runnable();
    size_t count = runnable_.size() + (is_due ? 1 : 0);
    if (count == 0) return advance(limit);
    count_event();
    size_t choice = shuffle_ ? scheduler_.below(count) : turn_++ % count;
    if (choice < runnable_.size()) {
        SimulatedExecutor& executor = *runnable_[choice];
        running_ = executor.id();
        executor.run_one(shuffle_);
        running_ = 0;
    } else {
        std::function<void()> action = queue_.pop();
        action();
    }
    bury();
    return true;
}

void Simulation::collect_runnable() {
    runnable_.clear();
    for (auto& [id, executor] : executors_) {
        if (executor->node().is_paused() || executor->has_crashed()) continue;
        if (executor->next_timer() <= now_) executor->fire_due_timers();
        if (executor->is_runnable()) runnable_.push_back(executor);
    }
}

bool Simulation::advance(Instant limit) {
    Instant next = queue_.next_at();
    for (auto& [id, executor] : executors_) {
        if (!executor->node().is_paused() && !executor->has_crashed()) next = std::min(next, executor->next_timer());
    }
    if (next == never || next > limit) return false;
    now_ = next;
    events_without_progress_ = 0;
    return true;
}

void Simulation::count_event() {
    if (++events_ > options_.events_max) fail("the run has more events than Options::events_max");
    if (++events_without_progress_ > options_.events_without_progress_max) {
        fail("time stands still: a loop resumes for ever without waiting for anything");
    }
}

void Simulation::bury() {
    for (Node* node : std::exchange(to_bury_, {})) node->bury();
}

void Simulation::fail(const std::string& what) const {
    std::fprintf(stderr, "simulation failed: %s\n", what.c_str());
    std::abort();
}

// Of an abort only, which comes from the code that runs: so printing is as safe here as anywhere.
void Simulation::report_abort(int signal) {
    if (!alive.empty()) alive.back()->print_report();
    if (handler_before != SIG_DFL && handler_before != SIG_IGN) handler_before(signal);
}

void Simulation::report_aborts() {
    auto before = std::signal(SIGABRT, &Simulation::report_abort);
    if (before != &Simulation::report_abort) handler_before = before;
}

void Simulation::print_report() const {
    std::fprintf(stderr, "last events (virtual ns, node, what):\n%sseed %llu, event %llu, virtual time %lld ns; %s\n",
                 trace_.tail().c_str(), static_cast<unsigned long long>(seed_),
                 static_cast<unsigned long long>(events_), static_cast<long long>((now_ - start).count()),
                 options_.to_string().c_str());
    if (reporter_) reporter_();
    std::fflush(stderr);
}

int64_t Simulation::wall_milliseconds() const { return start_wall_milliseconds + (now_ - start) / 1ms; }

uint64_t Simulation::add_executor(SimulatedExecutor& executor) {
    executors_[++executors_made_] = &executor;
    return executors_made_;
}

void Simulation::remove_executor(SimulatedExecutor& executor) { executors_.erase(executor.id()); }

SimulatedExecutor* Simulation::find_executor(uint64_t id) {
    auto found = executors_.find(id);
    return found == executors_.end() ? nullptr : found->second;
}

}  // namespace ironbark::simulation
