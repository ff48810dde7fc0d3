#pragma once
// Ends daemons of a local cluster.

#include <chrono>
#include <cstdint>
#include <vector>

#include "tools/local_cluster/node_process.h"

namespace ironbark::tools::local_cluster {

enum class Ended : uint8_t { stopped, killed, still_running };
const char* name(Ended ended);

// SIGTERM to all, then waits; SIGKILL to those that have not ended within `patience`. How each ended, in their order;
// pid files of those that did are removed.
std::vector<Ended> stop_all(std::vector<NodeProcess>& processes, std::chrono::milliseconds patience);

}  // namespace ironbark::tools::local_cluster
