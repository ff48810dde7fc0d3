// The fault classes of the simulated network, and rules of runtime/io/world.h whose breach ends the test program.
#include <set>

#include "tests/simulation/network_fixture.h"

namespace ironbark::simulation {
namespace {

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
