#pragma once
// The loop over one io_uring. Operations are prepared during a turn and submitted together at its end, in the system
// call that also waits, because each submission costs tens of microseconds on a virtual machine. Completions are first
// all taken, which queues coroutines, and run in the next turn.
//
// The ring belongs to the thread that runs the loop first (SINGLE_ISSUER); completions are processed only when that
// thread asks (DEFER_TASKRUN).

#include <liburing.h>

#include <coroutine>
#include <memory>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/io/descriptor.h"
#include "runtime/io/thread_executor.h"
#include "runtime/io/uring_settings.h"

namespace ironbark {

__kernel_timespec to_kernel_timespec(Duration duration);

// What the kernel's answer goes to. Stays in place until its last one.
class UringCompletion {
  public:
    virtual ~UringCompletion() = default;
    // Called while completions are taken: notes what happened and queues coroutines, no more.
    virtual void complete(int32_t result, uint32_t flags) = 0;
};

class UringExecutor final : public ThreadExecutor {
  public:
    // Fails with `unsupported` or `permission_denied`, and the text says how to allow it.
    static Result<std::unique_ptr<UringExecutor>> make(const UringSettings& settings);
    ~UringExecutor() override;

    // Prepares one operation: `fill` is given the submission queue entry. Nobody learns its result without a
    // `completion`. REQUIRES: on the loop's thread.
    template <typename Fill>
    void prepare(UringCompletion* completion, Fill fill) {
        io_uring_sqe* entry = next_entry();
        fill(entry);
        io_uring_sqe_set_data(entry, completion);
    }
    // Makes room, so that the next `count` entries are submitted together, as linked ones must be.
    void reserve(unsigned count);
    // Submits what is prepared and takes what has completed, now. For what cannot wait until the end of the turn.
    void flush() { submit(); }
    // Owns a completion that nobody waits for any more, until it says `release` from within `complete`.
    void keep(std::unique_ptr<UringCompletion> completion) { kept_.push_back(std::move(completion)); }
    void release(UringCompletion* completion);

    UringCounters& counters() { return counters_; }
    const UringCounters& counters() const { return counters_; }

  protected:
    void poll(Instant deadline) override;
    void interrupt() override { wakeup_.notify(); }
    void begin() override;
    void end() override;

  private:
    // The eventfd that other threads notify. The kernel watches it until it says otherwise.
    class Mailbell final : public UringCompletion {
      public:
        explicit Mailbell(UringExecutor& executor) : executor_(executor) {}
        void listen();
        void complete(int32_t result, uint32_t flags) override;

      private:
        UringExecutor& executor_;
    };

    explicit UringExecutor(const UringSettings& settings)
        : ThreadExecutor(settings.spin), settings_(settings), mailbell_(*this) {}
    Result<void> set_up();
    io_uring_sqe* next_entry();
    bool has_news() const;
    void submit();
    void count_submission();
    void take_completions();

    UringSettings settings_;
    io_uring ring_{};
    bool is_set_up_ = false;
    bool is_enabled_ = false;
    WakeupDescriptor wakeup_;
    Mailbell mailbell_;
    std::vector<std::unique_ptr<UringCompletion>> kept_;
    std::vector<std::unique_ptr<UringCompletion>> released_;
    UringCounters counters_;
};

// Waits for operations of one coroutine: prepare them, then `co_await wait`. Resumed when all have completed.
class UringWait {
  public:
    explicit UringWait(UringExecutor& executor) : executor_(executor) {}
    UringWait(const UringWait&) = delete;
    UringWait& operator=(const UringWait&) = delete;

    bool await_ready() const noexcept { return pending_ == 0; }
    void await_suspend(std::coroutine_handle<> coroutine) { coroutine_ = coroutine; }
    void await_resume() const noexcept {}

  private:
    friend class UringOperation;
    UringExecutor& executor_;
    std::coroutine_handle<> coroutine_;
    int pending_ = 0;
};

// One operation with one completion. Lives in the frame of the coroutine that waits for it.
class UringOperation final : public UringCompletion {
  public:
    template <typename Fill>
    UringOperation(UringWait& wait, Fill fill) : wait_(wait) {
        ++wait_.pending_;
        wait_.executor_.prepare(this, fill);
    }
    UringOperation(const UringOperation&) = delete;
    UringOperation& operator=(const UringOperation&) = delete;

    void complete(int32_t result, uint32_t flags) override;
    int32_t result() const { return result_; }  // a count, or a negative errno

  private:
    UringWait& wait_;
    int32_t result_ = 0;
};

// Suspends until the operation has completed; repeated while the kernel says that it was interrupted or is short of
// something. Returns a count, or a negative errno.
template <typename Fill>
Task<int32_t> perform(UringExecutor* executor, Fill fill) {
    while (true) {
        UringWait wait(*executor);
        UringOperation operation(wait, fill);
        co_await wait;
        if (operation.result() != -EINTR && operation.result() != -EAGAIN) co_return operation.result();
        ++executor->counters().retries;
    }
}

}  // namespace ironbark
