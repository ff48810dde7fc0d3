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
    wake_.notify_all();
    for (std::thread& thread : threads_) thread.join();
}

void IoThreads::start(std::function<void()> job) {
    {
        std::lock_guard lock(mutex_);
        queue_.push_back(std::move(job));
        if (queue_.size() > idle_count_ && threads_.size() < thread_count_max_) add_thread();
    }
    wake_.notify_one();
}

void IoThreads::add_thread() {
    try {
        threads_.emplace_back(&IoThreads::work, this);
    } catch (const std::system_error&) {
        // The process may have no more threads. With fewer of them calls take longer; with none they would never end.
        ASSERT(!threads_.empty());
    }
}

void IoThreads::work() {
    // Signals belong to the threads of the program that this runs in.
    sigset_t all_signals;
    sigfillset(&all_signals);
    pthread_sigmask(SIG_SETMASK, &all_signals, nullptr);

    std::unique_lock lock(mutex_);
    while (true) {
        ++idle_count_;
        wake_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
        --idle_count_;
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
