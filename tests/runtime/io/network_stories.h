#pragma once
// What the stories of sockets and of listeners have in common.

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "runtime/io/descriptor.h"
#include "runtime/task/scope.h"
#include "tests/runtime/io/world_conformance.h"

namespace ironbark::testing {

inline Address loopback(uint16_t port) { return {"127.0.0.1", port}; }

inline sockaddr_in raw_loopback(uint16_t port) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return address;
}

// A connection made behind the world's back, blocking unless `flags` say otherwise.
inline Descriptor raw_connect(uint16_t port, int flags = 0) {
    Descriptor fd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | flags, 0));
    sockaddr_in address = raw_loopback(port);
    int result = connect(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address));
    EXPECT_TRUE(result == 0 || flags != 0);
    return fd;
}

// Both ends of a connection.
struct Pair {
    std::unique_ptr<Listener> listener;
    std::unique_ptr<Socket> client;
    std::unique_ptr<Socket> server;
};

inline Task<Result<Pair>> connect_pair(World* world) {
    Pair pair;
    CO_TRY(pair.listener, co_await world->network.listen(loopback(0)));
    uint16_t port = pair.listener->local_address().port;
    CO_TRY(pair.client, co_await world->network.connect(loopback(port), world->executor.now() + 10s));
    CO_TRY(pair.server, co_await pair.listener->accept());
    co_return std::move(pair);
}

inline Task<void> expect_accept_error(Listener* listener, ErrorCode code) {
    Result<std::unique_ptr<Socket>> socket = co_await listener->accept();
    EXPECT_STREQ(outcome(socket), name(code));
}

// Many turns: whoever was spawned has got as far as it can.
inline Task<void> let_others_run(Executor* executor) {
    for (int turn = 0; turn < 1000; ++turn) {
        Yield yield(*executor);
        co_await yield;
    }
}

}  // namespace ironbark::testing
