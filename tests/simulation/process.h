#pragma once
// One start of a node: its executors with a World each, and the program. Owned by the node.

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/task/scope.h"
#include "tests/simulation/disk_door.h"
#include "tests/simulation/network_door.h"
#include "tests/simulation/random_stream.h"
#include "tests/simulation/simulated_executor.h"

namespace ironbark::simulation {

class Node;

class Process {
  public:
    // `number` counts the starts of the node: every start draws other random numbers.
    Process(Node& node, uint64_t number, size_t shard_count);
    Process(const Process&) = delete;
    Process& operator=(const Process&) = delete;
    // After a crash: destroys coroutines where they stand. Else everything must have come to its end.
    ~Process();

    World& world(size_t shard) { return shards_.at(shard)->world; }
    std::vector<World*> worlds();
    Scope& scripts(size_t shard) { return *shards_.at(shard)->scripts; }
    void set_program(std::shared_ptr<void> program) { program_ = std::move(program); }
    void* program() { return program_.get(); }
    bool owns_executor(uint64_t id) const;
    void crash();  // nothing of it runs after this

  private:
    struct Shard {
        Shard(Node& node, uint64_t number, size_t index);
        SimulatedExecutor executor;
        RandomStream random;
        DiskDoor disk;
        NetworkDoor network;
        World world;
        std::unique_ptr<Scope> scripts;  // tasks of the test, which refer to the program
    };
    std::vector<std::unique_ptr<Shard>> shards_;
    std::shared_ptr<void> program_;  // shared only because that remembers how to destroy it
};

}  // namespace ironbark::simulation
