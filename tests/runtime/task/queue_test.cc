#include <string>

#include "tests/runtime/task/task_world.h"

namespace ironbark {
namespace {

Task<void> consume(Queue<char>* queue, std::string* log) {
    while (true) {
        std::optional<char> item = co_await queue->pop();
        if (!item) break;
        log->push_back(*item);
    }
    log->push_back('.');
}

TEST(Queue, HandsItemsOverInOrder) {
    TaskWorld world;
    Queue<char> queue(world.executor, 10);
    std::string log;
    world.spawn(consume(&queue, &log));
    world.run_for(1ms);
    for (char item : std::string("abc")) EXPECT_TRUE(queue.try_push(item));
    world.run_for(1ms);
    EXPECT_EQ(log, "abc");
}

TEST(Queue, RefusesWhenFull) {
    TaskWorld world;
    Queue<char> queue(world.executor, 2);
    EXPECT_TRUE(queue.try_push('a'));
    EXPECT_TRUE(queue.try_push('b'));
    EXPECT_FALSE(queue.try_push('c'));
    EXPECT_EQ(queue.size(), 2u);
}

TEST(Queue, IsDrainedAfterItWasClosed) {
    TaskWorld world;
    Queue<char> queue(world.executor, 10);
    std::string log;
    EXPECT_TRUE(queue.try_push('a'));
    queue.close();
    EXPECT_FALSE(queue.try_push('b'));
    world.run(consume(&queue, &log));
    EXPECT_EQ(log, "a.");
}

TEST(Queue, WakesWhoWaitsWhenItIsClosed) {
    TaskWorld world;
    Queue<char> queue(world.executor, 10);
    std::string log;
    world.spawn(consume(&queue, &log));
    world.spawn(consume(&queue, &log));
    world.run_for(1ms);
    queue.close();
    world.run_for(1ms);
    EXPECT_EQ(log, "..");
}

Task<void> pop_until(Queue<char>* queue, Instant deadline, bool* got) {
    std::optional<char> item = co_await queue->pop(deadline);
    *got = item.has_value();
}

TEST(Queue, GivesUpAtTheDeadline) {
    TaskWorld world;
    Queue<char> queue(world.executor, 10);
    bool got = true;
    world.run(pop_until(&queue, world.executor.now() + 1s, &got));
    EXPECT_FALSE(got);
    EXPECT_TRUE(queue.try_push('a'));
    EXPECT_EQ(queue.size(), 1u);
}

TEST(Queue, GivesEachItemToOneOfManyConsumers) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        simulation::Simulation shuffled(seed);
        simulation::Node& node = shuffled.node("n1");
        Queue<char> queue(node.boot().executor, 100);
        std::string log;
        for (int consumer = 0; consumer < 3; ++consumer) node.spawn(consume(&queue, &log));
        for (int item = 0; item < 26; ++item) {
            EXPECT_TRUE(queue.try_push(static_cast<char>('a' + item)));
            if (item % 4 == 0) shuffled.run_for(1us);
        }
        queue.close();
        shuffled.run_for(1s);
        std::sort(log.begin(), log.end());
        EXPECT_EQ(log, "...abcdefghijklmnopqrstuvwxyz");
    }
}

}  // namespace
}  // namespace ironbark
