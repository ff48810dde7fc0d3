#pragma once
// A channel in a client process of a simulated world, the test's broker beside it, and a network between them that can
// be cut.

#include <optional>
#include <string>
#include <vector>

#include "runtime/rpc/channel.h"
#include "tests/runtime/rpc/cutting_network.h"
#include "tests/runtime/rpc/test_broker.h"

namespace ironbark::rpc {

using simulation::Options;

// A client program: a channel to the test's broker, through a network that may cut it.
struct TestClient {
    TestClient(World& the_world, ChannelOptions options, Cut cut)
        : network(the_world.network, cut),
          world{the_world.executor, the_world.disk, network, the_world.random, the_world.buffers},
          introduction(ClientIdentity{"test", "0.1", {}}),
          channel(world, Address{"broker", test_port}, introduction, options) {}

    CuttingNetwork network;
    World world;
    Introduction introduction;
    Channel channel;
};

constexpr Cut no_cut{SIZE_MAX, SIZE_MAX, false, false};

struct ChannelTest : RpcTest {
    explicit ChannelTest(ChannelOptions options = {}, Cut cut = no_cut, uint64_t seed = 1, Options world_options = {})
        : RpcTest({}, seed, world_options) {
        client.end();
        program = &client.start([=](World& world) { return std::make_unique<TestClient>(world, options, cut); });
    }
    ~ChannelTest() {
        client.run(program->channel.close());
        client.end();
    }
    Instant in(Duration duration) const { return simulation.now() + duration; }
    Task<CallResult> produce(Text payload, Duration patience = 10s) {
        std::vector<BufferSlice> slices;
        slices.push_back(program->world.buffers.copy_of(payload));
        return program->channel.call(Method::produce, produce_request(payload.size()), std::move(slices), in(patience));
    }
    Task<CallResult> fetch(int32_t wait_ms, uint32_t bytes, Duration patience = 10s) {
        return program->channel.call(Method::fetch, fetch_request(wait_ms, bytes), {}, in(patience));
    }
    // Starts a call beside the script; its result appears in `results`.
    void begin(Task<CallResult> call) {
        results.emplace_back();
        client.spawn(keep(std::move(call), this, results.size() - 1));
    }
    void begin_numbered(int number) {
        payloads.push_back(std::to_string(number));
        begin(produce(text(payloads.back()), 5s));
    }
    static Task<void> keep(Task<CallResult> call, ChannelTest* test, size_t index) {
        CallResult result = co_await std::move(call);
        test->results[index] = std::move(result);
        test->finished.push_back(index);
    }

    TestClient* program;
    std::vector<std::optional<CallResult>> results;
    std::vector<std::string> payloads;  // of calls with a number, as in `results`
    std::vector<size_t> finished;       // indices of results, in the order of their coming
};

// So that a call which cannot connect ends at once.
inline ChannelOptions one_attempt() {
    ChannelOptions options;
    options.attempts_max = 1;
    return options;
}

}  // namespace ironbark::rpc
