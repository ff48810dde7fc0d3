#pragma once
// Two nodes, n1 and n2; n2 listens. And verbs for both.

#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "runtime/task/scope.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

using SocketResult = Result<std::unique_ptr<Socket>>;
using ListenerResult = Result<std::unique_ptr<Listener>>;

constexpr uint16_t port = 9400;

// One end of a conversation: a program that tests give tasks to.
struct Peer {
    explicit Peer(World& borrowed) : world(borrowed) {}
    World& world;
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Socket> socket;
};

inline Task<void> listen(Peer* peer, std::string host) {
    Address address{std::move(host), port};
    ListenerResult listener = co_await peer->world.network.listen(std::move(address));
    ASSERT(listener.ok());
    peer->listener = std::move(*listener);
}

inline Task<void> accept(Peer* peer) {
    SocketResult socket = co_await peer->listener->accept();
    if (socket.ok()) peer->socket = std::move(*socket);
}

inline Task<Result<void>> connect(Peer* peer, std::string host, Instant deadline) {
    Address address{std::move(host), port};
    CO_TRY(peer->socket, co_await peer->world.network.connect(std::move(address), deadline));
    co_return Result<void>();
}

inline Task<Result<void>> send(Peer* peer, std::string text) {
    std::vector<BufferSlice> slices;
    slices.push_back(peer->world.buffers.copy_of(as_bytes(text)));
    co_return co_await peer->socket->send(std::move(slices));
}

// Receives until `size` bytes are there, the stream ends, or fails.
inline Task<Result<std::string>> receive(Peer* peer, size_t size) {
    std::string text;
    while (text.size() < size) {
        BufferSlice into(peer->world.buffers.take(65'536), 0, std::min<size_t>(size - text.size(), 65'536));
        CO_TRY(size_t count, co_await peer->socket->receive(into));
        if (count == 0) break;
        text += as_text(into.bytes().first(count));
    }
    co_return text;
}

inline Task<void> note_sent(Peer* peer, std::string text, bool* is_sent) {
    Result<void> sent = co_await send(peer, std::move(text));
    *is_sent = sent.ok();
}

inline Task<void> note_error(Peer* peer, ErrorCode* code) {
    Result<std::string> text = co_await receive(peer, 1);
    *code = text.ok() ? ErrorCode::none : text.error().code;
}

inline Task<void> note_text(Peer* peer, std::string* received) {
    Result<std::string> text = co_await receive(peer, 4);
    if (text.ok()) *received = *text;
}

inline Task<void> close(Peer* peer) {
    peer->socket->close();
    co_return;
}

struct NetworkWorld {
    explicit NetworkWorld(uint64_t seed, Options options = {})
        : simulation(seed, std::move(options)), left_node(simulation.node("n1")), right_node(simulation.node("n2")) {
        start(left_node, &left);
        start(right_node, &right);
        right_node.run(listen(right, "n2"));
    }
    static void start(Node& node, Peer** peer) {
        *peer = &node.start([](World& world) { return std::make_unique<Peer>(world); });
    }
    ~NetworkWorld() {
        left_node.kill();
        right_node.kill();
    }
    ErrorCode connect_code(Instant deadline = never) {
        Result<void> result = left_node.run(connect(left, "n2", deadline));
        return result.ok() ? ErrorCode::none : result.error().code;
    }
    void join() {
        ASSERT_EQ(connect_code(), ErrorCode::none);
        right_node.run(accept(right));
        ASSERT_NE(right->socket, nullptr);
    }
    Result<void> send_left(std::string text) { return left_node.run(send(left, std::move(text))); }
    Result<std::string> receive_right(size_t size) { return right_node.run(receive(right, size)); }
    Result<std::string> receive_left(size_t size) { return left_node.run(receive(left, size)); }
    Instant in(Duration duration) { return simulation.now() + duration; }
    SimulatedNetwork& network() { return simulation.network(); }

    Simulation simulation;
    Node& left_node;
    Node& right_node;
    Peer* left = nullptr;
    Peer* right = nullptr;
};

inline std::string letters(size_t count) {
    std::string text(count, ' ');
    for (size_t index = 0; index < count; ++index) text[index] = static_cast<char>('a' + index * 7 % 26);
    return text;
}

}  // namespace ironbark::simulation
