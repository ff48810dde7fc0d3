#pragma once
// How both real worlds listen and connect; what a socket does is each world's own.

#include <memory>
#include <utility>

#include "runtime/io/name_service.h"
#include "runtime/io/socket_calls.h"
#include "runtime/io/world.h"

namespace ironbark {

class ThreadListener : public Listener {
  public:
    explicit ThreadListener(Address local_address) : local_address_(std::move(local_address)) {}
    Address local_address() const override { return local_address_; }
    virtual int fd() const = 0;

  private:
    Address local_address_;
};

class ThreadNetwork : public Network {
  public:
    Task<Result<std::unique_ptr<Listener>>> listen(Address address) override;
    // May be called on another thread than the listener's, while that one keeps it open. The kernel wakes one of the
    // acceptors for each connection, idle ones first.
    Result<std::unique_ptr<Listener>> share(const Listener& listener) override;
    // Tries every address of the host in turn; each gets an equal part of the time that is left.
    Task<Result<std::unique_ptr<Socket>>> connect(Address address, Instant deadline) override;
    // One attempt, with a socket from `make_socket`. Meeting itself is connection_refused: nobody listens there.
    Task<Result<std::unique_ptr<Socket>>> connect_with(Descriptor fd, SocketAddress address, Instant deadline);
    Result<Descriptor> make_socket(int family) const { return ironbark::make_socket(family, socket_flags_); }

  protected:
    // `socket_flags`: what the world wants of its sockets, SOCK_NONBLOCK or nothing.
    ThreadNetwork(Executor& executor, int socket_flags)
        : executor_(executor), socket_flags_(socket_flags), names_(executor) {}

    virtual Result<std::unique_ptr<Listener>> make_listener(Descriptor fd, Address local_address) = 0;
    virtual Task<Result<std::unique_ptr<Socket>>> connect_to(Descriptor fd, SocketAddress address,
                                                             Instant deadline) = 0;

  private:
    Result<std::unique_ptr<Listener>> start_listener(Descriptor fd);

    Executor& executor_;
    int socket_flags_;
    NameService names_;
};

}  // namespace ironbark
