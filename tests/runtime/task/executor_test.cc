#include "runtime/task/executor.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "tests/runtime/task/task_world.h"
#include "tests/simulation/random_stream.h"

namespace ironbark {
namespace {

struct NotingTimer : Timer {
    NotingTimer(std::vector<int>* borrowed, int note) : Timer(&NotingTimer::fire), log(borrowed), number(note) {}
    static void fire(Timer& timer) {
        auto& noting = static_cast<NotingTimer&>(timer);
        noting.log->push_back(noting.number);
    }
    std::vector<int>* log;
    int number;
};

TEST(Timer, FiresAtItsInstantInOrder) {
    TaskWorld world;
    std::vector<int> log;
    NotingTimer second(&log, 2);
    NotingTimer first(&log, 1);
    NotingTimer tied(&log, 3);
    world.executor.arm(second, world.executor.now() + 20ms);
    world.executor.arm(first, world.executor.now() + 10ms);
    world.executor.arm(tied, world.executor.now() + 20ms);
    EXPECT_TRUE(first.is_armed());
    world.run_for(15ms);
    EXPECT_EQ(log, (std::vector<int>{1}));
    EXPECT_FALSE(first.is_armed());
    world.run_for(15ms);
    EXPECT_EQ(log, (std::vector<int>{1, 2, 3}));
}

TEST(Timer, DoesNotFireOnceDisarmedOrDestroyed) {
    TaskWorld world;
    std::vector<int> log;
    NotingTimer disarmed(&log, 1);
    auto destroyed = std::make_unique<NotingTimer>(&log, 2);
    world.executor.arm(disarmed, world.executor.now() + 1ms);
    world.executor.arm(*destroyed, world.executor.now() + 1ms);
    world.executor.disarm(disarmed);
    world.executor.disarm(disarmed);
    destroyed.reset();
    world.run_for(1s);
    EXPECT_TRUE(log.empty());
    world.executor.arm(disarmed, world.executor.now() + 1ms);
    world.run_for(1s);
    EXPECT_EQ(log, (std::vector<int>{1}));
}

TEST(Timer, KeepsItsOrderUnderAnyArmingAndDisarming) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        simulation::RandomStream random(seed, "timers");
        TaskWorld world;
        Instant start = world.executor.now();
        std::vector<int> log;
        std::vector<std::unique_ptr<NotingTimer>> timers;
        std::vector<int> expected;
        for (int number = 0; number < 200; ++number) timers.push_back(std::make_unique<NotingTimer>(&log, number));
        std::vector<int64_t> at(timers.size(), -1);
        for (int step = 0; step < 1000; ++step) {
            size_t index = random.below(timers.size());
            world.executor.disarm(*timers[index]);
            at[index] = random.below(3) == 0 ? -1 : static_cast<int64_t>(random.below(1'000'000'000)) * 1000 + step;
            if (at[index] >= 0) world.executor.arm(*timers[index], start + Duration(at[index]));
        }
        for (int number = 0; number < 200; ++number) {
            if (at[static_cast<size_t>(number)] >= 0) expected.push_back(number);
        }
        std::sort(expected.begin(), expected.end(), [&](int left, int right) {
            return at[static_cast<size_t>(left)] < at[static_cast<size_t>(right)];
        });
        world.run_for(2000s);
        EXPECT_EQ(log, expected);
    }
}

Task<void> sleep_twice(Executor* executor, std::vector<Instant>* log) {
    co_await sleep_for(*executor, 10ms);
    log->push_back(executor->now());
    co_await sleep_until(*executor, executor->now() - 5ms);
    log->push_back(executor->now());
}

TEST(Sleep, LastsAsLongAsAsked) {
    TaskWorld world;
    Instant start = world.executor.now();
    std::vector<Instant> log;
    world.run(sleep_twice(&world.executor, &log));
    EXPECT_EQ(log, (std::vector<Instant>{start + 10ms, start + 10ms}));
}

Task<void> alternate(Executor* executor, std::string* log, char letter) {
    for (int turn = 0; turn < 3; ++turn) {
        log->push_back(letter);
        Yield yield(*executor);
        co_await yield;
    }
}

TEST(Yield, LetsTheOthersRunFirst) {
    TaskWorld world;
    std::string log;
    world.spawn(alternate(&world.executor, &log, 'a'));
    world.spawn(alternate(&world.executor, &log, 'b'));
    world.run_for(1s);
    EXPECT_EQ(log, "ababab");
}

}  // namespace
}  // namespace ironbark
