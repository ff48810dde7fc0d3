#pragma once
// A node with an empty, durable file data/log, and verbs.

#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "tests/simulation/disk_test_tasks.h"

namespace ironbark::simulation {

// Over how many seeds a property is tried that depends on chance.
constexpr uint64_t seeds = 100;

struct DiskWorld {
    explicit DiskWorld(uint64_t seed, Options options = {})
        : simulation(seed, std::move(options)), node(simulation.node("n1")) {
        node.run(make_file(node.boot(), "data/log"));
    }
    Result<void> write(uint64_t position, std::string text, Sync sync = Sync::no) {
        return node.run(write_text(node.world(), "data/log", position, std::move(text), sync));
    }
    Result<void> sync() { return node.run(sync_file(node.world(), "data/log")); }
    Result<std::string> read(uint64_t position, size_t size) {
        return node.run(read_text(node.world(), "data/log", position, size));
    }
    std::string text(View view = View::visible) { return text_of(node, "data/log", view); }
    SimulatedDisk& disk() { return node.disk(); }

    Simulation simulation;
    Node& node;
};

inline std::string pages(char letter, size_t count = 1) { return std::string(count * page_size, letter); }

}  // namespace ironbark::simulation
