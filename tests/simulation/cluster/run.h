#pragma once
// One seed from beginning to end: the broker starts, clients work while faults happen, the faults end, everyone
// finishes within a bounded time, and the whole log is read and compared with what was promised.

#include <functional>
#include <memory>

#include "tests/simulation/cluster/broker_node.h"
#include "tests/simulation/cluster/clients.h"

namespace ironbark::simulation {

struct RunOutcome {
    uint64_t hash = 0;
    uint64_t events = 0;
    Duration virtual_time{};
    uint64_t broker_starts = 0;
    History::Counts counts;
    Atlas atlas;
};

// What every run ends with.
RunOutcome outcome_of(const Simulation& simulation, const History::Counts& counts, uint64_t broker_starts);

// What is printed as it happens.
struct Prints {
    bool story = false;   // what clients do and are told
    bool events = false;  // every event of the world
};

class Run {
  public:
    Run(uint64_t seed, Profile profile, Prints prints);
    ~Run();
    RunOutcome execute();

  private:
    void start_clients();
    void live_through_faults();
    void befall(Mishap mishap);
    Mishap draw_mishap();
    void kill_client();
    void cut_links();
    void fill_disk();
    void rot_something();
    void recover();
    void settle();
    void read_twice();
    // Lets time pass, at most until the broker dies.
    void pass(Duration duration);
    void wait_until(const std::string& what, const std::function<bool()>& condition);
    void report() const;

    Plan plan_;
    Simulation simulation_;
    Stage stage_;
    RandomStream random_;
    BrokerNode broker_;
    Clients clients_;
};

}  // namespace ironbark::simulation
