#pragma once
// The Network that a program of the simulated world sees, bound to one executor. Checks the rules of world.h that a
// real system leaves unchecked: one receive and one send at a time, bytes that change while they are sent, sockets and
// listeners that are destroyed open.

#include <memory>

#include "runtime/io/world.h"
#include "tests/simulation/simulated_network.h"

namespace ironbark::simulation {

class NetworkDoor final : public Network {
  public:
    NetworkDoor(SimulatedNetwork& network, Node& node, Executor& executor)
        : network_(network), node_(node), executor_(executor) {}

    Task<Result<std::unique_ptr<Listener>>> listen(Address address) override;
    Result<std::unique_ptr<Listener>> share(const Listener& listener) override;
    Task<Result<std::unique_ptr<Socket>>> connect(Address address, Instant deadline) override;

  private:
    SimulatedNetwork& network_;
    Node& node_;
    Executor& executor_;
};

}  // namespace ironbark::simulation
