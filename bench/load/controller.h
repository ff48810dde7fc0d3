#pragma once
// `ironbark-bench controller`: what the controllers of three daemons on one machine must reach, beside the limits of
// the machine, as `ironbark-bench node` does it. Blocks; starts daemons, which end with it.

#include "bench/load/node.h"

namespace ironbark::bench {

// Names of the groups of points that can be chosen.
std::vector<std::string> controller_points();

void run_controller(const NodeSettings& settings);

}  // namespace ironbark::bench
