#pragma once
// An acceptor of a simulated process; several of them may share a port.

#include <memory>

#include "runtime/io/world.h"
#include "runtime/task/sync.h"
#include "tests/simulation/simulated_network.h"

namespace ironbark::simulation {

class SimulatedListener final : public Listener, public ListenerUser {
  public:
    SimulatedListener(SimulatedNetwork& network, Node& node, Executor& executor)
        : network_(network), node_(node), executor_(executor), acceptable_(executor) {}
    ~SimulatedListener() override;

    Result<void> listen(Address address, bool is_local_only);
    void share(Address address);

    Task<Result<std::unique_ptr<Socket>>> accept() override;
    void close() override;
    Address local_address() const override { return address_; }

    void acceptable() override { acceptable_.pulse(); }

  private:
    SimulatedNetwork& network_;
    Node& node_;
    Executor& executor_;
    Event acceptable_;
    Address address_;
    bool is_open_ = false;
};

}  // namespace ironbark::simulation
