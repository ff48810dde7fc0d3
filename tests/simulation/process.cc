#include "tests/simulation/process.h"

#include <string>

#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

Process::Shard::Shard(Node& node, uint64_t number, size_t index)
    : executor(node.simulation(), node),
      random(node.simulation().seed(), node.name() + "/" + std::to_string(number) + "/" + std::to_string(index)),
      disk(node.disk(), executor),
      network(node.simulation().network(), node, executor),
      world{executor, disk, network, random, node.buffers()},
      scripts(std::make_unique<Scope>(executor)) {}

Process::Process(Node& node, uint64_t number, size_t shard_count) {
    for (size_t index = 0; index < shard_count; ++index) {
        shards_.push_back(std::make_unique<Shard>(node, number, index));
    }
}

Process::~Process() {
    // Tasks of the test hold on to the program, and both to the executors.
    for (std::unique_ptr<Shard>& shard : shards_) shard->scripts.reset();
    program_.reset();
}

std::vector<World*> Process::worlds() {
    std::vector<World*> worlds;
    for (std::unique_ptr<Shard>& shard : shards_) worlds.push_back(&shard->world);
    return worlds;
}

bool Process::owns_executor(uint64_t id) const {
    for (const std::unique_ptr<Shard>& shard : shards_) {
        if (shard->executor.id() == id) return true;
    }
    return false;
}

void Process::crash() {
    for (std::unique_ptr<Shard>& shard : shards_) shard->executor.end();
}

}  // namespace ironbark::simulation
