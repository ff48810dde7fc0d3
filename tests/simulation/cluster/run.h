#pragma once
// One seed from beginning to end: the broker starts, clients work while faults happen, the faults end, everyone
// finishes within a bounded time, and the whole log is read and compared with what was promised.

#include <functional>
#include <memory>

#include "tests/simulation/cluster/admin_client.h"
#include "tests/simulation/cluster/broker_node.h"
#include "tests/simulation/cluster/consumer_client.h"
#include "tests/simulation/cluster/producer_client.h"

namespace ironbark::simulation {

struct Outcome {
    uint64_t hash = 0;
    uint64_t events = 0;
    Duration virtual_time{};
    uint64_t broker_starts = 0;
    History::Counts counts;
};

class Run {
  public:
    Run(uint64_t seed, Profile profile, bool is_loud);
    ~Run();
    Outcome execute();

  private:
    // A client program's machine. `Program` is made anew at each start.
    template <typename Program>
    struct Client {
        Node* node = nullptr;
        Program* program = nullptr;
        size_t index = 0;
    };
    void start_producer(Client<ProducerClient>& client);
    void start_consumer(Client<ConsumerClient>& client);
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
    void read_everything();
    void end_clients();
    // Lets time pass, at most until the broker dies.
    void pass(Duration duration);
    void wait_until(const std::string& what, const std::function<bool()>& condition);
    void report() const;

    Plan plan_;
    Simulation simulation_;
    Stage stage_;
    RandomStream random_;
    BrokerNode broker_;
    Client<AdminClient> admin_;
    std::vector<Client<ProducerClient>> producers_;
    std::vector<Client<ConsumerClient>> consumers_;
    uint64_t lives_ = 0;
};

}  // namespace ironbark::simulation
