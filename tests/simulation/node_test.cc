// Processes: how they start, how they end, and what becomes of coroutines.
#include "tests/simulation/node.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "runtime/task/sync.h"
#include "tests/simulation/disk_test_tasks.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

struct Note {
    Note(std::string* log, char letter) : log_(log), letter_(letter) {}
    Note(const Note&) = delete;
    Note& operator=(const Note&) = delete;
    ~Note() { log_->push_back(letter_); }
    std::string* log_;
    char letter_;
};

// A program with one coroutine that waits for ever.
class Sleeper {
  public:
    Sleeper(World& world, std::string* log) : log_(log), event_(world.executor), scope_(world.executor) {
        scope_.spawn(sleep());
    }
    ~Sleeper() { log_->push_back('p'); }
    Scope& scope() { return scope_; }

    Task<void> stop() {
        event_.set();
        co_await scope_.join();
    }

  private:
    Task<void> sleep() {
        Note note(log_, 'c');
        co_await event_.wait();
    }
    std::string* log_;
    Event event_;
    Scope scope_;
};

auto sleeper(std::string* log) {
    return [log](World& world) { return std::make_unique<Sleeper>(world, log); };
}

TEST(Node, DestroysCoroutinesWhereTheyStandWhenKilled) {
    std::string log;
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    node.start(sleeper(&log));
    simulation.run_for(1s);
    EXPECT_EQ(log, "");
    node.kill();
    EXPECT_EQ(log, "pc");  // the program's destructor body, then its members
    EXPECT_FALSE(node.is_running());
}

TEST(Node, EndsInOrderWhenItsProgramHasStopped) {
    std::string log;
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    Sleeper& program = node.start(sleeper(&log));
    node.run(program.stop());
    EXPECT_EQ(log, "c");
    node.end();
    EXPECT_EQ(log, "cp");
}

TEST(NodeDeathTest, InsistsThatAProgramStopsBeforeItEnds) {
    std::string log;
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    node.start(sleeper(&log));
    simulation.run_for(1s);
    EXPECT_DEATH(node.end(), "invariant broken");
}

TEST(Node, StartsTheSameProgramAgain) {
    std::string log;
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    node.start(sleeper(&log));
    node.kill();
    node.restart();
    EXPECT_TRUE(node.is_running());
    EXPECT_EQ(node.starts(), 2u);
    node.lose_power();
    EXPECT_FALSE(node.has_power());
    node.restart();
    EXPECT_TRUE(node.has_power());
    EXPECT_EQ(log, "pp");  // the coroutines had not begun
}

Task<void> kill_from_inside(Node* node, Executor* executor, std::string* log) {
    Note note(log, 'd');
    node->kill();
    log->push_back('s');  // still in the same step
    co_await sleep_for(*executor, 1ns);
    log->push_back('x');  // never
}

TEST(Node, MayBeKilledFromInside) {
    std::string log;
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    World& world = node.boot();
    EXPECT_FALSE(node.try_run(kill_from_inside(&node, &world.executor, &log)));
    EXPECT_EQ(log, "sd");
    EXPECT_FALSE(node.is_running());
}

Task<void> write_many(World& world, int* written) {
    co_await make_file(world, "data/log");
    while (true) {
        Result<void> result = co_await write_text(world, "data/log", 0, "x", Sync::data);
        ASSERT(result.ok());
        ++*written;
    }
}

TEST(Node, DropsOperationsInFlightWhenKilled) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Simulation simulation(seed);
        Node& node = simulation.node("n1");
        int written = 0;
        node.spawn(write_many(node.boot(), &written));
        simulation.run_for(10ms);
        node.kill();
        int before = written;
        simulation.run_for(10s);
        EXPECT_EQ(written, before);
        EXPECT_GT(written, 0);
        EXPECT_EQ(node.buffers().bytes_in_use(), 0u);
    }
}

Task<void> count_up(World& world, int* count) {
    while (true) {
        co_await sleep_for(world.executor, 1ms);
        ++*count;
    }
}

TEST(Node, StandsStillWhilePausedAndGoesOnAfterwards) {
    Simulation simulation(1);
    Node& paused = simulation.node("n1");
    Node& other = simulation.node("n2");
    int paused_count = 0;
    int other_count = 0;
    paused.spawn(count_up(paused.boot(), &paused_count));
    other.spawn(count_up(other.boot(), &other_count));
    simulation.run_for(10ms);
    paused.pause();
    simulation.run_for(100ms);
    EXPECT_EQ(paused_count, 10);
    EXPECT_EQ(other_count, 110);
    paused.resume();
    simulation.run_for(10ms);
    EXPECT_GE(paused_count, 19);
}

// A program of two shards that counts on both.
struct Pair {
    explicit Pair(const std::vector<World*>& worlds) : worlds_(worlds) {}
    std::vector<World*> worlds_;
};

TEST(Node, GivesAProgramAWorldForEachShard) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    Pair& program = node.start([](const std::vector<World*>& worlds) { return std::make_unique<Pair>(worlds); }, 2);
    ASSERT_EQ(program.worlds_.size(), 2u);
    EXPECT_NE(&program.worlds_[0]->executor, &program.worlds_[1]->executor);
    EXPECT_NE(program.worlds_[0]->random.next(), program.worlds_[1]->random.next());
}

Task<void> post_numbers(World* to, std::vector<int>* arrived) {
    for (int number = 0; number < 100; ++number) {
        to->executor.post_remote([arrived, number] { arrived->push_back(number); });
    }
    co_return;
}

TEST(Node, DeliversMessagesBetweenShardsInOrder) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Simulation simulation(seed);
        Node& node = simulation.node("n1");
        node.boot(2);
        std::vector<int> arrived;
        node.run(post_numbers(&node.world(1), &arrived));
        simulation.run_for(1s);
        ASSERT_EQ(arrived.size(), 100u);
        EXPECT_TRUE(std::is_sorted(arrived.begin(), arrived.end()));
    }
}

TEST(Node, DropsMessagesToAProcessThatDied) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    World& world = node.boot();
    bool ran = false;
    world.executor.post_remote([&ran] { ran = true; });
    node.kill();
    node.restart();
    simulation.run_for(1s);
    EXPECT_FALSE(ran);
}

TEST(Node, DrawsOtherRandomNumbersAtEachStart) {
    Simulation simulation(1);
    Node& node = simulation.node("n1");
    uint64_t first = node.boot().random.next();
    node.kill();
    node.restart();
    EXPECT_NE(node.world().random.next(), first);
}

}  // namespace
}  // namespace ironbark::simulation
