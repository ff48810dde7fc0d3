#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <thread>

#include "runtime/io/descriptor.h"
#include "runtime/task/scope.h"
#include "tests/runtime/io/world_conformance.h"

namespace ironbark::testing {

class NetworkConformance : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Worlds, NetworkConformance, ::testing::ValuesIn(all_worlds()), world_name);

namespace {

Address loopback(uint16_t port) { return {"127.0.0.1", port}; }

sockaddr_in raw_loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// A connection made behind the world's back, blocking unless `flags` say otherwise.
Descriptor raw_connect(uint16_t port, int flags = 0) {
    Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    sockaddr_in address = raw_loopback(port);
    int result = connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    EXPECT_TRUE(result == 0 || flags != 0);
    return fd;
}

void reset(Descriptor fd) {
    linger abort_on_close{1, 0};
    setsockopt(fd.get(), SOL_SOCKET, SO_LINGER, &abort_on_close, sizeof(abort_on_close));
}

struct Pair {
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Socket> client;
    std::unique_ptr<Socket> server;
};

Task<Result<Pair>> connect_pair(World* world) {
    Pair pair;
    CO_TRY(pair.listener, co_await world->network.listen(loopback(0)));
    uint16_t port = pair.listener->local_address().port;
    CO_TRY(pair.client, co_await world->network.connect(loopback(port), world->executor.now() + 10s));
    CO_TRY(pair.server, co_await pair.listener->accept());
    co_return std::move(pair);
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

Task<void> expect_accept_error(Listener* listener, ErrorCode code) {
    Result<std::unique_ptr<Socket>> socket = co_await listener->accept();
    EXPECT_STREQ(outcome(socket), name(code));
}

Task<void> let_others_run(Executor* executor) {
    // Many turns: whoever was spawned has got as far as it can.
    for (int turn = 0; turn < 1000; ++turn) {
        Yield yield(*executor);
        co_await yield;
    }
}

}  // namespace

TEST_P(NetworkConformance, CarriesLargeTransfersBothWaysAtOnce) {
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

TEST_P(NetworkConformance, SendsMoreSlicesThanTheKernelTakesAtOnce) {
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

TEST_P(NetworkConformance, ServesManyConnectionsFairly) {
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

TEST_P(NetworkConformance, EndsAReceiveThatIsWaitingWhenItCloses) {
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

TEST_P(NetworkConformance, EndsASendThatIsWaitingWhenItCloses) {
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

TEST_P(NetworkConformance, SaysThatTheConnectionWasLostWhenThePeerResetsIt) {
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

TEST_P(NetworkConformance, SendsToAPeerThatHasGoneWithoutASignal) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));
            pair.server->close();
            co_await expect_send_error(world, pair.client.get(), ErrorCode::connection_closed);
        }
    };
    play(Story::run(world()));
}

TEST_P(NetworkConformance, SaysThatNobodyListens) {
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

TEST_P(NetworkConformance, GivesUpConnectingAtTheDeadline) {
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

TEST_P(NetworkConformance, FindsHostsByName) {
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

TEST_P(NetworkConformance, RefusesAPortThatIsInUse) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            EXPECT_ERROR(address_in_use, co_await world->network.listen(listener->local_address()));
        }
    };
    play(Story::run(world()));
}

TEST_P(NetworkConformance, FreesThePortWhenAListenerCloses) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(Pair pair, co_await connect_pair(world));  // old connections do not matter
            Scope scope(world->executor);
            scope.spawn(expect_accept_error(pair.listener.get(), ErrorCode::cancelled));
            co_await let_others_run(&world->executor);
            pair.listener->close();
            HAVE(auto again, co_await world->network.listen(pair.listener->local_address()));
            co_await scope.join();
        }
    };
    play(Story::run(world()));
}

TEST_P(NetworkConformance, EndsAnAcceptThatIsWaitingWhenItCloses) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            Scope scope(world->executor);
            scope.spawn(expect_accept_error(listener.get(), ErrorCode::cancelled));
            co_await let_others_run(&world->executor);
            listener->close();
            co_await scope.join();
            co_await expect_accept_error(listener.get(), ErrorCode::cancelled);
        }
    };
    play(Story::run(world()));
}

