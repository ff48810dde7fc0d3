#include "runtime/io/thread_executor.h"

#include <algorithm>
#include <sched.h>
#include <time.h>
#include <utility>

#include "runtime/task/scope.h"

namespace ironbark {

Instant ThreadExecutor::now() const {
    timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return Instant(std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec));
}

int64_t ThreadExecutor::wall_milliseconds() const {
    timespec time;
    clock_gettime(CLOCK_REALTIME, &time);
    return time.tv_sec * 1000 + time.tv_nsec / 1'000'000;
}

void ThreadExecutor::post_remote(std::function<void()> job) {
    // The interruption happens under the lock, because the job may end the executor as soon as the lock is free.
    std::lock_guard lock(mutex_);
    mailbox_.push_back(std::move(job));
    has_mail_.store(true, std::memory_order_relaxed);
    if (std::exchange(asleep_, false)) interrupt();
}

void ThreadExecutor::stop() {
    std::lock_guard lock(mutex_);
    stop_.store(true, std::memory_order_relaxed);
    if (std::exchange(asleep_, false)) interrupt();
}

void ThreadExecutor::run() {
    begin();
    while (!stop_.exchange(false, std::memory_order_relaxed)) turn();
    end();
}

void ThreadExecutor::run_until_done(Task<void> main) {
    struct Main {
        static Task<void> run(Task<void> task, ThreadExecutor* executor) {
            co_await std::move(task);
            executor->stop();
        }
    };
    Scope scope(*this);
    scope.spawn(Main::run(std::move(main), this));
    while (scope.count() != 0) run();
}

void ThreadExecutor::turn() {
    if (has_mail()) run_mailbox();
    fire_timers(now());
    size_t resumed = run_ready(ready_count());
    while (has_ready() && resumed < resumptions_per_turn) resumed += run_ready(resumptions_per_turn - resumed);
    wait_for_work();
}

void ThreadExecutor::run_mailbox() {
    std::vector<std::function<void()>> jobs;
    {
        std::lock_guard lock(mutex_);
        jobs.swap(mailbox_);
        has_mail_.store(false, std::memory_order_relaxed);
    }
    for (std::function<void()>& job : jobs) job();
}

void ThreadExecutor::wait_for_work() {
    constexpr Instant past{};
    if (has_ready() || has_mail()) return poll(past);
    const Instant begin = now();
    if (spin_.window() > Duration::zero() && poll_until(std::min(begin + spin_.window(), next_timer()))) {
        return spin_.note(now() - begin);
    }
    if (!fall_asleep()) return poll(past);
    poll(next_timer());
    spin_.note(now() - begin);
    std::lock_guard lock(mutex_);
    asleep_ = false;
}

// Whether something came.
bool ThreadExecutor::poll_until(Instant until) {
    constexpr Instant past{};
    do {
        poll(past);
        if (has_ready() || has_mail() || stop_.load(std::memory_order_relaxed)) return true;
        // To whoever is to run on this processor: a flush thread of ours, perhaps, or the one that we wait for.
        sched_yield();
    } while (now() < until);
    return false;
}

bool ThreadExecutor::fall_asleep() {
    std::lock_guard lock(mutex_);
    asleep_ = mailbox_.empty() && !stop_.load(std::memory_order_relaxed);
    return asleep_;
}

}  // namespace ironbark
