#include <string>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

Task<void> wait(Event* event, Instant deadline, std::string* log, char letter) {
    Wake wake = co_await event->wait(deadline);
    log->push_back(letter);
    log->push_back(wake == Wake::signalled ? '+' : wake == Wake::closed ? 'x' : '-');
}

TEST(Event, WakesEveryoneInTheOrderInWhichTheyCame) {
    TaskWorld world;
    Event event(world.executor);
    std::string log;
    for (char letter : std::string("abc")) world.spawn(wait(&event, never, &log, letter));
    world.run_for(1s);
    EXPECT_EQ(log, "");
    event.set();
    world.run_for(1s);
    EXPECT_EQ(log, "a+b+c+");
}

TEST(Event, StaysSetUntilItIsReset) {
    TaskWorld world;
    Event event(world.executor);
    std::string log;
    event.set();
    world.run(wait(&event, never, &log, 'a'));
    event.reset();
    EXPECT_FALSE(event.is_set());
    world.spawn(wait(&event, world.executor.now() + 1s, &log, 'b'));
    world.run_for(2s);
    EXPECT_EQ(log, "a+b-");
}

TEST(Event, WakesWithAPulseOnlyThoseWhoWait) {
    TaskWorld world;
    Event event(world.executor);
    std::string log;
    world.spawn(wait(&event, never, &log, 'a'));
    world.run_for(1s);
    event.pulse();
    world.spawn(wait(&event, world.executor.now() + 1s, &log, 'b'));
    world.run_for(2s);
    EXPECT_EQ(log, "a+b-");
}

TEST(Event, TellsThatItWasClosedNowAndLater) {
    TaskWorld world;
    Event event(world.executor);
    std::string log;
    world.spawn(wait(&event, never, &log, 'a'));
    world.run_for(1s);
    event.close();
    world.run(wait(&event, never, &log, 'b'));
    EXPECT_EQ(log, "axbx");
    EXPECT_TRUE(event.is_closed());
}

TEST(Event, GivesUpAtTheDeadlineEvenIfThatHasPassed) {
    TaskWorld world;
    Event event(world.executor);
    std::string log;
    Instant start = world.executor.now();
    world.run(wait(&event, start + 5ms, &log, 'a'));
    EXPECT_EQ(world.executor.now(), start + 5ms);
    world.run(wait(&event, start, &log, 'b'));
    EXPECT_EQ(world.executor.now(), start + 5ms);
    EXPECT_EQ(log, "a-b-");
}

TEST(Event, WakesOnceWhenSignalAndDeadlineCoincide) {
    TaskWorld world;
    Event event(world.executor);
    std::string log;
    world.spawn(wait(&event, world.executor.now() + 1s, &log, 'a'));
    world.simulation.after(1s, [&] { event.set(); });
    world.run_for(5s);
    EXPECT_EQ(log.size(), 2u);
}

}  // namespace
}  // namespace ironbark
