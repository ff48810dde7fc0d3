#include <string>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

Task<void> reach(Threshold* threshold, int64_t target, Instant deadline, std::string* log, char letter) {
    Wake wake = co_await threshold->reach(target, deadline);
    log->push_back(letter);
    log->push_back(wake == Wake::signalled ? '+' : wake == Wake::closed ? 'x' : '-');
}

TEST(Threshold, WakesThoseWhoseNumberIsReached) {
    TaskWorld world;
    Threshold threshold(world.executor, 0);
    std::string log;
    world.spawn(reach(&threshold, 20, never, &log, 'b'));
    world.spawn(reach(&threshold, 10, never, &log, 'a'));
    world.run_for(1ms);
    threshold.advance(9);
    world.run_for(1ms);
    EXPECT_EQ(log, "");
    threshold.advance(10);
    world.run_for(1ms);
    EXPECT_EQ(log, "a+");
    EXPECT_EQ(threshold.wanted(), 20);
    threshold.advance(100);
    world.run_for(1ms);
    EXPECT_EQ(log, "a+b+");
    EXPECT_FALSE(threshold.has_waiters());
}

TEST(Threshold, DoesNotSuspendBelowItsValue) {
    TaskWorld world;
    Threshold threshold(world.executor, 5);
    std::string log;
    world.run(reach(&threshold, 5, world.executor.now(), &log, 'a'));
    EXPECT_EQ(log, "a+");
}

TEST(Threshold, GivesUpAtTheDeadline) {
    TaskWorld world;
    Threshold threshold(world.executor, 5);
    std::string log;
    world.run(reach(&threshold, 6, world.executor.now() + 1s, &log, 'a'));
    EXPECT_EQ(log, "a-");
}

TEST(Threshold, LetsThoseWaitOnWhoWaitBeyondACut) {
    TaskWorld world;
    Threshold threshold(world.executor, 10);
    std::string log;
    world.spawn(reach(&threshold, 15, never, &log, 'a'));
    world.run_for(1ms);
    threshold.retreat(5);
    world.run_for(1ms);
    EXPECT_EQ(log, "");
    threshold.advance(15);
    world.run_for(1ms);
    EXPECT_EQ(log, "a+");
}

TEST(Threshold, TellsThatItWasClosedUnlessTheNumberIsReached) {
    TaskWorld world;
    Threshold threshold(world.executor, 5);
    std::string log;
    world.spawn(reach(&threshold, 6, never, &log, 'a'));
    world.run_for(1ms);
    threshold.close();
    world.run(reach(&threshold, 7, never, &log, 'b'));
    world.run(reach(&threshold, 5, never, &log, 'c'));
    EXPECT_EQ(log, "axbxc+");
}

TEST(ThresholdDeathTest, OnlyGrows) {
    TaskWorld world;
    Threshold threshold(world.executor, 5);
    EXPECT_DEATH(threshold.advance(4), "invariant broken");
    EXPECT_DEATH(threshold.retreat(6), "invariant broken");
}

}  // namespace
}  // namespace ironbark
