// The simulated network: what TCP does, and what scripts can do to it.
#include "tests/simulation/simulated_network.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "runtime/task/scope.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

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

Task<void> listen(Peer* peer, std::string host) {
    Address address{std::move(host), port};
    ListenerResult listener = co_await peer->world.network.listen(std::move(address));
    ASSERT(listener.ok());
    peer->listener = std::move(*listener);
}

Task<void> accept(Peer* peer) {
    SocketResult socket = co_await peer->listener->accept();
    if (socket.ok()) peer->socket = std::move(*socket);
}

Task<Result<void>> connect(Peer* peer, std::string host, Instant deadline) {
    Address address{std::move(host), port};
    CO_TRY(peer->socket, co_await peer->world.network.connect(std::move(address), deadline));
    co_return Result<void>();
}

Task<Result<void>> send(Peer* peer, std::string text) {
    std::vector<BufferSlice> slices;
    slices.push_back(peer->world.buffers.copy_of(as_bytes(text)));
    co_return co_await peer->socket->send(std::move(slices));
}

// Receives until `size` bytes are there, the stream ends, or fails.
Task<Result<std::string>> receive(Peer* peer, size_t size) {
    std::string text;
    while (text.size() < size) {
        BufferSlice into(peer->world.buffers.take(65'536), 0, std::min<size_t>(size - text.size(), 65'536));
        CO_TRY(size_t count, co_await peer->socket->receive(into));
        if (count == 0) break;
        text += as_text(into.bytes().first(count));
    }
    co_return text;
}

Task<void> note_sent(Peer* peer, std::string text, bool* is_sent) {
    Result<void> sent = co_await send(peer, std::move(text));
    *is_sent = sent.ok();
}

Task<void> note_error(Peer* peer, ErrorCode* code) {
    Result<std::string> text = co_await receive(peer, 1);
    *code = text.ok() ? ErrorCode::none : text.error().code;
}

Task<void> note_text(Peer* peer, std::string* received) {
    Result<std::string> text = co_await receive(peer, 4);
    if (text.ok()) *received = *text;
}

Task<void> close(Peer* peer) {
    peer->socket->close();
    co_return;
}

// Two nodes, n1 and n2; n2 listens.
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

std::string letters(size_t count) {
    std::string text(count, ' ');
    for (size_t index = 0; index < count; ++index) text[index] = static_cast<char>('a' + index * 7 % 26);
    return text;
}

