#pragma once
// Looks for a smaller set of faults with which a seed of a cluster still fails in the same way.

#include "tests/simulation/cluster/plan.h"

namespace ironbark::simulation {

// Runs the seed again and again, each time in a process of its own, and leaves out one class of faults after the other,
// then single mishaps, then time. Prints what it finds; the last line is the command for the smallest failure. Returns
// false if the seed does not fail.
bool minimise(const Plan& plan);

}  // namespace ironbark::simulation
