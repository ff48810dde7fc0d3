#include "tests/simulation/network_door.h"

#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/simulated_listener.h"
#include "tests/simulation/simulated_socket.h"

namespace ironbark::simulation {

Task<Result<std::unique_ptr<Listener>>> NetworkDoor::listen(Address address) {
    bool is_wildcard = address.host == "0.0.0.0" || address.host == "::";
    if (!is_wildcard && network_.resolve(node_, address.host) != &node_) {
        co_return Error(ErrorCode::invalid_request, "this machine does not have the address to listen at");
    }
    bool is_local_only = !is_wildcard && address.host != node_.name();
    if (is_wildcard) address.host = node_.name();
    auto listener = std::make_unique<SimulatedListener>(network_, node_, executor_);
    CO_TRY_VOID(listener->listen(std::move(address), is_local_only));
    co_return std::unique_ptr<Listener>(std::move(listener));
}

Result<std::unique_ptr<Listener>> NetworkDoor::share(const Listener& listener) {
    auto shared = std::make_unique<SimulatedListener>(network_, node_, executor_);
    shared->share(listener.local_address());
    return std::unique_ptr<Listener>(std::move(shared));
}

Task<Result<std::unique_ptr<Socket>>> NetworkDoor::connect(Address address, Instant deadline) {
    Node* target = network_.resolve(node_, address.host);
    if (target == nullptr) co_return Error(ErrorCode::not_found, "no machine has this name");
    Completion<Result<uint64_t>> done(executor_);
    SimulatedNetwork::Attempt attempt{&node_, target, address.port, &done};
    if (!executor_.has_crashed()) network_.connect(attempt, deadline);
    CO_TRY(uint64_t connection, co_await done);
    co_return std::unique_ptr<Socket>(
        std::make_unique<SimulatedSocket>(network_, connection, Connection::client, executor_));
}

}  // namespace ironbark::simulation
