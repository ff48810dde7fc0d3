#include <fcntl.h>
#include <sys/resource.h>

#include <atomic>
#include <thread>

#include "tests/runtime/io/network_stories.h"

namespace ironbark::testing {

class ListenerConformance : public WorldTest {};
INSTANTIATE_TEST_SUITE_P(Worlds, ListenerConformance, ::testing::ValuesIn(all_worlds()), world_name);

TEST_P(ListenerConformance, RefusesAPortThatIsInUse) {
    struct Story {
        static Task<void> run(World* world) {
            HAVE(auto listener, co_await world->network.listen(loopback(0)));
            EXPECT_ERROR(address_in_use, co_await world->network.listen(listener->local_address()));
        }
    };
    play(Story::run(world()));
}

TEST_P(ListenerConformance, FreesThePortWhenAListenerCloses) {
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

TEST_P(ListenerConformance, EndsAnAcceptThatIsWaitingWhenItCloses) {
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

TEST_P(ListenerConformance, GoesOnAcceptingAfterItRanOutOfDescriptors) {
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

TEST_P(ListenerConformance, AcceptsEveryConnectionThatCameBeforeSomebodyAsked) {
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

TEST_P(ListenerConformance, ClosesConnectionsThatNobodyTook) {
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
TEST_P(ListenerConformance, SharesAListenerBetweenTwoThreads) {
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
