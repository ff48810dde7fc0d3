#include "runtime/io/thread_network.h"
#include "tests/runtime/io/network_stories.h"

namespace ironbark::testing {

class SocketConformance : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Worlds, SocketConformance, ::testing::ValuesIn(all_worlds()), world_name);

namespace {

void reset(Descriptor fd) {
    linger abort_on_close{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
}

constexpr size_t sent_sizes[] = {100'000, 1, 0, 31'071};

Task<void> send_pieces(World* world, Socket* socket, size_t piece_count, uint64_t seed) {
    for (size_t piece = 0; piece < piece_count; ++piece) {
        std::vector<BufferSlice> slices;
        for (size_t size : sent_sizes) slices.push_back(pattern(*world, size, seed + piece));
        EXPECT_OK(co_await socket->send(std::move(slices)));
    }
}

Task<bool> receive_exactly(Socket* socket, BufferSlice into) {
    size_t done = 0;
    while (done < into.size) {
        Result<size_t> count = co_await socket->receive(into.part(done, into.size - done));
        if (!count.ok() || *count == 0) co_return false;
        done += *count;
    }
    co_return true;
}

Task<void> expect_pieces(World* world, Socket* socket, size_t piece_count, uint64_t seed) {
    for (size_t piece = 0; piece < piece_count; ++piece) {
        for (size_t size : sent_sizes) {
            if (size == 0) continue;
            BufferSlice into = empty_slice(*world, size);
            EXPECT_TRUE(co_await receive_exactly(socket, into));
            EXPECT_TRUE(equal(into, pattern(*world, size, seed + piece)));
        }
    }
}

Task<void> expect_receive_error(World* world, Socket* socket, ErrorCode code) {
    Result<size_t> count = co_await socket->receive(empty_slice(*world, 100));
    EXPECT_STREQ(outcome(count), name(code));
}

Task<void> expect_send_error(World* world, Socket* socket, ErrorCode code) {
    Result<void> sent;
    std::vector<BufferSlice> slices = one(pattern(*world, size_t{1} << 20, 1));
    while (sent.ok()) sent = co_await socket->send(slices);
    EXPECT_STREQ(name(sent.error().code), name(code));
}

}  // namespace

TEST_P(SocketConformance, CarriesLargeTransfersBothWaysAtOnce) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));
            Scope scope(world->executor);
            scope.spawn(send_pieces(world, pair.client.get(), 100, 1));
            scope.spawn(send_pieces(world, pair.server.get(), 100, 2));
            scope.spawn(expect_pieces(world, pair.server.get(), 100, 1));
            scope.spawn(expect_pieces(world, pair.client.get(), 100, 2));
            co_await scope.join();
            pair.client->close();
            HAVE(size_t end, co_await pair.server->receive(empty_slice(*world, 1)));
            EXPECT_EQ(end, 0u);
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, SendsMoreSlicesThanTheKernelTakesAtOnce) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));
            BufferSlice whole = pattern(*world, 7000, 1);
            std::vector<BufferSlice> slices;
            for (size_t index = 0; index < whole.size; index += 2) slices.push_back(whole.part(index, 2));
            Scope scope(world->executor);
            struct Sender {
                static Task<void> run(Socket* socket, std::vector<BufferSlice> pieces) {
                    EXPECT_OK(co_await socket->send(std::move(pieces)));
                }
            };
            scope.spawn(Sender::run(pair.client.get(), std::move(slices)));
            BufferSlice into = empty_slice(*world, whole.size);
            EXPECT_TRUE(co_await receive_exactly(pair.server.get(), into));
            EXPECT_TRUE(equal(into, whole));
            co_await scope.join();
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, ServesManyConnectionsFairly) {
    struct Story {
        // Everyone sends to itself as fast as it can, until the quiet pair has got through.
        static Task<void> flood(World* world, Socket* from, Socket* to, const bool* done) {
            BufferSlice bytes = pattern(*world, 1000, 1);
            BufferSlice into = empty_slice(*world, 1000);
            while (!*done) {
                EXPECT_OK(co_await from->send(one(bytes)));
                EXPECT_TRUE(co_await receive_exactly(to, into));
            }
        }
        static Task<void> run(World* world) {
            std::vector<Pair> pairs;
            for (int index = 0; index < 8; ++index) {
                HAVE(Pair pair, co_await connect_pair(world));
                pairs.push_back(std::move(pair));
            }
            bool done = false;
            Scope scope(world->executor);
            for (size_t index = 1; index < pairs.size(); ++index) {
                scope.spawn(flood(world, pairs[index].client.get(), pairs[index].server.get(), &done));
            }
            Scope quiet(world->executor);
            quiet.spawn(send_pieces(world, pairs[0].client.get(), 20, 7));
            quiet.spawn(expect_pieces(world, pairs[0].server.get(), 20, 7));
            co_await quiet.join();
            done = true;
            co_await scope.join();
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, EndsAReceiveThatIsWaitingWhenItCloses) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));
            Scope scope(world->executor);
            scope.spawn(expect_receive_error(world, pair.client.get(), ErrorCode::closed));
            co_await let_others_run(&world->executor);
            pair.client->close();
            co_await scope.join();
            co_await expect_receive_error(world, pair.client.get(), ErrorCode::closed);
            HAVE(size_t end, co_await pair.server->receive(empty_slice(*world, 1)));
            EXPECT_EQ(end, 0u);
            pair.client->close();
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, EndsASendThatIsWaitingWhenItCloses) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));
            Scope scope(world->executor);
            scope.spawn(expect_send_error(world, pair.client.get(), ErrorCode::closed));
            co_await let_others_run(&world->executor);  // nobody receives: both buffers fill up
            EXPECT_EQ(scope.count(), 1u);
            pair.client->close();
            co_await scope.join();
            co_await expect_send_error(world, pair.client.get(), ErrorCode::closed);
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, SaysThatTheConnectionWasLostWhenThePeerResetsIt) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            Descriptor peer = raw_connect(listener->local_address().port);
            HAVE(auto socket, co_await listener->accept());
            Scope scope(world->executor);
            scope.spawn(expect_receive_error(world, socket.get(), ErrorCode::connection_closed));
            co_await let_others_run(&world->executor);
            reset(std::move(peer));
            co_await scope.join();
            co_await expect_send_error(world, socket.get(), ErrorCode::connection_closed);
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, SendsToAPeerThatHasGoneWithoutASignal) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));
            pair.server->close();
            co_await expect_send_error(world, pair.client.get(), ErrorCode::connection_closed);
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, SaysThatNobodyListens) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            uint16_t port = listener->local_address().port;
            listener->close();
            EXPECT_ERROR(connection_refused, co_await world->network.connect(loopback(port), never));
        }
    };
    play(Story::run(world()));
}

