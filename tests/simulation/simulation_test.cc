// The loop: virtual time, replay, budgets.
#include "tests/simulation/simulation.h"

#include <gtest/gtest.h>

#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "runtime/task/sync.h"
#include "tests/simulation/disk_test_tasks.h"
#include "tests/simulation/node.h"

namespace ironbark::simulation {
namespace {

Task<void> tick(World& world, int* ticks) {
    while (true) {
        co_await sleep_for(world.executor, 1s);
        ++*ticks;
    }
}

TEST(Simulation, LetsTimePassWithoutWaiting) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    int ticks = 0;
    node.spawn(tick(node.boot(), &ticks));
    Instant start = simulation.now();
    simulation.run_for(3600s);
    EXPECT_EQ(ticks, 3600);
    EXPECT_EQ(simulation.now() - start, 3600s);
}

TEST(Simulation, StopsWhenTheConditionHolds) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    int ticks = 0;
    node.spawn(tick(node.boot(), &ticks));
    EXPECT_TRUE(simulation.run_until([&] { return ticks == 5; }, 3600s));
    EXPECT_EQ(ticks, 5);
    EXPECT_FALSE(simulation.run_until([&] { return ticks == 5000; }, 60s));
    EXPECT_EQ(ticks, 65);
}

TEST(Simulation, EndsTheWaitWhenNothingIsLeftToHappen) {
    Simulation simulation(1);
    simulation.node("n1").boot();
    EXPECT_FALSE(simulation.run_until([] { return false; }, 3600s));
}

TEST(Simulation, RunsScriptsAtTheirTime) {
    Simulation simulation(1);
    std::vector<int> order;
    simulation.after(2s, [&] { order.push_back(2); });
    simulation.after(1s, [&] { order.push_back(1); });
    simulation.run_for(1500ms);
    EXPECT_EQ(order, (std::vector<int>{1}));
    simulation.run_for(1s);
    EXPECT_EQ(order, (std::vector<int>{1, 2}));
}

