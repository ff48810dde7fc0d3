#pragma once
// `ironbark log accept-loss`: the way out for a log that the daemon refuses to open because promised records are
// damaged or missing, and nobody has a copy. Works on the data directory of a stopped daemon, and takes its lock.

#include <string>

#include "ironbark/expected.h"
#include "log/log.h"
#include "tools/session.h"

namespace ironbark::tools {

struct LossFound {
    std::string problem;                 // why the log is refused; empty: it is not
    std::optional<log::LostRange> lost;  // what it costs to open it; empty: losing records does not help
    bool is_accepted = false;
    std::string remaining;  // why it is refused all the same: another damage behind the one that was accepted
};

// Looks at the log of this partition's directory (DATA/partitions/TOPIC-UUID-PARTITION), as a start of the daemon
// would; with `is_accepted` gives up what is in the way, durably. Failure: it could not be looked at, and nothing was
// given up.
Task<Expected<LossFound>> accept_loss(World* world, std::string directory, bool is_accepted);

// The command; returns the exit code.
int accept_loss(Session& session, const std::string& directory);

}  // namespace ironbark::tools