TEST_P(NetworkConformance, GoesOnAcceptingAfterItRanOutOfDescriptors) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            Descriptor peer = raw_connect(listener->local_address().port);
            rlimit previous;
            getrlimit(RLIMIT_NOFILE, &previous);
            rlimit limit{200, previous.rlim_max};
            setrlimit(RLIMIT_NOFILE, &limit);
            std::vector<Descriptor> hoard;
            while (true) {
                Descriptor fd(fcntl(0, F_DUPFD_CLOEXEC, 0));
                if (!fd.is_open()) break;
                hoard.push_back(std::move(fd));
            }
            co_await expect_accept_error(listener.get(), ErrorCode::overloaded);
            hoard.clear();
            setrlimit(RLIMIT_NOFILE, &previous);
            EXPECT_OK(co_await listener->accept());
        }
    };
    play(Story::run(world()));
}

TEST_P(NetworkConformance, AcceptsEveryConnectionThatCameBeforeSomebodyAsked) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            for (int round = 0; round < 2; ++round) {
                std::vector<Descriptor> peers;
                for (int index = 0; index < 100; ++index) peers.push_back(raw_connect(listener->local_address().port));
                for (int index = 0; index < 100; ++index) {
                    HAVE(auto socket, co_await listener->accept());
                    Yield yield(world->executor);
                    co_await yield;
                    socket->close();
                }
            }
        }
    };
    play(Story::run(world()));
}

TEST_P(NetworkConformance, ClosesConnectionsThatNobodyTook) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            Scope scope(world->executor);
            struct First {
                static Task<void> accept(Listener* from) { EXPECT_OK(co_await from->accept()); }
            };
            scope.spawn(First::accept(listener.get()));
            co_await let_others_run(&world->executor);
            uint16_t port = listener->local_address().port;
            Descriptor first = raw_connect(port);
            Descriptor second = raw_connect(port);
            co_await scope.join();
            co_await let_others_run(&world->executor);
            listener->close();
            char byte;
            EXPECT_LE(read(second.get(), &byte, 1), 0);
        }
    };
    play(Story::run(world()));
}

// Two threads accept on one listening socket, each with a world of its own. The one who accepts the last connection
// closes both.
TEST_P(NetworkConformance, SharesAListenerBetweenTwoThreads) {
    constexpr int connections = 60;
    struct Acceptor {
        ThreadWorld* thread_world;
        std::unique_ptr<Listener> listener;
        Acceptor* other = nullptr;
        std::atomic<int>* left = nullptr;

        static Task<void> serve(Acceptor* self) {
            World& world = self->thread_world->world();
            while (true) {
                Result<std::unique_ptr<Socket>> socket = co_await self->listener->accept();
                if (!socket.ok()) co_return;
                EXPECT_OK(co_await (*socket)->send(one(pattern(world, 1, 1))));
                if (self->left->fetch_sub(1) != 1) continue;
                for (Acceptor* acceptor : {self, self->other}) {
                    acceptor->thread_world->executor().post_remote([acceptor] { acceptor->listener->close(); });
                }
            }
        }
        static Task<void> listen(Acceptor* self) {
            HAVE(self->listener, co_await self->thread_world->world().network.listen(loopback(0)));
        }
    };
    std::atomic<int> left = connections;
    std::unique_ptr<ThreadWorld> second_world = make_world(GetParam());
    Acceptor first{&thread_world(), nullptr, nullptr, &left};
    Acceptor second{second_world.get(), nullptr, &first, &left};
    first.other = &second;
    play(Acceptor::listen(&first));
    ASSERT_NE(first.listener, nullptr);
    Result<std::unique_ptr<Listener>> shared = second_world->world().network.share(*first.listener);
    ASSERT_TRUE(shared.ok());
    second.listener = std::move(shared).value();
    EXPECT_EQ(second.listener->local_address(), first.listener->local_address());
    uint16_t port = first.listener->local_address().port;
    std::thread second_thread([&] { second_world->executor().run_until_done(Acceptor::serve(&second)); });
    std::thread clients([port] {
        for (int index = 0; index < connections; ++index) {
            Descriptor fd = raw_connect(port);
            char byte = 0;
            EXPECT_EQ(read(fd.get(), &byte, 1), 1);
        }
    });
    play(Acceptor::serve(&first));
    second_thread.join();
    clients.join();
    EXPECT_EQ(left.load(), 0);
}

}  // namespace ironbark::testing
