// Server and channel over loopback, in every world that this machine has.
#include <gtest/gtest.h>

#include "tests/runtime/io/world_conformance.h"
#include "tests/runtime/rpc/test_broker.h"

namespace ironbark::rpc {
namespace {

using RpcWorldTest = testing::WorldTest;

Task<void> keep(Task<CallResult> call, std::vector<CallResult>* results) {
    CallResult result = co_await std::move(call);
    results->push_back(std::move(result));
}

Task<void> produce_and_fetch(World* world, Channel* channel) {
    std::vector<CallResult> produced;
    std::vector<CallResult> fetched;
    Scope scope(world->executor);
    Instant deadline = world->executor.now() + 60s;
    for (size_t number = 0; number < 200; ++number) {
        std::vector<BufferSlice> payload;
        payload.push_back(testing::pattern(*world, number * number * 5, number));
        Metadata request = produce_request(payload[0].size);
        scope.spawn(keep(channel->call(Method::produce, std::move(request), std::move(payload), deadline), &produced));
    }
    for (uint32_t size : {0u, 1u, 100'000u, 8u << 20}) {
        scope.spawn(keep(channel->call(Method::fetch, fetch_request(1, size), {}, deadline), &fetched));
    }
    co_await scope.join();
    EXPECT_EQ(produced.size(), 200u);
    for (const CallResult& result : produced) EXPECT_TRUE(result.ok()) << result.hint;
    size_t bytes = 0;
    for (const CallResult& result : fetched) {
        EXPECT_TRUE(result.ok()) << result.hint;
        bytes += result.payload.size;
    }
    EXPECT_EQ(bytes, 1u + 100'000u + (8u << 20));
}

Task<void> serve_and_call(World* world) {
    TestBroker broker(*world, ServerLimits{});
    Address any{"127.0.0.1", 0};
    Result<std::unique_ptr<Listener>> listener = co_await world->network.listen(std::move(any));
    ASSERT(listener.ok());
    broker.accepting.spawn(broker.server.serve(listener.value().get()));
    Introduction introduction(ClientIdentity{"test", "0.1", {}});
    Channel channel(*world, listener.value()->local_address(), introduction);
    co_await produce_and_fetch(world, &channel);
    EXPECT_EQ(broker.handler.produced.size(), 200u);
    for (size_t number = 0; number < broker.handler.produced.size(); ++number) {
        BufferSlice expected = testing::pattern(*world, number * number * 5, number);
        EXPECT_EQ(broker.handler.produced[number], as_text(expected.bytes()));
    }
    co_await stop_orderly(&broker);
    EXPECT_EQ(broker.server.memory_used(), 0u);
    co_await channel.close();
}

TEST_P(RpcWorldTest, CarriesRequestsAndAnswers) { play(serve_and_call(world())); }

INSTANTIATE_TEST_SUITE_P(Rpc, RpcWorldTest, ::testing::ValuesIn(testing::all_worlds()), testing::world_name);

}  // namespace
}  // namespace ironbark::rpc
