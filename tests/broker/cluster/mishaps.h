#pragma once
// What the lives of whole clusters have in common (chaos.h, record_chaos.h): which seeds, how long, and in what world.

#include <cstddef>
#include <cstdint>
#include <cstdlib>

#include "tests/broker/cluster/cluster_world.h"

namespace ironbark::broker {

constexpr size_t chaos_rounds = 40;
constexpr Duration ready_limit = 300s;  // after everything is well: TCP and disks have their own patience

// What the network does, and what disks do that loses nothing. Broken disks are the business of tests/broker/voter.
inline simulation::Options mishaps_of(uint64_t seed) {
    simulation::Options drawn = simulation::Options::swarm(seed);
    simulation::Options options;
    options.tie = drawn.tie;
    options.shuffle = drawn.shuffle;
    options.network = drawn.network;
    options.disk.stall = drawn.disk.stall;
    options.disk.short_read = drawn.disk.short_read;
    options.disk.short_write = drawn.disk.short_write;
    options.disk.torn_pages = drawn.disk.torn_pages;
    return options;
}

// From the environment.
inline uint64_t number_of(const char* variable, uint64_t otherwise) {
    const char* text = std::getenv(variable);
    return text == nullptr ? otherwise : std::strtoull(text, nullptr, 10);
}

}  // namespace ironbark::broker