TEST(Simulation, GivesEachNodeItsWallClock) {
    Simulation simulation(1);
    World& exact = simulation.node("n1").boot();
    World& ahead = simulation.node("n2").boot();
    simulation.node("n2").set_wall_skew_milliseconds(60'000);
    EXPECT_EQ(ahead.executor.wall_milliseconds() - exact.executor.wall_milliseconds(), 60'000);
    int64_t before = exact.executor.wall_milliseconds();
    simulation.run_for(2500ms);
    EXPECT_EQ(exact.executor.wall_milliseconds() - before, 2500);
}

// Something of everything: files, crashes, messages between shards, connections.
Task<void> answer(std::unique_ptr<Listener> listener, World& world) {
    Result<std::unique_ptr<Socket>> socket = co_await listener->accept();
    while (socket.ok()) {
        BufferSlice into(world.buffers.take(4096), 0, 4096);
        Result<size_t> count = co_await (*socket)->receive(into);
        if (!count.ok() || *count == 0) break;
        std::vector<BufferSlice> slices{into.part(0, *count)};
        Result<void> sent = co_await (*socket)->send(std::move(slices));
        if (!sent.ok()) break;
    }
    if (socket.ok()) (*socket)->close();
    listener->close();
}

Task<void> serve(World& world) {
    Address address{"n2", 9400};
    Result<std::unique_ptr<Listener>> listener = co_await world.network.listen(address);
    ASSERT(listener.ok());
    co_await answer(std::move(*listener), world);
}

Task<void> work(World& world, int rounds) {
    static_cast<void>(co_await world.disk.make_directory("data"));
    Result<std::unique_ptr<File>> made = co_await world.disk.open("data/log", OpenMode::open_or_create, false);
    if (made.ok()) co_await (*made)->close();
    static_cast<void>(co_await world.disk.sync_directory("data"));
    Address server{"n2", 9400};
    Result<std::unique_ptr<Socket>> socket = co_await world.network.connect(server, never);
    for (int round = 0; round < rounds; ++round) {
        std::string text(world.random.below(10'000) + 1, static_cast<char>('a' + round % 26));
        Sync sync = world.random.below(2) == 0 ? Sync::data : Sync::no;
        static_cast<void>(co_await write_text(world, "data/log", world.random.below(100'000), text, sync));
        static_cast<void>(co_await read_text(world, "data/log", world.random.below(100'000), 10'000));
        if (!socket.ok()) continue;
        std::vector<BufferSlice> slices{world.buffers.copy_of(as_bytes(text))};
        Result<void> sent = co_await (*socket)->send(std::move(slices));
        if (!sent.ok()) break;
        BufferSlice into(world.buffers.take(4096), 0, 4096);
        Result<size_t> received = co_await (*socket)->receive(into);
        if (!received.ok()) break;
    }
    if (socket.ok()) (*socket)->close();
}

uint64_t hash_of_run(uint64_t seed, Options options) {
    Simulation simulation(seed, std::move(options));
    Node& client = simulation.node("n1");
    Node& server = simulation.node("n2");
    server.spawn(serve(server.boot()));
    client.boot(2);
    for (int start = 0; start < 3; ++start) {
        client.spawn(work(client.world(1), 20), 1);
        simulation.run_for(20ms);
        start % 2 == 0 ? client.kill() : client.lose_power();
        client.restart();
    }
    client.spawn(work(client.world(), 20));
    simulation.run_for(10s);
    return simulation.trace_hash();
}

// So often that a short run meets most of them.
Options frequent_faults(uint64_t seed) {
    Options options = Options::swarm(seed);
    options.disk.write_error = one_in(30);
    options.disk.sync_error = one_in(30);
    options.disk.read_error = one_in(30);
    options.disk.rot = one_in(30);
    options.disk.full = one_in(30);
    options.disk.short_write = one_in(10);
    options.disk.torn_sectors = seed % 2 == 0;
    options.network.reset = one_in(30);
    options.network.delay = one_in(30);
    return options;
}

TEST(Simulation, ReplaysASeedExactly) {
    for (uint64_t seed = 0; seed < 50; ++seed) {
        Options options = seed % 2 == 0 ? Options::swarm(seed) : frequent_faults(seed);
        uint64_t hash = hash_of_run(seed, options);
        EXPECT_EQ(hash_of_run(seed, options), hash) << "seed " << seed << " " << options.to_string();
    }
}

TEST(Simulation, GoesAnotherWayForEachSeed) {
    std::set<uint64_t> hashes;
    for (uint64_t seed = 0; seed < 50; ++seed) hashes.insert(hash_of_run(seed, Options()));
    EXPECT_EQ(hashes.size(), 50u);
}

// The same under every compiler, optimisation and sanitizer: this number holds for all builds. It changes whenever the
// simulated world does something else; then set it to what all builds agree on.
TEST(Simulation, HasTheSameHashInEveryBuild) {
    uint64_t folded = 0;
    for (uint64_t seed = 0; seed < 20; ++seed) folded = folded * 31 + hash_of_run(seed, frequent_faults(seed));
    EXPECT_EQ(folded, 17178915668113545399u);
}

Task<void> spin(World& world) {
    while (true) {
        Yield yield(world.executor);
        co_await yield;
    }
}

TEST(SimulationDeathTest, RefusesALoopThatWaitsForNothing) {
    Options options;
    options.events_without_progress_max = 1000;
    Simulation simulation(7, options);
    Node& node = simulation.node("n1");
    node.spawn(spin(node.boot()));
    EXPECT_DEATH(simulation.run_for(1s), "time stands still(.|\n)*seed 7");
}

Task<void> break_an_invariant() {
    ASSERT(1 + 1 == 3);
    co_return;
}

TEST(SimulationDeathTest, NamesTheSeedWhenAProgramBreaksAnInvariant) {
    Simulation simulation(4711);
    Node& node = simulation.node("n1");
    node.boot();
    EXPECT_DEATH(node.run(break_an_invariant()), "invariant broken: 1 \\+ 1 == 3(.|\n)*seed 4711");
}

TEST(SimulationDeathTest, RefusesARunWithoutEnd) {
    Options options;
    options.events_max = 100;
    Simulation simulation(7, options);
    Node& node = simulation.node("n1");
    int ticks = 0;
    node.spawn(tick(node.boot(), &ticks));
    EXPECT_DEATH(simulation.run_for(3600s), "more events than Options::events_max");
}

TEST(SimulationDeathTest, RefusesATaskThatDoesNotEnd) {
    Simulation simulation(7);
    Node& node = simulation.node("n1");
    int ticks = 0;
    World& world = node.boot();
    EXPECT_DEATH(node.run(tick(world, &ticks), 10s), "a task on node n1 did not end");
}

TEST(Options, LeaveAQuarterOfTheSwarmHealthy) {
    std::string healthy = Options().to_string();
    int count = 0;
    for (uint64_t seed = 0; seed < 400; ++seed) count += Options::swarm(seed).to_string() == healthy ? 1 : 0;
    EXPECT_NEAR(count, 100, 30);
}

TEST(Options, TurnEachFaultClassOnAndOff) {
    std::set<std::string> words;
    for (uint64_t seed = 0; seed < 100; ++seed) {
        std::istringstream text(Options::swarm(seed).to_string());
        for (std::string word; text >> word;) words.insert(word);
    }
    EXPECT_EQ(words, (std::set<std::string>{"faults:", "disk-stall", "short-read", "short-write", "write-error",
                                            "sync-error", "read-error", "rot", "full-disk", "torn-pages", "split",
                                            "reset", "blackhole", "delay"}));
}

}  // namespace
}  // namespace ironbark::simulation
