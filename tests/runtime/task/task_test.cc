#include "runtime/task/task.h"

#include <memory>
#include <string>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

Task<int> value(int number) { co_return number; }

Task<int> value_later(Executor* executor, int number) {
    Yield yield(*executor);
    co_await yield;
    co_return number;
}

Task<int> sum(Executor* executor) {
    int now = co_await value(1);
    int later = co_await value_later(executor, 2);
    co_return now + later;
}

TEST(Task, ReturnsItsValueNowOrLater) {
    TaskWorld world;
    EXPECT_EQ(world.run(sum(&world.executor)), 3);
}

Task<void> start_late(std::string* log) {
    Task<void> task = note(log, 'b');
    log->push_back('a');
    co_await std::move(task);
    log->push_back('c');
}

TEST(Task, StartsWhenItIsAwaited) {
    TaskWorld world;
    std::string log;
    world.run(start_late(&log));
    EXPECT_EQ(log, "abc");
}

TEST(Task, NeverStartsIfItIsDropped) {
    std::string log;
    {
        Task<void> task = note(&log, 'x');
    }
    EXPECT_EQ(log, "");
}

Task<std::unique_ptr<int>> made(int number) { co_return std::make_unique<int>(number); }

Task<int> unwrap() {
    std::unique_ptr<int> number = co_await made(5);
    co_return *number;
}

TEST(Task, MovesItsValueOut) {
    TaskWorld world;
    EXPECT_EQ(world.run(unwrap()), 5);
}

Task<int64_t> add_many(int count) {
    int64_t total = 0;
    for (int index = 0; index < count; ++index) total += co_await value(1);
    co_return total;
}

TEST(Task, AwaitsMillionsThatEndAtOnceOnOneStack) {
    TaskWorld world;
    EXPECT_EQ(world.run(add_many(3'000'000)), 3'000'000);
}

Task<int> deep(Executor* executor, int depth) {
    if (depth > 0) co_return 1 + co_await deep(executor, depth - 1);
    co_return co_await value_later(executor, 0);
}

TEST(Task, EndsAChainOfAwaitersFromItsInnermost) {
    TaskWorld world;
    EXPECT_EQ(world.run(deep(&world.executor, 1000)), 1000);
}

Task<void> await_twice() {
    Task<int> task = value(1);
    static_cast<void>(co_await std::move(task));
    static_cast<void>(co_await std::move(task));
}

TEST(TaskDeathTest, IsAwaitedOnce) {
    TaskWorld world;
    EXPECT_DEATH(world.run(await_twice()), "invariant broken");
}

}  // namespace
}  // namespace ironbark