TEST(SimulatedNetwork, CarriesBytesInOrder) {
    for (uint64_t seed = 0; seed < 20; ++seed) {
        Options options;
        options.network.split = seed % 2 == 0;
        NetworkWorld world(seed, options);
        world.join();
        std::string text = letters(10'000);
        ASSERT_TRUE(world.send_left(text).ok());
        EXPECT_EQ(*world.receive_right(text.size()), text);
        ASSERT_TRUE(world.right_node.run(send(world.right, "back")).ok());
        EXPECT_EQ(*world.receive_left(4), "back");
        EXPECT_EQ(world.left->socket->peer(), "n2:9400");
        EXPECT_EQ(world.right->socket->peer().substr(0, 3), "n1:");
    }
}

TEST(SimulatedNetwork, TakesTime) {
    Options options;
    options.network.latency = Latency{10ms, 1us};
    NetworkWorld world(1, options);
    Instant start = world.simulation.now();
    world.join();
    EXPECT_GE(world.simulation.now() - start, 30ms);  // there, back, there
    start = world.simulation.now();
    ASSERT_TRUE(world.send_left("x").ok());
    EXPECT_EQ(world.simulation.now(), start);
    EXPECT_EQ(*world.receive_right(1), "x");
    EXPECT_GE(world.simulation.now() - start, 10ms);
}

TEST(SimulatedNetwork, SplitsWhatArrives) {
    Options options;
    options.network.split = true;
    size_t pieces_max = 0;
    for (uint64_t seed = 0; seed < 20; ++seed) {
        NetworkWorld world(seed, options);
        world.join();
        std::string text = letters(1000);
        ASSERT_TRUE(world.send_left(text).ok());
        std::string received;
        size_t pieces = 0;
        while (received.size() < text.size()) {
            BufferSlice into(world.right->world.buffers.take(4096), 0, 4096);
            Result<size_t> count = world.right_node.run(world.right->socket->receive(into));
            received += as_text(into.bytes().first(*count));
            ++pieces;
        }
        EXPECT_EQ(received, text);
        pieces_max = std::max(pieces_max, pieces);
    }
    EXPECT_GT(pieces_max, 3u);
}

TEST(SimulatedNetwork, HoldsSendersBackWhileNobodyReceives) {
    Options options;
    options.network.window_bytes = 1000;
    NetworkWorld world(1, options);
    world.join();
    std::string text = letters(5000);
    bool is_sent = false;
    world.left_node.spawn(note_sent(world.left, text, &is_sent));
    world.simulation.run_for(10s);
    EXPECT_FALSE(is_sent);
    EXPECT_EQ(*world.receive_right(text.size()), text);
    world.simulation.run_for(10s);
    EXPECT_TRUE(is_sent);
}

TEST(SimulatedNetwork, RefusesWhereNobodyListens) {
    NetworkWorld world(1);
    Address address{"n2", 1};
    SocketResult socket = world.left_node.run(world.left->world.network.connect(address, never));
    EXPECT_EQ(socket.error().code, ErrorCode::connection_refused);
    world.right->listener->close();
    EXPECT_EQ(world.connect_code(), ErrorCode::connection_refused);
    Address unknown{"n9", port};
    socket = world.left_node.run(world.left->world.network.connect(unknown, never));
    EXPECT_EQ(socket.error().code, ErrorCode::not_found);
}

TEST(SimulatedNetwork, KeepsLoopbackListenersLocal) {
    NetworkWorld world(1);
    world.right->listener->close();
    world.right_node.run(listen(world.right, "127.0.0.1"));
    EXPECT_EQ(world.connect_code(), ErrorCode::connection_refused);
    Address local{"localhost", port};
    SocketResult socket = world.right_node.run(world.right->world.network.connect(local, never));
    ASSERT_TRUE(socket.ok());
    (*socket)->close();
}

TEST(SimulatedNetwork, RefusesAPortThatIsInUse) {
    NetworkWorld world(1);
    Address address{"n2", port};
    ListenerResult second = world.right_node.run(world.right->world.network.listen(address));
    EXPECT_EQ(second.error().code, ErrorCode::address_in_use);
    Address any{"0.0.0.0", 0};
    ListenerResult free = world.right_node.run(world.right->world.network.listen(any));
    ASSERT_TRUE(free.ok());
    EXPECT_EQ((*free)->local_address().host, "n2");
    EXPECT_NE((*free)->local_address().port, 0);
    (*free)->close();
    Address foreign{"n1", port};
    EXPECT_FALSE(world.right_node.run(world.right->world.network.listen(foreign)).ok());
}

TEST(SimulatedNetwork, EndsAStreamAfterItsLastByte) {
    NetworkWorld world(1);
    world.join();
    ASSERT_TRUE(world.send_left("last").ok());
    world.left_node.run(close(world.left));
    EXPECT_EQ(*world.receive_right(100), "last");
    EXPECT_EQ(*world.receive_right(100), "");
    EXPECT_EQ(world.network().connections(), 1u);
    world.right_node.run(close(world.right));
    EXPECT_EQ(world.network().connections(), 0u);
}

TEST(SimulatedNetwork, EndsOperationsInFlightWhenItsOwnerCloses) {
    NetworkWorld world(1);
    world.join();
    ErrorCode code = ErrorCode::none;
    world.right_node.spawn(note_error(world.right, &code));
    world.simulation.run_for(1s);
    world.right_node.run(close(world.right));
    world.simulation.run_for(1s);
    EXPECT_EQ(code, ErrorCode::closed);
    world.right_node.spawn(accept(world.right));
    world.simulation.run_for(1s);
    world.right->listener->close();
    SocketResult socket = world.right_node.run(world.right->listener->accept());
    EXPECT_EQ(socket.error().code, ErrorCode::cancelled);
}

TEST(SimulatedNetwork, ResetsAPeerThatSendsToAClosedSocket) {
    NetworkWorld world(1);
    world.join();
    world.right_node.run(close(world.right));
    ASSERT_TRUE(world.send_left("too late").ok());  // nobody knows yet
    world.simulation.run_for(1s);
    EXPECT_EQ(world.send_left("x").error().code, ErrorCode::connection_closed);
}

TEST(SimulatedNetwork, ResetsAPeerWhoseBytesWereNotRead) {
    NetworkWorld world(1);
    world.join();
    ASSERT_TRUE(world.send_left("unread").ok());
    world.simulation.run_for(1s);
    world.right_node.run(close(world.right));
    EXPECT_EQ(world.receive_left(1).error().code, ErrorCode::connection_closed);
}

TEST(SimulatedNetwork, TellsThePeersOfAProcessThatWasKilled) {
    NetworkWorld world(1);
    world.join();
    world.right_node.kill();
    EXPECT_EQ(*world.receive_left(1), "");
    world.left->socket->close();
    EXPECT_EQ(world.connect_code(), ErrorCode::connection_refused);
}

TEST(SimulatedNetwork, TellsNobodyOfAMachineThatLostItsPower) {
    NetworkWorld world(1);
    world.join();
    world.right_node.lose_power();
    ErrorCode code = ErrorCode::none;
    world.left_node.spawn(note_error(world.left, &code));
    ASSERT_TRUE(world.send_left("anybody there?").ok());
    world.simulation.run_for(3600s);
    EXPECT_EQ(code, ErrorCode::none);  // half-open
    NetworkWorld::start(world.right_node, &world.right);
    world.simulation.run_for(1s);
    EXPECT_EQ(code, ErrorCode::connection_closed);  // what was sent is repeated, and answered with a reset
}

TEST(SimulatedNetwork, GivesUpConnectingAtTheDeadline) {
    NetworkWorld world(1);
    world.network().cut(world.right_node, world.left_node);
    Instant deadline = world.in(10s);
    EXPECT_EQ(world.connect_code(deadline), ErrorCode::timed_out);
    EXPECT_EQ(world.simulation.now(), deadline);
}

TEST(SimulatedNetwork, ConnectsWhenTheLinkIsHealedInTime) {
    NetworkWorld world(1);
    world.network().cut_both(world.left_node, world.right_node);
    world.simulation.after(5s, [&] { world.network().heal_both(world.left_node, world.right_node); });
    EXPECT_EQ(world.connect_code(world.in(10s)), ErrorCode::none);
}

TEST(SimulatedNetwork, HoldsBytesOnACutLinkUntilItIsHealed) {
    NetworkWorld world(1);
    world.join();
    world.network().cut(world.left_node, world.right_node);
    ASSERT_TRUE(world.send_left("held").ok());
    ASSERT_TRUE(world.right_node.run(send(world.right, "passes")).ok());  // only one direction is cut
    EXPECT_EQ(*world.receive_left(6), "passes");
    std::string received;
    world.right_node.spawn(note_text(world.right, &received));
    world.simulation.run_for(3600s);
    EXPECT_EQ(received, "");
    world.network().heal(world.left_node, world.right_node);
    world.simulation.run_for(1s);
    EXPECT_EQ(received, "held");
}

TEST(SimulatedNetwork, IsolatesANode) {
    NetworkWorld world(1);
    Node& third = world.simulation.node("n3");
    world.network().isolate(world.right_node);
    EXPECT_TRUE(world.network().is_cut(world.right_node, third));
    EXPECT_TRUE(world.network().is_cut(third, world.right_node));
    EXPECT_FALSE(world.network().is_cut(world.left_node, third));
    world.network().heal_all();
    EXPECT_FALSE(world.network().is_cut(world.right_node, third));
}

TEST(SimulatedNetwork, SharesAListenerBetweenShards) {
    for (uint64_t seed = 0; seed < 10; ++seed) {
        Simulation simulation(seed);
        Node& server = simulation.node("n1");
        Node& client = simulation.node("n2");
        server.boot(2);
        client.boot();
        Address address{"n1", port};
        ListenerResult first = server.run(server.world(0).network.listen(address));
        ListenerResult second = server.world(1).network.share(**first);
        std::vector<std::unique_ptr<Socket>> sockets;
        for (int count = 0; count < 4; ++count) {
            SocketResult socket = client.run(client.world().network.connect(address, never));
            sockets.push_back(std::move(*socket));
        }
        for (size_t shard = 0; shard < 2; ++shard) {
            Listener& listener = shard == 0 ? **first : **second;
            for (int count = 0; count < 2; ++count) {
                SocketResult socket = server.run(listener.accept(), 1s, shard);
                ASSERT_TRUE(socket.ok());
                (*socket)->close();
            }
        }
        for (auto& socket : sockets) socket->close();
        (*first)->close();
        SocketResult late = client.run(client.world().network.connect(address, never));
        ASSERT_TRUE(late.ok());  // one acceptor is left
        (*late)->close();
        (*second)->close();
    }
}

// Faults

// Sends until the connection fails, and says how much of it arrived.
struct Ending {
    size_t sent = 0;
    std::string received;
    ErrorCode code = ErrorCode::none;
};

Task<void> send_for_ever(Peer* peer, Ending* ending) {
    while (true) {
        Result<void> sent = co_await send(peer, letters(26));
        if (!sent.ok()) co_return;
        ending->sent += 26;
    }
}

Task<void> receive_for_ever(Peer* peer, Ending* ending) {
    while (true) {
        Result<std::string> text = co_await receive(peer, 1);
        if (!text.ok()) ending->code = text.error().code;
        if (!text.ok()) co_return;
        ending->received += *text;
    }
}

Ending end_of(uint64_t seed, Options options) {
    options.network.window_bytes = 1000;
    Ending ending;
    NetworkWorld world(seed, options);
    world.join();
    world.left_node.spawn(send_for_ever(world.left, &ending));
    world.right_node.spawn(receive_for_ever(world.right, &ending));
    world.simulation.run_for(100ms);
    return ending;
}

TEST(NetworkFaults, ResetAConnectionAtAnyByte) {
    Options options;
    options.network.reset = one_in(20);
    std::set<size_t> places;
    for (uint64_t seed = 0; seed < 50; ++seed) {
        Ending ending = end_of(seed, options);
        EXPECT_EQ(ending.code, ErrorCode::connection_closed);
        EXPECT_LE(ending.received.size(), ending.sent + 26);
        EXPECT_EQ(ending.received, letters(26 * 1000).substr(0, ending.received.size()));
        places.insert(ending.received.size() % 26);
    }
    EXPECT_GT(places.size(), 10u);
}

TEST(NetworkFaults, MakeAConnectionABlackHole) {
    Options options;
    options.network.blackhole = one_in(20);
    Ending ending = end_of(1, options);
    EXPECT_EQ(ending.code, ErrorCode::none);
    EXPECT_LT(ending.received.size(), ending.sent);
    EXPECT_GT(ending.sent, 0u);
}

TEST(NetworkFaults, DelayBytesWithoutReorderingThem) {
    Options options;
    options.network.delay = one_in(2);
    NetworkWorld world(1, options);
    world.join();
    Instant start = world.simulation.now();
    std::string text;
    for (int count = 0; count < 20; ++count) {
        ASSERT_TRUE(world.send_left(letters(10)).ok());
        text += letters(10);
    }
    EXPECT_EQ(*world.receive_right(text.size()), text);
    EXPECT_GT(world.simulation.now() - start, 300ms);
}

// Rules

Task<void> send_once(Peer* peer) { static_cast<void>(co_await send(peer, letters(5000))); }

Task<void> send_twice(Peer* peer) {
    Scope scope(peer->world.executor);
    scope.spawn(send_once(peer));
    scope.spawn(send_once(peer));
    co_await scope.join();
}

TEST(NetworkRulesDeathTest, OneSendAtATime) {
    Options options;
    options.network.window_bytes = 1000;
    NetworkWorld world(1, options);
    world.join();
    EXPECT_DEATH(world.left_node.run(send_twice(world.left)), "two sends of one socket are in flight");
}

TEST(NetworkRulesDeathTest, SocketsAreClosedBeforeTheyAreDestroyed) {
    NetworkWorld world(1);
    world.join();
    EXPECT_DEATH(world.left->socket.reset(), "destroyed before it was closed");
}

}  // namespace
}  // namespace ironbark::simulation
