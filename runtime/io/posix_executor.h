#pragma once
// The loop over epoll. Descriptors are watched edge-triggered: an operation is first tried, and only when the kernel
// says that it would block, somebody waits for the next edge.

#include <sys/epoll.h>

#include "runtime/base/result.h"
#include "runtime/io/descriptor.h"
#include "runtime/io/thread_executor.h"
#include "runtime/task/wait.h"

namespace ironbark {

class PosixExecutor;

// Who waits for one descriptor to become readable or writable. Owned by the socket; unwatched by its destructor.
class Watch {
  public:
    explicit Watch(PosixExecutor& executor) : executor_(executor) {}
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;
    ~Watch() { end(); }

    // `events`: EPOLLIN, EPOLLOUT, EPOLLEXCLUSIVE. The descriptor stays the caller's, and open until `end`.
    Result<void> begin(int fd, uint32_t events);
    // Wakes everyone who waits with `Wake::closed`.
    void end();

    // Whether a read may find something: set by each edge, taken back by whoever has read all there is. After the end
    // of the stream there is always something: the end.
    bool has_input() const { return has_input_; }
    void note_drained() { has_input_ = has_ended_; }

    WaitList readable;
    WaitList writable;

  private:
    friend class PosixExecutor;
    PosixExecutor& executor_;
    int fd_ = -1;
    bool has_input_ = true;
    bool has_ended_ = false;
};

class PosixExecutor final : public ThreadExecutor {
  public:
    explicit PosixExecutor(Duration spin);

  protected:
    void poll(Instant deadline) override;
    void interrupt() override { wakeup_.notify(); }

  private:
    friend class Watch;
    int wait(Instant deadline);
    void dispatch(const epoll_event& event);

    // Events taken per poll. More stay in the kernel for the next turn.
    static constexpr int events_per_poll = 256;

    Descriptor epoll_;
    WakeupDescriptor wakeup_;
    bool has_nanosecond_wait_ = true;
    epoll_event events_[events_per_poll];
};

}  // namespace ironbark
