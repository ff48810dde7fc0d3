#include <atomic>
#include <thread>

#include "runtime/task/scope.h"
#include "tests/runtime/io/world_conformance.h"

namespace ironbark::testing {

class ExecutorConformance : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Worlds, ExecutorConformance, ::testing::ValuesIn(all_worlds()), world_name);

namespace {

constexpr int jobs_per_thread = 2000;

struct Arrivals {
    std::vector<std::vector<int>> by_thread;
    int left = 0;
};

std::vector<std::thread> start_posters(ThreadExecutor& executor, Arrivals& arrivals, size_t thread_count) {
    arrivals.by_thread.resize(thread_count);
    arrivals.left = static_cast<int>(thread_count) * jobs_per_thread;
    std::vector<std::thread> posters;
    for (size_t thread = 0; thread < thread_count; ++thread) {
        posters.emplace_back([&executor, &arrivals, thread] {
            for (int job = 0; job < jobs_per_thread; ++job) {
                executor.post_remote([&executor, &arrivals, thread, job] {
                    arrivals.by_thread[thread].push_back(job);
                    if (--arrivals.left == 0) executor.stop();
                });
            }
        });
    }
    return posters;
}

Task<void> sleep_and_note(Executor* executor, Duration delay, int name, std::vector<int>* order) {
    Instant until = executor->now() + delay;
    co_await sleep_until(*executor, until);
    EXPECT_GE(executor->now(), until);
    order->push_back(name);
}

Task<void> yield_until(Executor* executor, const bool* done) {
    while (!*done) {
        Yield yield(*executor);
        co_await yield;
    }
}

}  // namespace

TEST_P(ExecutorConformance, RunsJobsOfManyThreadsAllAndInTheOrderOfEach) {
    Arrivals arrivals;
    std::vector<std::thread> posters = start_posters(executor(), arrivals, 4);
    executor().run();
    for (std::thread& poster : posters) poster.join();
    for (const std::vector<int>& jobs : arrivals.by_thread) {
        EXPECT_EQ(jobs.size(), size_t{jobs_per_thread});
        EXPECT_TRUE(std::is_sorted(jobs.begin(), jobs.end()));
    }
}

TEST_P(ExecutorConformance, IsWokenFromALongSleepByAJob) {
    std::atomic<int> trips = 0;
    std::thread poster([&] {
        // Each job is posted when the loop has nothing else to do but sleep.
        for (int trip = 0; trip < 500; ++trip) {
            executor().post_remote([&] { ++trips; });
            while (trips.load() <= trip) std::this_thread::yield();
        }
        executor().stop();
    });
    executor().run();
    poster.join();
    EXPECT_EQ(trips.load(), 500);
}

TEST_P(ExecutorConformance, StopsAtOnceIfItWasStoppedBefore) {
    executor().stop();
    executor().run();
    bool ran = false;
    executor().post_remote([&] {
        ran = true;
        executor().stop();
    });
    executor().run();
    EXPECT_TRUE(ran);
}

TEST_P(ExecutorConformance, RunsJobsPostedFromItsOwnThread) {
    executor().post_remote([this] { executor().post_remote([this] { executor().stop(); }); });
    executor().run();
}

TEST_P(ExecutorConformance, FiresTimersInTheirOrderAndNotEarly) {
    struct Story {
        static Task<void> run(Executor* executor, std::vector<int>* order) {
            Scope scope(*executor);
            scope.spawn(sleep_and_note(executor, 30ms, 3, order));
            scope.spawn(sleep_and_note(executor, 10ms, 1, order));
            scope.spawn(sleep_and_note(executor, 20ms, 2, order));
            scope.spawn(sleep_and_note(executor, 0ms, 0, order));
            co_await scope.join();
        }
    };
    std::vector<int> order;
    play(Story::run(&executor(), &order));
    EXPECT_EQ(order, (std::vector<int>{0, 1, 2, 3}));
}

TEST_P(ExecutorConformance, ServesTimersAndMailWhileACoroutineIsAlwaysReady) {
    struct Story {
        static Task<void> run(Executor* executor, bool* done) {
            Scope scope(*executor);
            scope.spawn(yield_until(executor, done));
            co_await sleep_for(*executor, 1ms);
            executor->post_remote([done] { *done = true; });
            co_await scope.join();
        }
    };
    bool done = false;
    play(Story::run(&executor(), &done));
    EXPECT_TRUE(done);
}

TEST_P(ExecutorConformance, PassesWorkBetweenTwoThreads) {
    std::unique_ptr<ThreadWorld> other = make_world(GetParam());
    struct Remote {
        static Task<int> square(int value) { co_return value * value; }
    };
    struct Story {
        static Task<void> run(ThreadExecutor* here, ThreadExecutor* there, Scope* there_scope) {
            for (int value = 0; value < 200; ++value) {
                auto make = [value] { return Remote::square(value); };
                EXPECT_EQ(co_await run_on<int>(*here, *there, *there_scope, std::move(make)), value * value);
            }
            there->stop();
        }
    };
    Scope there_scope(other->executor());
    std::thread thread([&] { other->executor().run(); });
    play(Story::run(&executor(), &other->executor(), &there_scope));
    thread.join();
    EXPECT_EQ(there_scope.count(), 0u);
}

TEST_P(ExecutorConformance, DropsTheJobsThatItDidNotRun) {
    auto token = std::make_shared<int>();
    executor().post_remote([token] { ADD_FAILURE() << "nobody runs the loop"; });
    EXPECT_EQ(token.use_count(), 2);
}

TEST_P(ExecutorConformance, TellsTheTime) {
    Instant before = executor().now();
    while (executor().now() == before) {
    }
    EXPECT_GT(executor().now(), before);
    EXPECT_GT(executor().wall_milliseconds(), int64_t{1'700'000'000'000});
}

TEST_P(ExecutorConformance, GivesEveryWorldItsOwnRandomNumbers) {
    std::unique_ptr<ThreadWorld> other = make_world(GetParam());
    EXPECT_NE(world()->random.uuid(), other->world().random.uuid());
    EXPECT_NE(world()->random.next(), world()->random.next());
    for (int draw = 0; draw < 1000; ++draw) EXPECT_LT(world()->random.below(7), 7u);
}

}  // namespace ironbark::testing
