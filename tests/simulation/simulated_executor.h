#pragma once
// One simulated thread. It runs nothing by itself: the simulation picks, one at a time, which coroutine of which
// executor goes on. Jobs from other threads arrive after a small random delay, in order per sender.

#include <cstdint>
#include <deque>
#include <functional>
#include <map>

#include "runtime/task/executor.h"

namespace ironbark::simulation {

class Node;
class Simulation;

class SimulatedExecutor final : public Executor {
  public:
    SimulatedExecutor(Simulation& simulation, Node& node);
    ~SimulatedExecutor() override;

    Instant now() const override;
    int64_t wall_milliseconds() const override;
    void post_remote(std::function<void()> job) override;

    // Its process was killed: nothing of it runs any more.
    void end();

    // For the simulation's loop.
    uint64_t id() const { return id_; }
    Node& node() { return node_; }
    bool is_runnable() const { return has_ready(); }
    Instant next_timer() const { return Executor::next_timer(); }
    void fire_due_timers() { fire_timers(now()); }
    void run_one(bool shuffle);

  private:
    struct Inbox {
        std::deque<std::function<void()>> jobs;
        Instant last_arrival{};
    };
    void deliver(uint64_t sender);

    Simulation& simulation_;
    Node& node_;
    uint64_t id_;
    std::map<uint64_t, Inbox> inboxes_;  // by sender
};

}  // namespace ironbark::simulation