// A port of the range that clients get theirs from: dialled often enough, it is given to the one who dials.
TEST_P(SocketConformance, IsNotConnectedToItself) {
    struct Story {
        static Task<void> run(World* world) {
            auto* network = dynamic_cast<ThreadNetwork*>(&world->network);
            HAVE(Descriptor fd, network->make_socket(AF_INET));
            SocketAddress address;
            sockaddr_in any_port = raw_loopback(0);
            address.size = sizeof(any_port);
            EXPECT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&any_port), address.size), 0);
            EXPECT_EQ(getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address.storage), &address.size), 0);
            HAVE(Address own, local_address_of(fd.get()));
            EXPECT_ERROR(connection_refused, co_await network->connect_with(std::move(fd), address, never));
            HAVE(auto listener, co_await world->network.listen(own));
            EXPECT_EQ(listener->local_address(), own) << "the port is free at once";
        }
    };
    play(Story::run(world()));
}

TEST_P(SocketConformance, GivesUpConnectingAtTheDeadline) {
    // A listener whose queue is full: the kernel drops further attempts, and they wait.
    Descriptor listener(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = raw_loopback(0);
    socklen_t size = sizeof(address);
    ASSERT_EQ(bind(listener.get(), reinterpret_cast<sockaddr*>(&address), size), 0);
    ASSERT_EQ(listen(listener.get(), 0), 0);
    getsockname(listener.get(), reinterpret_cast<sockaddr*>(&address), &size);
    uint16_t port = ntohs(address.sin_port);
    std::vector<Descriptor> fillers;
    for (int index = 0; index < 4; ++index) fillers.push_back(raw_connect(port, SOCK_NONBLOCK));
    struct Story {
        static Task<void> run(World* world, uint16_t port) {
            Instant deadline = world->executor.now() + 30ms;
            EXPECT_ERROR(timed_out, co_await world->network.connect(loopback(port), deadline));
            EXPECT_GE(world->executor.now(), deadline);
            EXPECT_ERROR(timed_out, co_await world->network.connect(loopback(port), world->executor.now() - 1s));
        }
    };
    play(Story::run(world(), port));
}

TEST_P(SocketConformance, FindsHostsByName) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            Address by_name{"localhost", listener->local_address().port};
            HAVE(auto client, co_await world->network.connect(by_name, world->executor.now() + 10s));
            HAVE(auto server, co_await listener->accept());
            EXPECT_EQ(client->peer(), listener->local_address().to_string());
            EXPECT_EQ(server->peer().substr(0, 10), "127.0.0.1:");
            Address unknown{"no-such-host.invalid", 1};
            EXPECT_FALSE((co_await world->network.connect(unknown, world->executor.now() + 10s)).ok());
        }
    };
    play(Story::run(world()));
}

}  // namespace ironbark::testing
