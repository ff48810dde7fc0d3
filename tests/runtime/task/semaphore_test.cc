#include <string>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

struct Gauge {
    std::string log;
    int64_t used_max = 0;
};

Task<void> use(Executor* executor, Semaphore* semaphore, int64_t count, Duration duration, Gauge* gauge, char letter) {
    std::optional<Units> units = co_await semaphore->take(count);
    if (!units) co_return;
    gauge->log.push_back(letter);
    gauge->used_max = std::max(gauge->used_max, semaphore->used());
    co_await sleep_for(*executor, duration);
}

TEST(Semaphore, NeverGivesOutMoreThanItHas) {
    TaskWorld world;
    Semaphore semaphore(world.executor, 10);
    Gauge gauge;
    for (int64_t index = 0; index < 100; ++index) {
        world.spawn(use(&world.executor, &semaphore, 1 + index % 7, Duration(1000 * (index % 5)), &gauge, 'x'));
    }
    world.run_for(1s);
    EXPECT_EQ(gauge.log.size(), 100u);
    EXPECT_LE(gauge.used_max, 10);
    EXPECT_EQ(semaphore.used(), 0);
}

TEST(Semaphore, DoesNotLetSmallRequestsPassALargeOne) {
    TaskWorld world;
    Semaphore semaphore(world.executor, 10);
    Gauge gauge;
    world.spawn(use(&world.executor, &semaphore, 6, 2ms, &gauge, 'a'));
    world.spawn(use(&world.executor, &semaphore, 8, 1ms, &gauge, 'b'));  // waits for a
    world.spawn(use(&world.executor, &semaphore, 1, 1ms, &gauge, 'c'));  // would fit, but b came first
    world.run_for(1ms);
    EXPECT_EQ(gauge.log, "a");
    EXPECT_FALSE(semaphore.try_take(1).has_value());
    world.run_for(1s);
    EXPECT_EQ(gauge.log, "abc");
}

TEST(Semaphore, GrantsARequestAboveItsCapacityWhenAllIsFree) {
    TaskWorld world;
    Semaphore semaphore(world.executor, 10);
    Gauge gauge;
    world.spawn(use(&world.executor, &semaphore, 1, 1ms, &gauge, 'a'));
    world.spawn(use(&world.executor, &semaphore, 1000, 1ms, &gauge, 'b'));
    world.run_for(1s);
    EXPECT_EQ(gauge.log, "ab");
    EXPECT_EQ(semaphore.used(), 0);
}

Task<void> take_until(Semaphore* semaphore, int64_t count, Instant deadline, bool* got) {
    std::optional<Units> units = co_await semaphore->take(count, deadline);
    *got = units.has_value();
}

TEST(Semaphore, LetsTheNextOneInWhenTheFirstGivesUp) {
    TaskWorld world;
    Semaphore semaphore(world.executor, 10);
    Gauge gauge;
    bool got = true;
    world.spawn(use(&world.executor, &semaphore, 5, 1s, &gauge, 'a'));
    world.spawn(take_until(&semaphore, 10, world.executor.now() + 1ms, &got));
    world.spawn(use(&world.executor, &semaphore, 5, 1ms, &gauge, 'b'));
    world.run_for(10ms);
    EXPECT_FALSE(got);
    EXPECT_EQ(gauge.log, "ab");
    world.run_for(1s);
}

TEST(Semaphore, TellsThatItWasClosed) {
    TaskWorld world;
    Semaphore semaphore(world.executor, 1);
    bool waited = true;
    bool late = true;
    std::optional<Units> all = semaphore.try_take(1);
    world.spawn(take_until(&semaphore, 1, never, &waited));
    world.run_for(1ms);
    semaphore.close();
    world.run(take_until(&semaphore, 1, never, &late));
    EXPECT_FALSE(waited);
    EXPECT_FALSE(late);
    EXPECT_FALSE(semaphore.try_take(1).has_value());
}

TEST(Units, AreGivenBackOnce) {
    TaskWorld world;
    Semaphore semaphore(world.executor, 10);
    std::optional<Units> units = semaphore.try_take(4);
    Units moved = std::move(*units);
    EXPECT_EQ(moved.count(), 4);
    units.reset();
    EXPECT_EQ(semaphore.used(), 4);
    moved.give_back();
    moved.give_back();
    EXPECT_EQ(semaphore.used(), 0);
}

Task<void> hold(Executor* executor, Mutex* mutex, std::string* log, char letter) {
    std::optional<Units> held = co_await mutex->lock();
    log->push_back(letter);
    co_await sleep_for(*executor, 1ms);
    log->push_back(letter);
}

TEST(Mutex, LetsOneInAtATimeInOrder) {
    TaskWorld world;
    Mutex mutex(world.executor);
    std::string log;
    for (char letter : std::string("abc")) world.spawn(hold(&world.executor, &mutex, &log, letter));
    world.run_for(1s);
    EXPECT_EQ(log, "aabbcc");
    EXPECT_FALSE(mutex.is_locked());
}

Task<void> stay(Executor* executor, Gate* gate, Duration duration) {
    Gate::Holder inside = gate->enter();
    co_await sleep_for(*executor, duration);
}

TEST(Gate, OpensItsEndWhenNobodyIsInside) {
    TaskWorld world;
    Gate gate(world.executor);
    Instant start = world.executor.now();
    world.run(gate.wait_until_empty());
    EXPECT_EQ(world.executor.now(), start);
    world.spawn(stay(&world.executor, &gate, 1ms));
    world.spawn(stay(&world.executor, &gate, 3ms));
    world.run_for(1us);
    world.run(gate.wait_until_empty());
    EXPECT_EQ(world.executor.now(), start + 3ms);
}

}  // namespace
}  // namespace ironbark
