#include "tests/simulation/simulated_socket.h"

#include <algorithm>
#include <utility>

#include "runtime/base/checksum.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

constexpr Error socket_closed(ErrorCode::closed, "the socket was closed by this side");
constexpr Error connection_reset(ErrorCode::connection_closed, "the connection was reset");

uint64_t hash_of_slices(const std::vector<BufferSlice>& slices) {
    uint64_t hash = 0;
    for (const BufferSlice& slice : slices) hash = xxh3(slice.bytes(), hash);
    return hash;
}

}  // namespace

SimulatedSocket::SimulatedSocket(SimulatedNetwork& network,
                                 uint64_t connection_number,
                                 Connection::Side side,
                                 Executor& executor)
    : network_(network),
      connection_(connection_number),
      side_(side),
      executor_(executor),
      readable_(executor),
      writable_(executor) {
    Connection& made = connection();
    made.attach(side, this);
    bool is_client = side == Connection::client;
    // A client's own port is made up from the connection, so that servers can tell connections apart.
    uint64_t port = is_client ? made.port() : 10'000 + connection_ % 50'000;
    peer_ = made.node(is_client ? Connection::server : Connection::client).name() + ":" + std::to_string(port);
}

SimulatedSocket::~SimulatedSocket() {
    if (executor_.has_crashed()) return;
    if (is_open_) fail("a socket was destroyed before it was closed");
    if (is_receiving_ || is_sending_) fail("a socket was destroyed with an operation in flight");
}

void SimulatedSocket::fail(const char* what) {
    static_cast<SimulatedExecutor&>(executor_).node().simulation().fail(what);
}

Task<Result<size_t>> SimulatedSocket::receive(BufferSlice into) {
    if (std::exchange(is_receiving_, true)) fail("two receives of one socket are in flight");
    Result<size_t> result = co_await receive_some(std::move(into));
    is_receiving_ = false;
    co_return result;
}

Task<Result<size_t>> SimulatedSocket::receive_some(BufferSlice into) {
    while (is_alive()) {
        Connection& here = connection();
        size_t count = here.receive(side_, MutableBytes(into.data(), into.size));
        if (count > 0) co_return count;
        if (here.was_reset(side_)) co_return connection_reset;
        if (here.has_ended(side_)) co_return size_t{0};
        co_await readable_.wait();
    }
    co_return socket_closed;
}

Task<Result<void>> SimulatedSocket::send(std::vector<BufferSlice> slices) {
    if (std::exchange(is_sending_, true)) fail("two sends of one socket are in flight");
    uint64_t hash = hash_of_slices(slices);
    Result<void> result;
    for (size_t index = 0; index < slices.size() && result.ok(); ++index) {
        result = co_await send_all(slices[index].bytes());
    }
    if (hash_of_slices(slices) != hash) fail("a buffer was changed while it was being sent");
    is_sending_ = false;
    co_return result;
}

// `bytes` are the caller's, who awaits this.
Task<Result<void>> SimulatedSocket::send_all(Bytes bytes) {
    while (!bytes.empty()) {
        if (!is_alive()) co_return socket_closed;
        Connection& here = connection();
        if (here.was_reset(side_)) co_return connection_reset;
        size_t count = std::min<size_t>(bytes.size(), here.room(side_));
        if (count > 0) {
            here.send(side_, bytes.first(count));
            bytes = bytes.subspan(count);
        } else {
            co_await writable_.wait();
        }
    }
    co_return Result<void>();
}

void SimulatedSocket::close() {
    if (!is_open_) return;
    if (!executor_.has_crashed()) network_.close(connection_, side_);
    is_open_ = false;
    readable_.close();
    writable_.close();
}

}  // namespace ironbark::simulation
