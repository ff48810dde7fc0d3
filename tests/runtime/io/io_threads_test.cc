#include "runtime/io/io_threads.h"

#include <gtest/gtest.h>

#include <atomic>
#include <barrier>
#include <set>

#include "runtime/io/posix_world.h"
#include "runtime/task/scope.h"

namespace ironbark {

namespace {

struct Rig {
    std::unique_ptr<ThreadWorld> world = make_posix_world();
    ThreadExecutor& executor() { return world->executor(); }
};

Task<void> meet(IoThreads* threads, std::barrier<>* barrier, std::vector<std::thread::id>* seen) {
    auto call = [barrier] {
        barrier->arrive_and_wait();
        return std::this_thread::get_id();
    };
    seen->push_back(co_await threads->run(std::move(call)));
}

Task<void> number(IoThreads* threads, int value, std::vector<int>* order) {
    auto call = [value] { return value; };
    order->push_back(co_await threads->run(std::move(call)));
}

Task<void> count_up(IoThreads* threads, int calls, std::atomic<int>* count) {
    for (int call = 0; call < calls; ++call) {
        auto add = [count] { return ++*count; };
        co_await threads->run(std::move(add));
    }
}

}  // namespace

TEST(IoThreads, RunAsManyCallsAtATimeAsThereAreThreads) {
    Rig rig;
    IoThreads threads(rig.executor(), 3, 10);
    std::barrier<> barrier(3);  // nobody passes unless all three are inside at once
    std::vector<std::thread::id> seen;
    struct Story {
        static Task<void> run(Executor* executor, IoThreads* threads, std::barrier<>* barrier,
                              std::vector<std::thread::id>* seen) {
            Scope scope(*executor);
            for (int index = 0; index < 6; ++index) scope.spawn(meet(threads, barrier, seen));
            co_await scope.join();
        }
    };
    rig.executor().run_until_done(Story::run(&rig.executor(), &threads, &barrier, &seen));
    EXPECT_EQ(seen.size(), 6u);
    EXPECT_EQ(std::set<std::thread::id>(seen.begin(), seen.end()).size(), 3u);
    EXPECT_EQ(std::count(seen.begin(), seen.end(), std::this_thread::get_id()), 0);
}

TEST(IoThreads, ServeCallersBeyondTheQueueInOrder) {
    Rig rig;
    IoThreads threads(rig.executor(), 1, 2);
    std::vector<int> order;
    struct Story {
        static Task<void> run(Executor* executor, IoThreads* threads, std::vector<int>* order) {
            Scope scope(*executor);
            for (int value = 0; value < 100; ++value) scope.spawn(number(threads, value, order));
            co_await scope.join();
        }
    };
    rig.executor().run_until_done(Story::run(&rig.executor(), &threads, &order));
    ASSERT_EQ(order.size(), 100u);
    EXPECT_TRUE(std::is_sorted(order.begin(), order.end()));
}

TEST(IoThreads, RunEveryCallOfCallersThatComeAndGo) {
    Rig rig;
    IoThreads threads(rig.executor(), 4, 100);
    std::atomic<int> count = 0;
    struct Story {
        static Task<void> run(Executor* executor, IoThreads* threads, std::atomic<int>* count) {
            Scope scope(*executor);
            for (int caller = 0; caller < 8; ++caller) scope.spawn(count_up(threads, 500, count));
            co_await scope.join();
        }
    };
    rig.executor().run_until_done(Story::run(&rig.executor(), &threads, &count));
    EXPECT_EQ(count, 8 * 500);
}

}  // namespace ironbark
