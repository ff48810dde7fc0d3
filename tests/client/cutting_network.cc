#include "tests/client/cutting_network.h"

namespace ironbark::client {
namespace {

class CuttingSocket final : public Socket {
  public:
    CuttingSocket(std::unique_ptr<Socket> socket, Cut& cut) : socket_(std::move(socket)), cut_(cut) {}

    // The receive may have begun before the cut was armed: what it brings too much is dropped.
    Task<Result<size_t>> receive(BufferSlice into) override {
        if (is_at_end_) co_return end(cut_.received);
        Result<size_t> size = co_await socket_->receive(into);
        if (!size.ok() || *size == 0 || !cut_.received) co_return size;
        if (*cut_.received == 0) co_return end(cut_.received);
        size_t passed = std::min(*size, *cut_.received);
        is_at_end_ = passed < *size;
        *cut_.received -= passed;
        co_return passed;
    }

    Task<Result<void>> send(std::vector<BufferSlice> slices) override {
        if (!cut_.sent || *cut_.sent >= total_size(slices)) {
            if (cut_.sent) *cut_.sent -= total_size(slices);
            Result<void> sent = co_await socket_->send(std::move(slices));
            co_return sent;
        }
        std::vector<BufferSlice> part;
        for (const BufferSlice& slice : slices) {
            size_t size = std::min(slice.size, *cut_.sent);
            if (size > 0) part.push_back(slice.part(0, size));
            *cut_.sent -= size;
        }
        if (!part.empty()) {
            Result<void> sent = co_await socket_->send(std::move(part));
            if (!sent.ok()) co_return sent;
        }
        co_return end(cut_.sent);
    }

    void close() override { socket_->close(); }
    std::string peer() const override { return socket_->peer(); }

  private:
    Error end(std::optional<size_t>& armed) {
        armed.reset();
        ++cut_.cuts;
        socket_->close();
        return Error(ErrorCode::connection_closed, "the test cut the connection");
    }

    std::unique_ptr<Socket> socket_;
    Cut& cut_;
    bool is_at_end_ = false;
};

class CuttingListener final : public Listener {
  public:
    CuttingListener(std::unique_ptr<Listener> listener, Cut& cut) : listener_(std::move(listener)), cut_(cut) {}

    Task<Result<std::unique_ptr<Socket>>> accept() override {
        Result<std::unique_ptr<Socket>> socket = co_await listener_->accept();
        if (!socket.ok()) co_return socket.error();
        std::unique_ptr<Socket> cutting = std::make_unique<CuttingSocket>(std::move(socket).value(), cut_);
        co_return cutting;
    }
    void close() override { listener_->close(); }
    Address local_address() const override { return listener_->local_address(); }

  private:
    std::unique_ptr<Listener> listener_;
    Cut& cut_;
};

}  // namespace

Task<Result<std::unique_ptr<Listener>>> CuttingNetwork::listen(Address address) {
    Result<std::unique_ptr<Listener>> listener = co_await network_.listen(std::move(address));
    if (!listener.ok()) co_return listener.error();
    std::unique_ptr<Listener> cutting = std::make_unique<CuttingListener>(std::move(listener).value(), cut_);
    co_return cutting;
}

Task<Result<std::unique_ptr<Socket>>> CuttingNetwork::connect(Address address, Instant deadline) {
    Result<std::unique_ptr<Socket>> socket = co_await network_.connect(std::move(address), deadline);
    if (!socket.ok()) co_return socket.error();
    std::unique_ptr<Socket> cutting = std::make_unique<CuttingSocket>(std::move(socket).value(), cut_);
    co_return cutting;
}

}  // namespace ironbark::client
