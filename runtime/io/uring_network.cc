#include "runtime/io/uring_network.h"

#include <algorithm>
#include <utility>

#include "runtime/io/file_calls.h"
#include "runtime/io/in_flight.h"

namespace ironbark {

// Marks one direction as busy, and closes the descriptor of a closed socket when the last one has ended.
class UringSocket::InUse {
  public:
    InUse(UringSocket& socket, bool& direction) : socket_(socket), one_(std::in_place, direction) {}
    InUse(const InUse&) = delete;
    InUse& operator=(const InUse&) = delete;
    ~InUse() {
        one_.reset();
        if (socket_.is_closed_ && !socket_.receiving_ && !socket_.sending_) socket_.fd_.close();
    }

  private:
    UringSocket& socket_;
    std::optional<OneAtATime> one_;
};

UringSocket::UringSocket(UringExecutor& executor, Descriptor fd)
    : executor_(executor), fd_(std::move(fd)), peer_(peer_of(fd_.get())) {}

UringSocket::~UringSocket() { ASSERT(!receiving_ && !sending_); }

Task<Result<size_t>> UringSocket::receive(BufferSlice into) {
    ASSERT(into.size > 0);
    if (is_closed_) co_return socket_closed();
    InUse in_use(*this, receiving_);
    auto fill = [&](io_uring_sqe* entry) {
        io_uring_prep_recv(entry, fd_.get(), into.data(), std::min(into.size, io_size_max), 0);
    };
    int32_t count = co_await perform(&executor_, fill);
    if (is_closed_) co_return socket_closed();
    if (count < 0) co_return receive_error(-count);
    co_return static_cast<size_t>(count);
}

Task<Result<void>> UringSocket::send(std::vector<BufferSlice> slices) {
    SendProgress progress(slices);
    if (is_closed_) co_return socket_closed();
    InUse in_use(*this, sending_);
    while (!progress.is_done()) {
        std::vector<iovec> vectors = io_vectors(slices, progress.slice, progress.skip);
        msghdr message{};
        message.msg_iov = vectors.data();
        message.msg_iovlen = vectors.size();
        // MSG_WAITALL: the kernel goes on after a part, without asking us.
        auto fill = [&](io_uring_sqe* entry) {
            io_uring_prep_sendmsg(entry, fd_.get(), &message, MSG_NOSIGNAL | MSG_WAITALL);
        };
        int32_t count = co_await perform(&executor_, fill);
        if (is_closed_) co_return socket_closed();
        if (count < 0) co_return send_error(-count);
        progress.advance(static_cast<size_t>(count));
    }
    co_return Result<void>();
}

void UringSocket::close() {
    if (std::exchange(is_closed_, true)) return;
    if (receiving_ || sending_) {
        shutdown(fd_.get(), SHUT_RDWR);  // ends them; an error means that the connection had ended already
    } else {
        fd_.close();
    }
}

void UringAcceptor::arm(int fd) {
    is_armed_ = true;
    is_cancelled_ = false;
    executor_.prepare(this, [fd](io_uring_sqe* entry) {
        io_uring_prep_multishot_accept(entry, fd, nullptr, nullptr, SOCK_CLOEXEC);
    });
}

void UringAcceptor::cancel() {
    if (!is_armed_ || std::exchange(is_cancelled_, true)) return;
    executor_.prepare(nullptr, [this](io_uring_sqe* entry) { io_uring_prep_cancel(entry, this, 0); });
}

void UringAcceptor::abandon() {
    waiting_ = nullptr;
    accepted_.clear();
    cancel();
}

std::optional<Result<Descriptor>> UringAcceptor::take() {
    if (!accepted_.empty()) {
        Descriptor fd = std::move(accepted_.front());
        accepted_.pop_front();
        return Result<Descriptor>(std::move(fd));
    }
    if (error_ != 0) return Result<Descriptor>(accept_error(std::exchange(error_, 0)));
    return std::nullopt;
}

void UringAcceptor::complete(int32_t result, uint32_t flags) {
    if ((flags & IORING_CQE_F_MORE) == 0) is_armed_ = false;
    if (result >= 0) {
        Descriptor fd(result);
        if (waiting_ != nullptr) accepted_.push_back(std::move(fd));
    } else if (result != -ECANCELED && result != -EAGAIN && result != -EINTR) {
        error_ = -result;
    }
    if (waiting_ == nullptr) {
        if (!is_armed_) executor_.release(this);
        return;
    }
    if (accepted_.size() >= accepted_max) cancel();
    waiting_->wake_all();
}

UringListener::UringListener(UringExecutor& executor, Descriptor fd, Address local_address)
    : ThreadListener(std::move(local_address)),
      executor_(executor),
      fd_(std::move(fd)),
      acceptor_(std::make_unique<UringAcceptor>(executor, waiting_)) {}

UringListener::~UringListener() {
    ASSERT(!accepting_);
    close();
}

Task<Result<std::unique_ptr<Socket>>> UringListener::accept() {
    OneAtATime one(accepting_);
    while (acceptor_ != nullptr) {
        if (std::optional<Result<Descriptor>> next = acceptor_->take()) {
            CO_TRY(Descriptor fd, std::move(*next));
            set_no_delay(fd.get());
            co_return std::unique_ptr<Socket>(new UringSocket(executor_, std::move(fd)));
        }
        if (!acceptor_->is_armed()) acceptor_->arm(fd_.get());
        Waiter waiter(executor_, waiting_, never);
        co_await waiter;
    }
    co_return listener_closed();
}

void UringListener::close() {
    if (acceptor_ == nullptr) return;
    UringAcceptor* acceptor = acceptor_.get();
    bool was_armed = acceptor->is_armed();
    acceptor->abandon();
    executor_.keep(std::move(acceptor_));
    if (!was_armed) executor_.release(acceptor);
    // Submitted now, so that the port is free when this returns.
    if (was_armed) executor_.flush();
    fd_.close();
    waiting_.wake_all(Wake::closed);
}

Result<std::unique_ptr<Listener>> UringNetwork::make_listener(Descriptor fd, Address local_address) {
    return std::unique_ptr<Listener>(new UringListener(executor_, std::move(fd), std::move(local_address)));
}

Task<Result<std::unique_ptr<Socket>>> UringNetwork::connect_to(Descriptor fd, SocketAddress address, Instant deadline) {
    executor_.reserve(2);
    UringWait wait(executor_);
    UringOperation connect(wait, [&](io_uring_sqe* entry) {
        io_uring_prep_connect(entry, fd.get(), address.get(), address.size);
        if (deadline != never) entry->flags |= IOSQE_IO_LINK;
    });
    __kernel_timespec left{};
    std::optional<UringOperation> timeout;
    if (deadline != never) {
        left = to_kernel_timespec(std::max(deadline - executor_.now(), Duration::zero()));
        timeout.emplace(wait, [&](io_uring_sqe* entry) { io_uring_prep_link_timeout(entry, &left, 0); });
    }
    co_await wait;
    if (connect.result() == 0) co_return std::unique_ptr<Socket>(new UringSocket(executor_, std::move(fd)));
    bool is_late = timeout.has_value() && timeout->result() == -ETIME;
    co_return connect_error(is_late ? ETIMEDOUT : -connect.result());
}

}  // namespace ironbark
