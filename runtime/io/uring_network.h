#pragma once
// TCP through the ring: one operation per receive and send, one standing operation per listener.

#include <deque>

#include "runtime/io/thread_network.h"
#include "runtime/io/uring_executor.h"
#include "runtime/task/wait.h"

namespace ironbark {

class UringSocket final : public Socket {
  public:
    UringSocket(UringExecutor& executor, Descriptor fd);
    ~UringSocket() override;

    Task<Result<size_t>> receive(BufferSlice into) override;
    Task<Result<void>> send(std::vector<BufferSlice> slices) override;
    // The connection ends at once; the descriptor stays until the operations in flight have let go of it, because the
    // kernel may not even have seen them yet.
    void close() override;
    std::string peer() const override { return peer_; }

  private:
    class InUse;

    UringExecutor& executor_;
    Descriptor fd_;
    bool is_closed_ = false;
    bool receiving_ = false;
    bool sending_ = false;
    std::string peer_;
};

// The kernel's side of a listener: a multishot accept, which brings connections until it is cancelled. It may outlive
// the listener, until the kernel has let go of it.
class UringAcceptor final : public UringCompletion {
  public:
    UringAcceptor(UringExecutor& executor, WaitList& waiting) : executor_(executor), waiting_(&waiting) {}

    bool is_armed() const { return is_armed_; }
    void arm(int fd);
    // No connections any more. Those that nobody took are closed.
    void abandon();
    // The next connection, or the next error. Empty if there is neither yet.
    std::optional<Result<Descriptor>> take();
    void complete(int32_t result, uint32_t flags) override;

  private:
    // Connections accepted and not yet asked for. When reached, the kernel keeps further ones in its own queue.
    static constexpr size_t accepted_max = 16;
    void cancel();

    UringExecutor& executor_;
    WaitList* waiting_;  // of the listener; null when it has gone
    std::deque<Descriptor> accepted_;
    int error_ = 0;
    bool is_armed_ = false;
    bool is_cancelled_ = false;
};

class UringListener final : public ThreadListener {
  public:
    UringListener(UringExecutor& executor, Descriptor fd, Address local_address);
    ~UringListener() override;

    Task<Result<std::unique_ptr<Socket>>> accept() override;
    void close() override;
    int fd() const override { return fd_.get(); }

  private:
    UringExecutor& executor_;
    Descriptor fd_;
    WaitList waiting_;
    std::unique_ptr<UringAcceptor> acceptor_;  // null when closed
    bool accepting_ = false;
};

class UringNetwork final : public ThreadNetwork {
  public:
    // Sockets are blocking for the kernel: on others it would report EAGAIN instead of waiting.
    explicit UringNetwork(UringExecutor& executor) : ThreadNetwork(executor, 0), executor_(executor) {}

  protected:
    Result<std::unique_ptr<Listener>> make_listener(Descriptor fd, Address local_address) override;
    Task<Result<std::unique_ptr<Socket>>> connect_to(Descriptor fd, SocketAddress address, Instant deadline) override;

  private:
    UringExecutor& executor_;
};

}  // namespace ironbark
