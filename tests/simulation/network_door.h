#pragma once
// The Network that a program of the simulated world sees, bound to one executor.

#include <memory>

#include "runtime/io/world.h"

namespace ironbark::simulation {

// A machine without a cable: nobody listens anywhere.
class NetworkDoor final : public Network {
  public:
    Task<Result<std::unique_ptr<Listener>>> listen(Address) override {
        co_return Error(ErrorCode::unsupported, "this machine has no network");
    }
    Result<std::unique_ptr<Listener>> share(const Listener&) override {
        return Error(ErrorCode::unsupported, "this machine has no network");
    }
    Task<Result<std::unique_ptr<Socket>>> connect(Address, Instant) override {
        co_return Error(ErrorCode::connection_refused, "this machine has no network");
    }
};

}  // namespace ironbark::simulation
