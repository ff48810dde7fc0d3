#include "tests/simulation/simulated_executor.h"

#include <algorithm>
#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

SimulatedExecutor::SimulatedExecutor(Simulation& simulation, Node& node)
    : simulation_(simulation), node_(node), id_(simulation.add_executor(*this)) {}

SimulatedExecutor::~SimulatedExecutor() { simulation_.remove_executor(*this); }

Instant SimulatedExecutor::now() const { return simulation_.now(); }

int64_t SimulatedExecutor::wall_milliseconds() const {
    return simulation_.wall_milliseconds() + node_.wall_skew_milliseconds();
}

void SimulatedExecutor::post_remote(std::function<void()> job) {
    if (has_crashed()) return;
    uint64_t sender = simulation_.running_executor();
    Inbox& inbox = inboxes_[sender];
    Instant arrival = simulation_.now() + simulation_.scheduler().duration(simulation_.options().message);
    // Later than the one before, so that no tie rule can exchange them.
    inbox.last_arrival = std::max(arrival, inbox.last_arrival + 1ns);
    inbox.jobs.push_back(std::move(job));
    simulation_.schedule(inbox.last_arrival, [&simulation = simulation_, receiver = id_, sender] {
        if (SimulatedExecutor* executor = simulation.find_executor(receiver)) executor->deliver(sender);
    });
}

void SimulatedExecutor::deliver(uint64_t sender) {
    if (has_crashed()) return;
    Inbox& inbox = inboxes_.at(sender);
    std::function<void()> job = std::move(inbox.jobs.front());
    inbox.jobs.pop_front();
    simulation_.record(TraceKind::message, node_.id(), id_, sender);
    job();
}

void SimulatedExecutor::end() {
    crash();
    inboxes_.clear();
}

void SimulatedExecutor::run_one(bool shuffle) {
    size_t count = ready_count();
    simulation_.record(TraceKind::resumed, node_.id(), id_, count);
    run_ready_at(shuffle ? simulation_.scheduler().below(count) : 0);
}

}  // namespace ironbark::simulation
