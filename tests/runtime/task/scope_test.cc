#include "runtime/task/scope.h"

#include <optional>
#include <string>
#include <vector>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

Task<void> note_after(Executor* executor, Duration delay, std::string* log, char letter) {
    co_await sleep_for(*executor, delay);
    log->push_back(letter);
}

Task<void> run_three(Executor* executor, std::string* log) {
    Scope scope(*executor);
    scope.spawn(note_after(executor, 3ms, log, 'c'));
    scope.spawn(note_after(executor, 1ms, log, 'a'));
    scope.spawn(note_after(executor, 2ms, log, 'b'));
    EXPECT_EQ(scope.count(), 3u);
    log->push_back('.');
    co_await scope.join();
    EXPECT_EQ(scope.count(), 0u);
    log->push_back('!');
}

TEST(Scope, RunsTasksBesideEachOtherAndJoinsThem) {
    TaskWorld world;
    std::string log;
    world.run(run_three(&world.executor, &log));
    EXPECT_EQ(log, ".abc!");
}

TEST(Scope, StartsTasksInTheOrderOfTheCalls) {
    TaskWorld world;
    std::string log;
    Scope scope(world.executor);
    for (char letter : std::string("abcd")) scope.spawn(note(&log, letter));
    EXPECT_EQ(log, "");
    world.run(scope.join());
    EXPECT_EQ(log, "abcd");
}

Task<void> spawn_another(Scope* scope, Executor* executor, int left, std::string* log) {
    co_await sleep_for(*executor, 1ms);
    log->push_back('x');
    if (left > 0) scope->spawn(spawn_another(scope, executor, left - 1, log));
}

TEST(Scope, JoinsWhatWasSpawnedMeanwhile) {
    TaskWorld world;
    std::string log;
    Scope scope(world.executor);
    scope.spawn(spawn_another(&scope, &world.executor, 4, &log));
    world.run(scope.join());
    EXPECT_EQ(log, "xxxxx");
}

TEST(Scope, JoinsAtOnceWhenItIsEmpty) {
    TaskWorld world;
    Scope scope(world.executor);
    Instant start = world.executor.now();
    world.run(scope.join());
    EXPECT_EQ(world.executor.now(), start);
}

TEST(ScopeDeathTest, IsJoinedBeforeItIsDestroyed) {
    TaskWorld world;
    std::string log;
    std::optional<Scope> scope;
    scope.emplace(world.executor);
    scope->spawn(note(&log, 'x'));
    EXPECT_DEATH(scope.reset(), "invariant broken");
    world.run(scope->join());
}

Task<int> number_after(Executor* executor, Duration delay, int number) {
    co_await sleep_for(*executor, delay);
    co_return number;
}

TEST(All, ReturnsResultsInTheOrderOfTheTasks) {
    TaskWorld world;
    std::vector<Task<int>> tasks;
    tasks.push_back(number_after(&world.executor, 3ms, 1));
    tasks.push_back(number_after(&world.executor, 1ms, 2));
    tasks.push_back(number_after(&world.executor, 2ms, 3));
    Instant start = world.executor.now();
    EXPECT_EQ(world.run(all(world.executor, std::move(tasks))), (std::vector<int>{1, 2, 3}));
    EXPECT_EQ(world.executor.now() - start, 3ms);
}

TEST(All, ReturnsNothingForNothing) {
    TaskWorld world;
    EXPECT_TRUE(world.run(all(world.executor, std::vector<Task<int>>())).empty());
}

}  // namespace
}  // namespace ironbark
