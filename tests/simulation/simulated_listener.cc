#include "tests/simulation/simulated_listener.h"

#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/simulated_socket.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

SimulatedListener::~SimulatedListener() {
    if (!is_open_ || executor_.has_crashed()) return;
    node_.simulation().fail("a listener of node " + node_.name() + " was destroyed before it was closed");
}

Result<void> SimulatedListener::listen(Address address, bool is_local_only) {
    TRY(address.port, network_.listen(node_, address.port, is_local_only, this));
    address_ = std::move(address);
    is_open_ = true;
    return {};
}

void SimulatedListener::share(Address address) {
    address_ = std::move(address);
    network_.share(node_, address_.port, this);
    is_open_ = true;
}

Task<Result<std::unique_ptr<Socket>>> SimulatedListener::accept() {
    while (is_open_) {
        uint64_t connection = executor_.has_crashed() ? 0 : network_.accept(node_, address_.port);
        if (connection != 0) {
            co_return std::unique_ptr<Socket>(
                std::make_unique<SimulatedSocket>(network_, connection, Connection::server, executor_));
        }
        co_await acceptable_.wait();
    }
    co_return Error(ErrorCode::cancelled, "the listener was closed");
}

void SimulatedListener::close() {
    if (!is_open_) return;
    is_open_ = false;
    if (!executor_.has_crashed()) network_.stop_listening(node_, address_.port, this);
    acceptable_.close();
}

}  // namespace ironbark::simulation
