#include "broker/listening.h"

#include <fmt/format.h>

#include "runtime/task/wait.h"

namespace ironbark::broker {
namespace {

constexpr Duration address_patience = 2s;
constexpr Duration address_pause = 20ms;

}  // namespace

Task<Result<std::unique_ptr<Listener>>> listen_patiently(World* world, Address address) {
    const Instant until = world->executor.now() + address_patience;
    while (true) {
        Result<std::unique_ptr<Listener>> listener = co_await world->network.listen(address);
        bool may_become_free = !listener.ok() && listener.error().code == ErrorCode::address_in_use;
        if (!may_become_free || world->executor.now() >= until) co_return listener;
        co_await sleep_for(world->executor, address_pause);
    }
}

std::string explain_listen(const char* what, const Address& address, const Error& error, const char* flag) {
    if (error.code == ErrorCode::address_in_use) {
        return fmt::format("{} {} is in use by another program. Choose another with {}.", what, address.to_string(),
                           flag);
    }
    return fmt::format("cannot listen on {} {}: {}. Choose another with {}.", what, address.to_string(),
                       ironbark::name(error.code), flag);
}

}  // namespace ironbark::broker
