#pragma once
// The one way to wait. A `Waiter` lives in the frame of the coroutine that waits, so waiting allocates nothing. It is
// in at most one WaitList and has at most one deadline; whichever comes first takes it out of the other and queues the
// coroutine on its executor with the reason.

#include <coroutine>
#include <cstdint>

#include "runtime/task/executor.h"

namespace ironbark {

enum class Wake : uint8_t {
    signalled,  // what was waited for happened
    timed_out,  // the deadline came first
    closed,     // the thing waited on was closed: its owner is stopping
};

class WaitList;

class Waiter {
  public:
    // Waits in `list` (whose `key` orders nothing, it is for the list's owner) until woken or `deadline`.
    Waiter(Executor& executor, WaitList& list, Instant deadline, int64_t key = 0)
        : executor_(executor), list_(&list), deadline_(deadline), key_(key), timer_(&Waiter::expire, *this) {}
    Waiter(const Waiter&) = delete;
    Waiter& operator=(const Waiter&) = delete;
    // In a crash, coroutines are destroyed while they wait: what is destroyed after them may still wake the others.
    ~Waiter();

    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine);
    Wake await_resume() const noexcept { return wake_; }

    int64_t key() const { return key_; }

  private:
    friend class WaitList;
    struct Deadline : Timer {
        Deadline(Fire fire, Waiter& owner) : Timer(fire), waiter(&owner) {}
        Waiter* waiter;
    };
    static void expire(Timer& timer);
    void resume_with(Wake wake);

    Executor& executor_;
    WaitList* list_;  // where it waits, or will; null once it was woken, or the list is gone
    Instant deadline_;
    int64_t key_;
    std::coroutine_handle<> coroutine_;
    Waiter* previous_ = nullptr;
    Waiter* next_ = nullptr;
    Wake wake_ = Wake::signalled;
    Deadline timer_;
};

// First in, first out. Does not own its waiters. Destroying it with waiters inside is legal only after a crash: they
// are never woken.
class WaitList {
  public:
    WaitList() = default;
    WaitList(const WaitList&) = delete;
    WaitList& operator=(const WaitList&) = delete;
    ~WaitList();

    bool empty() const { return first_ == nullptr; }
    Waiter* front() { return first_; }
    Waiter* after(Waiter& waiter) { return waiter.next_; }
    void wake_one(Wake wake = Wake::signalled);  // REQUIRES: !empty()
    void wake_all(Wake wake = Wake::signalled);
    void wake(Waiter& waiter, Wake wake);  // REQUIRES: waiter is in this list

  private:
    friend class Waiter;
    void push_back(Waiter& waiter);
    void remove(Waiter& waiter);

    Waiter* first_ = nullptr;
    Waiter* last_ = nullptr;
};

// co_await sleep_until(executor, at)
class SleepUntil {
  public:
    SleepUntil(Executor& executor, Instant at) : waiter_(executor, list_, at) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) { waiter_.await_suspend(coroutine); }
    void await_resume() const noexcept {}

  private:
    WaitList list_;
    Waiter waiter_;
};

// Suspends until the instant has come; resumed by the executor's timers. Cannot be interrupted: a loop that must stop
// promptly waits on an Event with a deadline instead.
inline SleepUntil sleep_until(Executor& executor, Instant at) { return SleepUntil(executor, at); }
inline SleepUntil sleep_for(Executor& executor, Duration duration) {
    return SleepUntil(executor, executor.now() + duration);
}

// Lets everything else that is ready run first.
class Yield {
  public:
    explicit Yield(Executor& executor) : executor_(executor) {}
    bool await_ready() const noexcept { return false; }
    void await_suspend(std::coroutine_handle<> coroutine) { executor_.post(coroutine); }
    void await_resume() const noexcept {}

  private:
    Executor& executor_;
};

}  // namespace ironbark
