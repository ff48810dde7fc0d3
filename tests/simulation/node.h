#pragma once
// A simulated machine: a disk that lasts, and at most one process. A process has an executor per shard and one object,
// made by the test, that owns everything the program consists of. It ends in one of three ways:
//
//   end()         orderly: the object is destroyed after the test has stopped it; nothing may be in flight
//   kill()        the process dies at once: coroutines are destroyed where they stand, completed writes survive, of
//                 the pages of a write in flight some
//   lose_power()  the machine goes down: only what a completed sync covers survives for certain
//
// A test without a program of its own uses `boot`, which gives the World, and `run`.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/io/world.h"
#include "tests/simulation/process.h"
#include "tests/simulation/simulated_disk.h"

namespace ironbark::simulation {

class Simulation;

class Node {
  public:
    Node(Simulation& simulation, std::string name, uint64_t id);
    Node(const Node&) = delete;
    Node& operator=(const Node&) = delete;
    ~Node();

    const std::string& name() const { return name_; }
    uint64_t id() const { return id_; }
    Simulation& simulation() { return simulation_; }
    SimulatedDisk& disk() { return disk_; }
    BufferPool& buffers() { return buffers_; }

    // Starts a process: `make(World&)`, or with several shards `make(const std::vector<World*>&)`, returns a unique_ptr
    // to the program. The program lives until the process ends. REQUIRES: not running
    template <typename Make>
    auto& start(Make make, size_t shard_count = 1);
    // The same again, as it was last started or booted.
    void restart();
    // A process without a program.
    World& boot(size_t shard_count = 1);

    bool is_running() const { return process_ != nullptr && !is_dying_; }
    uint64_t starts() const { return starts_; }
    World& world(size_t shard = 0);  // REQUIRES: is_running()

    // May be called from inside the process, too: then what is left of it is cleared away after the current step.
    void kill() { crash(Crash::kill); }
    void lose_power() { crash(Crash::power_loss); }
    void crash(Crash how);
    void end();
    // Whether the machine itself is up (its kernel answers, though no process may run).
    bool has_power() const { return has_power_; }

    // Stopped as by SIGSTOP: the process does not run, its operations go on.
    void pause() { is_paused_ = true; }
    void resume() { is_paused_ = false; }
    bool is_paused() const { return is_paused_; }

    int64_t wall_skew_milliseconds() const { return wall_skew_milliseconds_; }
    void set_wall_skew_milliseconds(int64_t skew) { wall_skew_milliseconds_ = skew; }

    // Lets a task run beside the program.
    void spawn(Task<void> task, size_t shard = 0);
    // Runs a task to its end and returns its result; empty if the process died first. Fails the test at the limit.
    template <typename T>
    std::optional<T> try_run(Task<T> task, Duration limit = default_limit, size_t shard = 0);
    bool try_run(Task<void> task, Duration limit = default_limit, size_t shard = 0);
    // The same for a process that must not die.
    template <typename T>
    T run(Task<T> task, Duration limit = default_limit, size_t shard = 0);

    // For the simulation's loop: destroys what is left of a process that died while it was running.
    void bury();

  private:
    static constexpr Duration default_limit = std::chrono::minutes(10);  // of virtual time
    using Build = std::function<std::shared_ptr<void>(Process&)>;

    void begin(size_t shard_count, Build build);
    void run_to_end(const std::function<bool()>& has_ended, Duration limit);
    [[noreturn]] void fail_died() const;

    Simulation& simulation_;
    std::string name_;
    uint64_t id_;
    BufferPool buffers_;
    SimulatedDisk disk_;
    std::unique_ptr<Process> process_;
    Build build_;
    size_t shard_count_ = 1;
    uint64_t starts_ = 0;
    bool is_dying_ = false;
    bool has_power_ = true;
    bool is_paused_ = false;
    int64_t wall_skew_milliseconds_ = 0;
};

template <typename Make>
auto& Node::start(Make make, size_t shard_count) {
    constexpr bool is_single = std::is_invocable_v<Make, World&>;
    auto construct = [make](Process& process) {
        if constexpr (is_single) {
            return make(process.world(0));
        } else {
            return make(process.worlds());
        }
    };
    using Program = typename std::invoke_result_t<decltype(construct), Process&>::element_type;
    begin(shard_count, [construct](Process& process) { return std::shared_ptr<Program>(construct(process)); });
    return *static_cast<Program*>(process_->program());
}

namespace node_detail {

template <typename T>
Task<void> store(Task<T> task, std::shared_ptr<std::optional<T>> result) {
    result->emplace(co_await std::move(task));
}

}  // namespace node_detail

template <typename T>
std::optional<T> Node::try_run(Task<T> task, Duration limit, size_t shard) {
    auto result = std::make_shared<std::optional<T>>();
    spawn(node_detail::store(std::move(task), result), shard);
    run_to_end([result] { return result->has_value(); }, limit);
    return std::move(*result);
}

template <typename T>
T Node::run(Task<T> task, Duration limit, size_t shard) {
    if constexpr (std::is_void_v<T>) {
        if (!try_run(std::move(task), limit, shard)) fail_died();
    } else {
        std::optional<T> result = try_run(std::move(task), limit, shard);
        if (!result) fail_died();
        return std::move(*result);
    }
}

}  // namespace ironbark::simulation
