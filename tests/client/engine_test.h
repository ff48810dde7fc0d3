#pragma once
// A fake broker and the engines of a client in the simulator, with a network between them that can be cut.

#include <memory>
#include <string>
#include <vector>

#include "client/consumer_engine.h"
#include "client/producer_engine.h"
#include "client/records_builder.h"
#include "tests/client/cutting_network.h"
#include "tests/client/fake_broker.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::client {

constexpr uint16_t test_port = 9400;

struct BrokerProgram {
    explicit BrokerProgram(World& world) : broker(world, {"broker", test_port}), server(world, broker) {}
    FakeBroker broker;
    FakeServer server;
};

struct ProducerProgram {
    ProducerProgram(World& outer, Settings settings)
        : network(outer.network, cut),
          world{outer.executor, outer.disk, network, outer.random, outer.buffers},
          router(world, RouterOptions::of(settings)),
          engine(world, router, ProducerOptions::of(settings)),
          running(world.executor) {
        running.spawn(router.run());
        running.spawn(engine.run());
    }

    Cut cut;
    CuttingNetwork network;
    World world;
    Router router;
    ProducerEngine engine;
    Scope running;
    // What became of the records, in the order in which they were resolved.
    struct Sent {
        std::string value;
        std::optional<Receipt> receipt;
        Failure failure;
    };
    std::vector<Sent> results;
};

// Accepts a record of one partition, as the facade does.
inline Task<Expected<void>> accept(ProducerProgram* program, std::string topic, int32_t partition, std::string value) {
    Instant deadline = program->world.executor.now() + 10s;
    Expected<ProducerTopic*> loaded = co_await program->engine.load_topic(topic, deadline);
    if (!loaded.ok()) co_return loaded.error();
    record::NewRecord record;
    record.timestamp = Timestamp(program->world.executor.wall_milliseconds());
    record.value = as_bytes(value);
    SendCallback callback = [program, value](const Expected<Receipt>& sent) {
        ProducerProgram::Sent result;
        result.value = value;
        if (sent.ok()) result.receipt = *sent;
        if (!sent.ok()) result.failure = sent.error();
        program->results.push_back(std::move(result));
    };
    PartitionQueue* queue = (*loaded)->partition(partition);
    if (queue == nullptr) co_await program->engine.look_for_partition(topic, partition, deadline);
    queue = (*loaded)->partition(partition);
    if (queue == nullptr) co_return not_done(ErrorCode::unknown_topic_or_partition, "no such partition");
    Result<Append> appended =
        program->engine.accumulator().append(*queue, record, callback, program->world.executor, true);
    if (!appended.ok()) co_return failure_of(appended.error());
    if (*appended != Append::done) co_return not_done(ErrorCode::queue_full, "not done");
    co_return Expected<void>();
}

inline Task<Expected<void>> stop_program(ProducerProgram* program, Duration patience) {
    Expected<void> closed = co_await program->engine.close(program->world.executor.now() + patience);
    co_await program->running.join();
    co_return closed;
}

inline Settings test_settings() {
    Settings settings;
    settings.bootstrap_servers = "broker:9400";
    settings.linger = std::chrono::milliseconds(0);
    return settings;
}

inline Settings two_addresses() {
    Settings settings = test_settings();
    settings.bootstrap_servers = "broker:9400,broker2:9400";
    return settings;
}

// Beside the first one, with its topics.
struct SecondBroker {
    SecondBroker(World& world, FakeBroker& first) : broker(world, {"broker2", test_port}, 2), server(world, broker) {
        broker.share_topics(first);
        broker.add_broker(1, {"broker", test_port});
        first.add_broker(2, {"broker2", test_port});
    }
    FakeBroker broker;
    FakeServer server;
};

struct ProducerTest {
    explicit ProducerTest(Settings settings = test_settings(),
                          uint64_t seed = 1,
                          simulation::Options options = {})
        : simulation(seed, options),
          broker_node(simulation.node("broker")),
          client_node(simulation.node("client")),
          server(broker_node.start([](World& world) { return std::make_unique<BrokerProgram>(world); })),
          program(client_node.start(
              [settings](World& world) { return std::make_unique<ProducerProgram>(world, settings); })) {
        Address address{"0.0.0.0", test_port};
        broker_node.run(start(&server.server, address));
        broker().make_topic("t", 2);
    }

    FakeBroker& broker() { return server.broker; }
    void move_leader(int32_t to) {
        FakePartition& partition = broker().find("t")->partitions[0];
        partition.leader = to;
        ++partition.epoch;
    }
    Expected<void> send(const std::string& value, int32_t partition = 0, const std::string& topic = "t") {
        return client_node.run(accept(&program, topic, partition, value));
    }
    // Lets time pass until so many records are resolved.
    bool wait_for(size_t count, Duration limit = std::chrono::minutes(10)) {
        return simulation.run_until([&] { return program.results.size() >= count; }, limit);
    }
    // Sends one and waits for it: connection, metadata and producer id are there afterwards.
    void warm_up() {
        if (!send("first").ok() || !wait_for(1)) simulation.fail("the first record was not written");
    }
    std::vector<std::string> written(int32_t partition = 0) { return server.broker.values("t", partition); }
    Expected<void> close(Duration patience = 0s) { return client_node.run(stop_program(&program, patience)); }

    simulation::Simulation simulation;
    simulation::Node& broker_node;
    simulation::Node& client_node;
    BrokerProgram& server;
    ProducerProgram& program;
};

}  // namespace ironbark::client
