#include "tests/runtime/rpc/cutting_network.h"

#include <algorithm>

namespace ironbark::rpc {

class CutSocket final : public Socket {
  public:
    CutSocket(std::unique_ptr<Socket> socket, CuttingNetwork& network)
        : socket_(std::move(socket)), network_(network) {}

    Task<Result<size_t>> receive(BufferSlice into) override {
        size_t left = network_.cut_.received_max - network_.received;
        if (left == 0) {
            socket_->close();
            co_return ErrorCode::connection_closed;
        }
        BufferSlice part = into.part(0, std::min(into.size, left));
        Result<size_t> count = co_await socket_->receive(std::move(part));
        if (count.ok()) network_.received += *count;
        co_return count;
    }
    Task<Result<void>> send(std::vector<BufferSlice> slices) override {
        size_t left = network_.cut_.sent_max - network_.sent;
        bool is_cut = total_size(slices) > left;
        std::vector<BufferSlice> part;
        for (const BufferSlice& slice : slices) {
            part.push_back(slice.part(0, std::min(slice.size, left)));
            left -= part.back().size;
        }
        network_.sent += total_size(part);
        Result<void> sent = co_await socket_->send(std::move(part));
        if (!is_cut) co_return sent;
        socket_->close();
        if (network_.cut_.is_silent) co_return Result<void>();
        co_return Result<void>(ErrorCode::connection_closed);
    }
    void close() override { socket_->close(); }
    std::string peer() const override { return socket_->peer(); }

  private:
    std::unique_ptr<Socket> socket_;
    CuttingNetwork& network_;
};

Task<Result<std::unique_ptr<Listener>>> CuttingNetwork::listen(Address address) {
    return network_.listen(std::move(address));
}

Task<Result<std::unique_ptr<Socket>>> CuttingNetwork::connect(Address address, Instant deadline) {
    bool is_first = ++connections == 1;
    if (!is_first && cut_.refuses_later) co_return ErrorCode::connection_refused;
    CO_TRY(std::unique_ptr<Socket> socket, co_await network_.connect(std::move(address), deadline));
    if (!is_first) co_return std::move(socket);
    co_return std::unique_ptr<Socket>(std::make_unique<CutSocket>(std::move(socket), *this));
}

}  // namespace ironbark::rpc
