#pragma once
// A server in a simulated world, with a handler that does what requests ask of it, and a client node beside it.

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "runtime/base/assert.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/handshake.h"
#include "runtime/rpc/server.h"
#include "tests/runtime/rpc/messages.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::rpc {

constexpr uint16_t test_port = 9400;

// produce: waits while `is_held`, then answers with the number of produces before it. fetch: waits as long as it is
// asked to, then answers with as much payload as it is asked for. metadata: answers. Everything else is refused.
class TestHandler final : public Handler {
  public:
    explicit TestHandler(World& world) : released(world.executor), world_(world) { released.set(); }
    Task<Response> handle(Session& session, Request request) override;
    void ended(Session& session) override {
        ASSERT(session.is_open && session.is_closed);
        ended_sessions.push_back(session.number);
    }

    Event released;                     // reset: produces wait
    std::vector<uint64_t> started;      // correlations, in the order in which they were begun
    std::vector<std::string> produced;  // payloads
    size_t one_way = 0;
    size_t running = 0;
    size_t running_most = 0;
    std::string last_client_name, last_client_version;  // of the last handshake
    std::vector<uint64_t> ended_sessions;               // numbers

  private:
    Response handshake(Session& session, const Request& request);
    Task<Response> produce(Request request);
    Task<Response> fetch(Request request);
    World& world_;
};

struct TestBroker {
    TestBroker(World& the_world, ServerLimits limits)
        : world(the_world), handler(world), server(world, limits, handler), accepting(world.executor) {}

    World& world;
    TestHandler handler;
    Server server;
    std::unique_ptr<Listener> listener;
    Scope accepting;
};

Task<void> start_listening(TestBroker* broker);
Task<void> stop_orderly(TestBroker* broker);

struct RpcTest {
    explicit RpcTest(ServerLimits limits = {}, uint64_t seed = 1, simulation::Options options = {});

    void start_broker();
    World& client_world() { return client.world(); }
    ServerCounters counters() const { return broker->server.counters(); }
    uint64_t refused(Refusal refusal) const { return counters().refused[static_cast<size_t>(refusal)]; }
    // Sends these bytes on a connection of their own, and reads until it ends or `patience` has passed.
    std::string exchange(Text bytes, Duration patience = 60s);
    // The same, and the answer as frames.
    std::vector<ReceivedFrame> exchange_frames(Text bytes, Duration patience = 60s);

    ServerLimits limits;
    simulation::Simulation simulation;
    simulation::Node& broker_node;
    simulation::Node& client;
    TestBroker* broker = nullptr;
};

// The first frame of an orderly client.
Text handshake_frame(uint64_t correlation = 1);

Task<Result<std::unique_ptr<Socket>>> connect_to_broker(World* world);
// Whether the connection took them all.
Task<bool> send_bytes(World* world, Socket* socket, Text bytes);
// Reads until the connection ends, or ends it when `patience` has passed. Then the socket is closed.
Task<std::string> read_to_end(World* world, Socket* socket, Duration patience);

}  // namespace ironbark::rpc
