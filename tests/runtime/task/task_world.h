#pragma once
// One executor on which tasks run in the order in which they became ready.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "runtime/task/scope.h"
#include "runtime/task/sync.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark {

inline Task<void> note(std::string* log, char letter) {
    log->push_back(letter);
    co_return;
}

struct TaskWorld {
    TaskWorld() : simulation(1, in_order()), node(simulation.node("n1")), executor(node.boot().executor) {}
    static simulation::Options in_order() {
        simulation::Options options;
        options.tie = simulation::Tie::first_in_first_out;
        options.shuffle = false;
        return options;
    }
    // Lets everything run that can, for some virtual time.
    void run_for(Duration duration) { simulation.run_for(duration); }
    void spawn(Task<void> task) { node.spawn(std::move(task)); }
    template <typename T>
    T run(Task<T> task) {
        return node.run(std::move(task));
    }

    simulation::Simulation simulation;
    simulation::Node& node;
    Executor& executor;
};

}  // namespace ironbark
