#pragma once
// Threads that run blocking system calls for one executor, so that its own thread never blocks. Threads start when
// there is work that no idle one can take, up to the limit, and live until the end. Of several idle ones the last to
// become idle takes a call, so that a lone caller always meets the same, warm thread, however many a busy time has
// made.
//
// A call runs to its end: nothing cancels it. Calls run in the order in which they were asked for, several at a time.

#include <condition_variable>
#include <coroutine>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include "runtime/task/executor.h"
#include "runtime/task/sync.h"
#include "runtime/task/task.h"

namespace ironbark {

class IoThreads {
  public:
    // At most `queue_max` calls are accepted and not yet done; further callers wait their turn, in order.
    IoThreads(Executor& executor, size_t thread_count_max, size_t queue_max);
    IoThreads(const IoThreads&) = delete;
    IoThreads& operator=(const IoThreads&) = delete;
    // Waits for the calls that have begun. REQUIRES: nobody awaits `run` any more.
    ~IoThreads();

    // Suspends until a thread has run `call()`; resumed on the executor. `call` owns, or points to, what outlives it.
    template <typename Call>
    Task<std::invoke_result_t<Call&>> run(Call call) {
        std::optional<Units> place = co_await places_.take(1);
        ASSERT(place.has_value());
        Job<Call> job(*this, std::move(call));
        co_await job;
        co_return std::move(*job.result_);
    }

    // Runs `job` on a thread and tells nobody. For calls that may outlast whoever wants their result; not counted
    // against `queue_max`: the caller bounds them.
    void start(std::function<void()> job);

  private:
    template <typename Call>
    class Job {
      public:
        Job(IoThreads& threads, Call call) : threads_(threads), call_(std::move(call)) {}
        bool await_ready() const noexcept { return false; }
        void await_suspend(std::coroutine_handle<> caller) {
            caller_ = caller;
            threads_.start([this] { execute(); });
        }
        void await_resume() const noexcept {}

        std::optional<std::invoke_result_t<Call&>> result_;

      private:
        void execute() {
            result_.emplace(call_());
            threads_.executor_.post_remote([this] { threads_.executor_.post(caller_); });
        }

        IoThreads& threads_;
        Call call_;
        std::coroutine_handle<> caller_;
    };

    struct Worker {
        std::thread thread;
        std::condition_variable wake;
        bool is_called = false;  // taken from the idle ones
    };

    void add_thread();  // REQUIRES: mutex_ is held
    void work(Worker* worker);

    Executor& executor_;
    size_t thread_count_max_;
    Semaphore places_;

    std::mutex mutex_;  // guards what follows
    std::deque<std::function<void()>> queue_;
    bool stopping_ = false;
    std::vector<std::unique_ptr<Worker>> workers_;
    std::vector<Worker*> idle_;  // the one that is to be called next at the end
};

}  // namespace ironbark
