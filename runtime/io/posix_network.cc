#include "runtime/io/posix_network.h"

#include <utility>

#include "runtime/io/file_calls.h"
#include "runtime/io/in_flight.h"

namespace ironbark {

PosixSocket::PosixSocket(PosixExecutor& executor, Descriptor fd)
    : executor_(executor),
      fd_(std::move(fd)),
      watch_(executor),
      receive_fairness_(executor),
      send_fairness_(executor) {}

PosixSocket::~PosixSocket() {
    ASSERT(!receiving_ && !sending_);
    close();
}

Result<void> PosixSocket::start() {
    peer_ = peer_of(fd_.get());
    return watch_.begin(fd_.get(), EPOLLIN | EPOLLOUT | EPOLLRDHUP);
}

Task<Result<void>> PosixSocket::connect(SocketAddress address, Instant deadline) {
    if (::connect(fd_.get(), address.get(), address.size) != 0 && errno != EINPROGRESS && errno != EINTR) {
        co_return connect_error(errno);
    }
    CO_TRY_VOID(start());
    while (true) {
        Result<void> state = connection_state();
        if (state.ok() || state.error().system_errno != EINPROGRESS) {
            peer_ = peer_of(fd_.get());
            co_return state;
        }
        Waiter waiter(executor_, watch_.writable, deadline);
        Wake wake = co_await waiter;
        if (wake == Wake::timed_out) co_return connect_error(ETIMEDOUT);
    }
}

// EINPROGRESS while the connection is neither there nor refused.
Result<void> PosixSocket::connection_state() const {
    int number = 0;
    socklen_t size = sizeof(number);
    if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &number, &size) != 0) number = errno;
    if (number != 0) return connect_error(number);
    sockaddr_storage peer;
    size = sizeof(peer);
    if (getpeername(fd_.get(), reinterpret_cast<sockaddr*>(&peer), &size) == 0) return {};
    return connect_error(errno == ENOTCONN ? EINPROGRESS : errno);
}

Task<Result<size_t>> PosixSocket::receive(BufferSlice into) {
    ASSERT(into.size > 0);
    OneAtATime one(receiving_);
    co_await receive_fairness_.pause();
    while (fd_.is_open()) {
        if (watch_.has_input()) {
            ssize_t count = retry_interrupted([&] { return recv(fd_.get(), into.data(), into.size, 0); });
            // Less than there was room for is all there was (epoll(7)): what comes next makes an edge.
            if (count < static_cast<ssize_t>(into.size)) watch_.note_drained();
            if (count >= 0) co_return static_cast<size_t>(count);
            if (errno != EAGAIN) co_return receive_error(errno);
        }
        receive_fairness_.suspended();
        Waiter waiter(executor_, watch_.readable, never);
        co_await waiter;
    }
    co_return socket_closed();
}

Task<Result<void>> PosixSocket::send(std::vector<BufferSlice> slices) {
    OneAtATime one(sending_);
    SendProgress progress(slices);
    while (!progress.is_done()) {
        co_await send_fairness_.pause();
        if (!fd_.is_open()) co_return socket_closed();
        std::vector<iovec> vectors = io_vectors(slices, progress.slice, progress.skip);
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = vectors.size();
        ssize_t count = retry_interrupted([&] { return sendmsg(fd_.get(), &message, MSG_NOSIGNAL); });
        if (count >= 0) {
            progress.advance(static_cast<size_t>(count));
            continue;
        }
        if (errno != EAGAIN) co_return send_error(errno);
        send_fairness_.suspended();
        Waiter waiter(executor_, watch_.writable, never);
        co_await waiter;
    }
    co_return Result<void>();
}

void PosixSocket::close() {
    watch_.end();
    fd_.close();
}

PosixListener::PosixListener(PosixExecutor& executor, Descriptor fd, Address local_address)
    : ThreadListener(std::move(local_address)),
      executor_(executor),
      fd_(std::move(fd)),
      watch_(executor),
      fairness_(executor) {}

PosixListener::~PosixListener() {
    ASSERT(!accepting_);
    close();
}

Result<void> PosixListener::start() { return watch_.begin(fd_.get(), EPOLLIN | EPOLLEXCLUSIVE); }

Task<Result<std::unique_ptr<Socket>>> PosixListener::accept() {
    OneAtATime one(accepting_);
    co_await fairness_.pause();
    while (fd_.is_open()) {
        Descriptor fd(
            retry_interrupted([&] { return accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC); }));
        if (fd.is_open()) {
            set_no_delay(fd.get());
            auto socket = std::make_unique<PosixSocket>(executor_, std::move(fd));
            CO_TRY_VOID(socket->start());
            co_return std::unique_ptr<Socket>(std::move(socket));
        }
        if (errno != EAGAIN) co_return accept_error(errno);
        fairness_.suspended();
        Waiter waiter(executor_, watch_.readable, never);
        co_await waiter;
    }
    co_return listener_closed();
}

void PosixListener::close() {
    watch_.end();
    fd_.close();
}

Result<std::unique_ptr<Listener>> PosixNetwork::make_listener(Descriptor fd, Address local_address) {
    auto listener = std::make_unique<PosixListener>(executor_, std::move(fd), std::move(local_address));
    TRY_VOID(listener->start());
    return std::unique_ptr<Listener>(std::move(listener));
}

Task<Result<std::unique_ptr<Socket>>> PosixNetwork::connect_to(Descriptor fd, SocketAddress address, Instant deadline) {
    auto socket = std::make_unique<PosixSocket>(executor_, std::move(fd));
    CO_TRY_VOID(co_await socket->connect(address, deadline));
    co_return std::unique_ptr<Socket>(std::move(socket));
}

}  // namespace ironbark
