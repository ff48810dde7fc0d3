// The simulated network: what TCP does, and what scripts can do to it.
#include "tests/simulation/network_fixture.h"

namespace ironbark::simulation {
namespace {

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

}  // namespace
}  // namespace ironbark::simulation
