#include "runtime/io/io_threads.h"

#include <pthread.h>
#include <signal.h>

#include <system_error>

#include "runtime/base/assert.h"

namespace ironbark {

IoThreads::IoThreads(Executor& executor, size_t thread_count_max, size_t queue_max)
    : executor_(executor), thread_count_max_(thread_count_max), places_(executor, static_cast<int64_t>(queue_max)) {
    ASSERT(thread_count_max > 0 && queue_max > 0);
}

IoThreads::~IoThreads() {
    {
        std::lock_guard lock(mutex_);
        stopping_ = true;
        queue_.clear();
    }
    for (auto& worker : workers_) worker->wake.notify_one();
    for (auto& worker : workers_) worker->thread.join();
}

void IoThreads::start(std::function<void()> job) {
    Worker* called = nullptr;
    {
        std::lock_guard lock(mutex_);
        queue_.push_back(std::move(job));
        if (!idle_.empty()) {
            called = idle_.back();
            idle_.pop_back();
            called->is_called = true;
        } else if (workers_.size() < thread_count_max_) {
            add_thread();
        }
    }
    if (called != nullptr) called->wake.notify_one();
}

void IoThreads::add_thread() {
    workers_.push_back(std::make_unique<Worker>());
    Worker* worker = workers_.back().get();
    try {
        worker->thread = std::thread(&IoThreads::work, this, worker);
    } catch (const std::system_error&) {
        // The process may have no more threads. With fewer of them calls take longer; with none they would never end.
        workers_.pop_back();
        ASSERT(!workers_.empty());
    }
}

void IoThreads::work(Worker* worker) {
    // Signals belong to the threads of the program that this runs in.
    sigset_t all_signals;
    sigfillset(&all_signals);
    pthread_sigmask(SIG_SETMASK, &all_signals, nullptr);

    std::unique_lock lock(mutex_);
    while (true) {
        // Whoever was called may find that a thread which had just ended its call was faster.
        while (queue_.empty() && !stopping_) {
            worker->is_called = false;
            idle_.push_back(worker);
            worker->wake.wait(lock, [this, worker] { return stopping_ || worker->is_called; });
        }
        if (stopping_) return;
        std::function<void()> job = std::move(queue_.front());
        queue_.pop_front();
        lock.unlock();
        job();
        job = nullptr;  // what it owns is released outside the lock
        lock.lock();
    }
}

}  // namespace ironbark
