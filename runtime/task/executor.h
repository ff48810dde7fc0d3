#pragma once
// One thread's loop: a queue of coroutines that are ready to run, and timers. A world (runtime/io) derives from it and
// adds the waiting: for completions, sockets, or virtual time. Everything that belongs to an executor is touched by its
// thread only; `post_remote` is the one door for others.
//
// Resumption is always queued and never nested inside whoever caused it: stacks stay flat, and after `post` the caller
// still sees the state it made.

#include <coroutine>
#include <cstdint>
#include <deque>
#include <functional>
#include <vector>

#include "runtime/base/time.h"

namespace ironbark {

class Executor;

// A point in time at which a function runs on the executor's thread. Owned by whoever waits; disarmed by its
// destructor. Cheap to arm and disarm (a binary heap that knows its members' places).
class Timer {
  public:
    using Fire = void (*)(Timer&);

    explicit Timer(Fire fire) : fire_(fire) {}
    Timer(const Timer&) = delete;
    Timer& operator=(const Timer&) = delete;
    ~Timer();

    bool is_armed() const { return executor_ != nullptr; }

  private:
    friend class Executor;
    Fire fire_;
    Executor* executor_ = nullptr;
    Instant at_{};
    uint64_t order_ = 0;  // arming order: equal instants fire in it
    size_t heap_index_ = 0;
};

class Executor {
  public:
    Executor() = default;
    Executor(const Executor&) = delete;
    Executor& operator=(const Executor&) = delete;
    virtual ~Executor();

    virtual Instant now() const = 0;
    virtual int64_t wall_milliseconds() const = 0;  // since 1970; may jump

    // Runs `job` on this executor's thread, after everything posted before by the same thread. The one thread-safe
    // member. The job is dropped if the executor ends first.
    virtual void post_remote(std::function<void()> job) = 0;

    // Queues a suspended coroutine. Ignored after a crash.
    void post(std::coroutine_handle<> coroutine);
    void arm(Timer& timer, Instant at);  // REQUIRES: not armed
    void disarm(Timer& timer);

    // A simulated process that was killed: its coroutine frames are about to be destroyed where they stand. Destructors
    // that would otherwise insist on an orderly stop ask this first.
    bool has_crashed() const { return crashed_; }
    void crash();

  protected:
    bool has_ready() const { return !ready_.empty(); }
    size_t ready_count() const { return ready_.size(); }
    // Runs coroutines that are ready now, at most `limit` of them, and not those they make ready. Returns how many.
    size_t run_ready(size_t limit);
    // Runs the ready coroutine at `index` of the queue (the simulator chooses the order).
    void run_ready_at(size_t index);
    void fire_timers(Instant until);
    Instant next_timer() const;  // `never` if there is none

  private:
    static bool earlier(const Timer* left, const Timer* right);
    void sift_up(size_t index);
    void sift_down(size_t index);

    std::deque<std::coroutine_handle<>> ready_;
    std::vector<Timer*> timers_;
    uint64_t timers_armed_ = 0;
    bool crashed_ = false;
};

}  // namespace ironbark
