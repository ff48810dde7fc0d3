#pragma once
// Wakes a coroutine of one executor from any thread, at the price of one message however often it is asked to before it
// has looked. Its owner destroys it on the executor's thread, or after the executor has stopped.

#include <atomic>
#include <memory>

#include "runtime/task/sync.h"

namespace ironbark::client {

class Wakeup {
  public:
    explicit Wakeup(Executor& executor) : executor_(executor), event_(executor), shared_(std::make_shared<Shared>()) {
        shared_->event = &event_;
    }
    Wakeup(const Wakeup&) = delete;
    Wakeup& operator=(const Wakeup&) = delete;
    ~Wakeup() { shared_->event = nullptr; }

    // Any thread.
    void wake() {
        if (shared_->is_sent.exchange(true)) return;
        executor_.post_remote([shared = shared_] {
            if (shared->event != nullptr) shared->event->set();
        });
    }
    // The executor's thread.
    void wake_here() { event_.set(); }
    // Suspends until somebody wakes it, or the deadline. Who asks from here on, asks again.
    Task<void> wait(Instant deadline) {
        co_await event_.wait(deadline);
        event_.reset();
        shared_->is_sent.store(false);
    }

  private:
    struct Shared {
        std::atomic<bool> is_sent{false};
        Event* event = nullptr;  // of the executor's thread; null when its owner is gone
    };
    Executor& executor_;
    Event event_;
    std::shared_ptr<Shared> shared_;
};

}  // namespace ironbark::client
