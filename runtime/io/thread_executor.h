#pragma once
// The loop of one thread of this machine, whatever the kernel interface below it: mailbox, clock, timers, and how much
// is done before the kernel is looked at again. A world derives from it and adds the looking (`poll`).
//
// One turn: jobs from other threads, timers that are due, a bounded number of ready coroutines, then one poll, which
// waits only if nothing is ready. A busy coroutine can therefore delay sockets by at most a turn.

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

#include "runtime/io/spin.h"
#include "runtime/task/executor.h"
#include "runtime/task/task.h"

namespace ironbark {

// Coroutines resumed in a turn beyond those that were ready at its start: enough to amortise the poll (about 1 us),
// few enough that a socket does not wait for long.
constexpr size_t resumptions_per_turn = 64;

class ThreadExecutor : public Executor {
  public:
    // `spin_max`: how long an idle loop polls at most before it blocks; see Spin.
    explicit ThreadExecutor(Duration spin_max) : spin_(spin_max) {}

    // Reads the clock each time: through the vDSO that is about 20 ns, and a value kept for the turn would lie to
    // whoever measures with it.
    Instant now() const override;
    int64_t wall_milliseconds() const override;
    void post_remote(std::function<void()> job) override;

    // Runs the loop on the calling thread until `stop`. May be called again afterwards, by the same thread.
    void run();
    // Runs the loop until `main` has ended.
    void run_until_done(Task<void> main);
    // Ends `run` after the current turn, or the next `run` at once. Thread-safe.
    void stop();

  protected:
    // Takes what the kernel has ready. If that is nothing, waits until there is something, until `interrupt`, or until
    // `deadline`; a deadline in the past only looks. Queues coroutines, never resumes them.
    virtual void poll(Instant deadline) = 0;
    // Ends a poll that waits or is about to. From any thread, while the mailbox is locked.
    virtual void interrupt() = 0;
    // On the loop's thread, before the first turn and after the last one of each `run`.
    virtual void begin() {}
    virtual void end() {}

  private:
    void turn();
    void run_mailbox();
    void wait_for_work();
    bool poll_until(Instant until);
    bool fall_asleep();
    bool has_mail() const { return has_mail_.load(std::memory_order_relaxed); }

    Spin spin_;
    std::mutex mutex_;
    std::vector<std::function<void()>> mailbox_;  // under mutex_
    bool asleep_ = false;                         // under mutex_: the loop waits and must be interrupted
    std::atomic<bool> has_mail_ = false;          // a hint that saves the lock
    std::atomic<bool> stop_ = false;
};

}  // namespace ironbark
