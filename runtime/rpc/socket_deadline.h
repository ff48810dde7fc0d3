#pragma once
// Ends what a socket has in flight when a time has come: sockets know no deadlines themselves. Owned by whoever uses
// the socket, destroyed before it.

#include "runtime/io/world.h"
#include "runtime/task/executor.h"

namespace ironbark::rpc {

class SocketDeadline final : private Timer {
  public:
    SocketDeadline(Executor& executor, Socket& socket)
        : Timer(&SocketDeadline::fire), executor_(executor), socket_(socket) {}

    // Replaces the time set before.
    void arm(Instant at) {
        disarm();
        executor_.arm(*this, at);
    }
    void disarm() { executor_.disarm(*this); }
    using Timer::is_armed;
    bool has_expired() const { return has_expired_; }

  private:
    static void fire(Timer& timer) {
        SocketDeadline& deadline = static_cast<SocketDeadline&>(timer);
        deadline.has_expired_ = true;
        deadline.socket_.close();
    }

    Executor& executor_;
    Socket& socket_;
    bool has_expired_ = false;
};

}  // namespace ironbark::rpc
