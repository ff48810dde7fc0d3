#pragma once
// A world of machines on one thread, in virtual time, from one seed. A test makes nodes, starts programs on them that
// see nothing but `World`, and lets time run:
//
//     Simulation simulation(seed);
//     Node& node = simulation.node("n1");
//     World& world = node.boot();
//     node.run(write_something(world));
//     node.lose_power();
//
// One step at a time: one ready coroutine of one executor, or one event that is due; which of them, the seed decides.
// Time moves only when nothing is left to do. A broken rule of the world (a buffer changed in flight, an operation that
// overlaps another, a loop without progress) ends the test program with the seed and the last events.

#include <algorithm>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tests/simulation/event_queue.h"
#include "tests/simulation/options.h"
#include "tests/simulation/random_stream.h"
#include "tests/simulation/simulated_network.h"
#include "tests/simulation/trace.h"

namespace ironbark::simulation {

class Node;
class SimulatedExecutor;

class Simulation {
  public:
    explicit Simulation(uint64_t seed, Options options = {});
    Simulation(const Simulation&) = delete;
    Simulation& operator=(const Simulation&) = delete;
    ~Simulation();  // kills what still runs

    uint64_t seed() const { return seed_; }
    const Options& options() const { return options_; }
    Instant now() const { return now_; }
    Duration elapsed() const;  // since the run began

    // The machine of this name, made at the first call. Its name is its host name.
    Node& node(std::string_view name);
    Node* find_node(std::string_view name);  // null if there is none
    std::vector<Node*> nodes();
    SimulatedNetwork& network() { return network_; }

    // Runs until the condition holds (true), or the limit of virtual time has passed or nothing is left to happen
    // (false). The condition is asked after every step.
    bool run_until(const std::function<bool()>& condition, Duration limit);
    void run_for(Duration duration);
    // Runs a piece of script at a later time, outside of all nodes.
    void after(Duration delay, std::function<void()> script);
    // A stream of chance for a workload or a script.
    RandomStream stream(std::string_view name) const { return RandomStream(seed_, name); }

    // The world behaves from here on: no fault of the options happens any more, links are whole.
    void end_faults();

    uint64_t trace_hash() const { return trace_.hash(); }
    uint64_t events() const { return events_; }
    // Ends the test program and says what is wrong. Whatever ends it by abort (this, an assertion of the program), the
    // seed and the last events of the newest simulation are printed.
    [[noreturn]] void fail(const std::string& what) const;
    // Has its say in the report of a run that was aborted.
    void on_report(std::function<void()> reporter) { reporter_ = std::move(reporter); }

    // For the parts of the world.
    void schedule(Instant at, std::function<void()> action) { queue_.push(std::max(at, now_), std::move(action)); }
    void record(TraceKind kind, uint64_t node, uint64_t first = 0, uint64_t second = 0) {
        trace_.add(now_, kind, node, first, second);
    }
    RandomStream& scheduler() { return scheduler_; }
    int64_t wall_milliseconds() const;
    uint64_t add_executor(SimulatedExecutor& executor);
    void remove_executor(SimulatedExecutor& executor);
    SimulatedExecutor* find_executor(uint64_t id);
    uint64_t running_executor() const { return running_; }  // 0: none
    // A node whose process was killed while it was running: the loop clears it away after the step.
    void bury_later(Node& node) { to_bury_.push_back(&node); }

  private:
    static void report_abort(int signal);
    static void report_aborts();
    void print_report() const;
    bool step(Instant limit);
    void collect_runnable();
    bool advance(Instant limit);
    void count_event();
    void bury();

    uint64_t seed_;
    Options options_;
    RandomStream scheduler_;
    bool shuffle_;
    EventQueue queue_;
    Trace trace_;
    Instant now_;
    uint64_t events_ = 0;
    uint64_t events_without_progress_ = 0;
    uint64_t turn_ = 0;
    uint64_t executors_made_ = 0;
    uint64_t running_ = 0;
    std::map<uint64_t, SimulatedExecutor*> executors_;
    std::vector<SimulatedExecutor*> runnable_;
    std::vector<Node*> to_bury_;
    SimulatedNetwork network_;
    std::vector<std::unique_ptr<Node>> nodes_;
    std::function<void()> reporter_;
};

}  // namespace ironbark::simulation
