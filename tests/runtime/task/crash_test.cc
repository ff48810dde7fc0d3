// What a simulated crash relies on: frames, waiters, timers and owners may be destroyed in any order.
#include <memory>
#include <string>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

Task<void> hold_units(Executor* executor, Semaphore* semaphore) {
    std::optional<Units> units = co_await semaphore->take(1);
    co_await sleep_until(*executor, never - 1ns);
}

// Frames that hold units of a semaphore, and frames that wait for them: destroyed in an order that wakes the dead,
// were waiters not to leave their list.
struct Waiters {
    explicit Waiters(World& world) : semaphore(world.executor, 1), scope(world.executor) {
        for (int count = 0; count < 5; ++count) scope.spawn(hold_units(&world.executor, &semaphore));
    }
    Semaphore semaphore;
    Scope scope;
};

TEST(Crash, DestroysHoldersAndWaitersInAnyOrder) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        simulation::Simulation simulation(seed);
        simulation::Node& node = simulation.node("n1");
        node.start([](World& world) { return std::make_unique<Waiters>(world); });
        simulation.run_for(1s);
        node.kill();
        simulation.run_for(1s);
    }
}

Task<void> wait_for(Event* event, Instant deadline) { static_cast<void>(co_await event->wait(deadline)); }

// The event is destroyed before the scope with the frames that wait for it.
struct EventFirst {
    explicit EventFirst(World& world) : scope(world.executor), event(std::make_unique<Event>(world.executor)) {
        for (int count = 0; count < 5; ++count) scope.spawn(wait_for(event.get(), world.executor.now() + 3600s));
    }
    Scope scope;
    std::unique_ptr<Event> event;
};

TEST(Crash, DestroysAnEventUnderItsWaiters) {
    TaskWorld world;
    simulation::Node& node = world.simulation.node("n2");
    node.start([](World& inside) { return std::make_unique<EventFirst>(inside); });
    world.run_for(1s);
    node.kill();
    world.run_for(7200s);
}

struct Note {
    Note(std::string* borrowed, char text) : log(borrowed), letter(text) {}
    ~Note() { log->push_back(letter); }
    std::string* log;
    char letter;
};

Task<void> inner(Event* event, std::string* log) {
    Note note(log, 'i');
    static_cast<void>(co_await event->wait());
}

Task<void> outer(Event* event, std::string* log) {
    Note note(log, 'o');
    co_await inner(event, log);
    log->push_back('x');
}

TEST(Crash, DestroysWhatIsAwaitedBeforeItsAwaiter) {
    std::string log;
    TaskWorld world;
    Event event(world.executor);
    world.spawn(outer(&event, &log));
    world.run_for(1s);
    world.node.kill();
    EXPECT_EQ(log, "io");
}

TEST(Crash, LetsNothingRunAfterwards) {
    std::string log;
    TaskWorld world;
    Event event(world.executor);
    world.spawn(outer(&event, &log));
    world.run_for(1s);
    event.set();  // queued
    world.node.kill();
    world.run_for(1s);
    EXPECT_EQ(log, "io");
}

}  // namespace
}  // namespace ironbark
