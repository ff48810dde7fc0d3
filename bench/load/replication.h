#pragma once
// `ironbark-bench replication`: what three brokers on one machine, which keep every record three times, must reach
// beside the limits of the machine and beside one broker alone, as `ironbark-bench node` does it. Every record written
// is read back and compared. Blocks; starts daemons, which end with it.

#include "bench/load/node.h"

namespace ironbark::bench {

// Names of the groups of points that can be chosen.
std::vector<std::string> replication_points();

void run_replication(const NodeSettings& settings);

}  // namespace ironbark::bench
