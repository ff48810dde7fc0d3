#pragma once
// TCP by non-blocking system calls: each is tried at once, and waits for epoll only when it would block.

#include "runtime/io/posix_executor.h"
#include "runtime/io/thread_network.h"

namespace ironbark {

// Lets the loop go round after some operations in a row that had no need to wait, so that one fast connection does not
// keep the thread from all others.
class Fairness {
  public:
    explicit Fairness(Executor& executor) : executor_(executor) {}

    void suspended() { in_a_row_ = 0; }
    // co_await fairness.pause()
    auto pause() {
        struct Pause : Yield {
            Pause(Executor& executor, bool is_due) : Yield(executor), due(is_due) {}
            bool await_ready() const noexcept { return !due; }
            bool due;
        };
        bool is_due = ++in_a_row_ > in_a_row_max;
        if (is_due) in_a_row_ = 0;
        return Pause(executor_, is_due);
    }

  private:
    static constexpr int in_a_row_max = 8;
    Executor& executor_;
    int in_a_row_ = 0;
};

class PosixSocket final : public Socket {
  public:
    PosixSocket(PosixExecutor& executor, Descriptor fd);
    ~PosixSocket() override;

    // Either of these once, before anything else.
    Task<Result<void>> connect(SocketAddress address, Instant deadline);
    Result<void> start();

    Task<Result<size_t>> receive(BufferSlice into) override;
    Task<Result<void>> send(std::vector<BufferSlice> slices) override;
    void close() override;
    std::string peer() const override { return peer_; }

  private:
    Result<void> connection_state() const;

    PosixExecutor& executor_;
    Descriptor fd_;
    Watch watch_;
    Fairness receive_fairness_;
    Fairness send_fairness_;
    bool receiving_ = false;
    bool sending_ = false;
    std::string peer_ = "unknown";
};

class PosixListener final : public ThreadListener {
  public:
    PosixListener(PosixExecutor& executor, Descriptor fd, Address local_address);
    ~PosixListener() override;

    Result<void> start();
    Task<Result<std::unique_ptr<Socket>>> accept() override;
    void close() override;
    int fd() const override { return fd_.get(); }

  private:
    PosixExecutor& executor_;
    Descriptor fd_;
    Watch watch_;
    Fairness fairness_;
    bool accepting_ = false;
};

class PosixNetwork final : public ThreadNetwork {
  public:
    explicit PosixNetwork(PosixExecutor& executor) : ThreadNetwork(executor, SOCK_NONBLOCK), executor_(executor) {}

  protected:
    Result<std::unique_ptr<Listener>> make_listener(Descriptor fd, Address local_address) override;
    Task<Result<std::unique_ptr<Socket>>> connect_to(Descriptor fd, SocketAddress address, Instant deadline) override;

  private:
    PosixExecutor& executor_;
};

}  // namespace ironbark
