#pragma once
// One simulated machine for all runs of a target, so that decoders of files get files.

#include <string>
#include <utility>

#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark {

class Machine {
  public:
    Machine() : simulation_(1, options()), node_(simulation_.node("fuzz")), world_(node_.boot()) {
        ASSERT(run(world_.disk.make_directory("data")).ok());
    }
    World& world() { return world_; }
    simulation::SimulatedDisk& disk() { return node_.disk(); }
    template <typename T>
    T run(Task<T> task) {
        return node_.run(std::move(task));
    }

  private:
    static simulation::Options options() {
        simulation::Options options;
        options.events_max = UINT64_MAX;
        return options;
    }
    simulation::Simulation simulation_;
    simulation::Node& node_;
    World& world_;
};

inline Machine& machine() {
    static Machine one;
    return one;
}

}  // namespace ironbark
