#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

using simulation::Node;
using simulation::Simulation;

struct Shard {
    explicit Shard(World& borrowed) : world(borrowed), scope(borrowed.executor) {}
    World& world;
    Scope scope;
};

// A program with a scope on each of its shards.
struct TwoShards {
    explicit TwoShards(const std::vector<World*>& worlds) : here(*worlds[0]), there(*worlds[1]) {}
    Shard here;
    Shard there;
};

TwoShards& start(Node& node) {
    return node.start([](const std::vector<World*>& worlds) { return std::make_unique<TwoShards>(worlds); }, 2);
}

Task<Executor*> which(World* world) {
    co_await sleep_for(world->executor, 1ms);
    co_return &world->executor;
}

Task<bool> ask(TwoShards* shards, Shard* target) {
    auto make = [target] { return which(&target->world); };
    Executor* executor = co_await run_on<Executor*>(shards->here.world.executor, target->world.executor, target->scope,
                                                    std::move(make));
    co_return executor == &target->world.executor;
}

TEST(RunOn, RunsThereAndReturnsHere) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Simulation simulation(seed);
        Node& node = simulation.node("n1");
        TwoShards& shards = start(node);
        EXPECT_TRUE(node.run(ask(&shards, &shards.there)));
        EXPECT_TRUE(node.run(ask(&shards, &shards.here)));  // no message: it is here already
    }
}

// An executor that notes when somebody sent it a message, and runs it when told to.
struct MailboxExecutor final : Executor {
    Instant now() const override { return Instant(); }
    int64_t wall_milliseconds() const override { return 0; }
    void post_remote(std::function<void()> job) override { mailbox.push_back(std::move(job)); }
    void run() {
        for (const std::function<void()>& job : std::exchange(mailbox, {})) job();
        while (has_ready()) run_ready(1);
    }
    std::vector<std::function<void()>> mailbox;
};

// A parameter of the remote task. Notes whether it outlived the answer.
struct Parameter {
    Parameter(const MailboxExecutor* asker, bool* note) : home(asker), outlived_answer(note) {}
    Parameter(Parameter&& other) noexcept
        : home(std::exchange(other.home, nullptr)), outlived_answer(other.outlived_answer) {}
    ~Parameter() {
        if (home != nullptr && !home->mailbox.empty()) *outlived_answer = true;
    }
    const MailboxExecutor* home;
    bool* outlived_answer;
};

Task<int> use(Parameter) { co_return 1; }

Task<void> ask_with_parameter(MailboxExecutor* here, MailboxExecutor* there, Scope* scope, bool* outlived_answer) {
    auto make = [here, outlived_answer] { return use(Parameter(here, outlived_answer)); };
    int result = co_await run_on<int>(*here, *there, *scope, std::move(make));
    EXPECT_EQ(result, 1);
}

TEST(RunOn, DestroysTheRemoteTaskBeforeItAnswers) {
    MailboxExecutor here;
    MailboxExecutor there;
    Scope here_scope(here);
    Scope there_scope(there);
    bool outlived_answer = false;
    here_scope.spawn(ask_with_parameter(&here, &there, &there_scope, &outlived_answer));
    here.run();
    there.run();
    EXPECT_EQ(here.mailbox.size(), 1u);
    EXPECT_FALSE(outlived_answer);
    here.run();
    EXPECT_EQ(here_scope.count(), 0u);
}

Task<void> expect_there(TwoShards* shards) {
    bool was_there = co_await ask(shards, &shards->there);
    EXPECT_TRUE(was_there);
}

TEST(RunOn, VanishesWithItsProcess) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Simulation simulation(seed);
        Node& node = simulation.node("n1");
        TwoShards& shards = start(node);
        for (int call = 0; call < 10; ++call) node.spawn(expect_there(&shards));
        simulation.run_for(Duration(seed * 100'000));
        node.kill();
        simulation.run_for(1s);
    }
}

}  // namespace
}  // namespace ironbark
