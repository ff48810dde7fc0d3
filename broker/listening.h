#pragma once
// Listening at a start: how long one waits for an address, and what to say when one cannot have it.

#include <memory>
#include <string>

#include "runtime/io/world.h"

namespace ironbark::broker {

// The system gives the addresses of a killed process back a moment after it has ended: suspends until then, at most two
// seconds.
Task<Result<std::unique_ptr<Listener>>> listen_patiently(World* world, Address address);

// For people: `what` could not be had at the address, and the flag that chooses another.
std::string explain_listen(const char* what, const Address& address, const Error& error, const char* flag);

}  // namespace ironbark::broker
