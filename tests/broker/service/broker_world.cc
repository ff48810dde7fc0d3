#include "tests/broker/service/broker_world.h"

#include <spdlog/spdlog.h>

#include "runtime/rpc/convert.h"
#include "runtime/rpc/socket_deadline.h"

namespace ironbark::broker {
namespace {

constexpr size_t connections = 6;
constexpr Duration start_limit = std::chrono::minutes(10);

}  // namespace

Config small_config() {
    Config config;
    config.data_dir = "/data";
    config.listen = {"0.0.0.0", client_port};
    config.advertise = {"server", client_port};
    config.metrics = {"0.0.0.0", metrics_port};
    config.reserve_bytes = 1 << 20;
    config.tail_bytes = 1 << 20;
    config.connections_max = 64;
    return config;
}

ClientProgram::ClientProgram(World& the_world)
    : world(the_world), introduction(rpc::ClientIdentity{"test", "0.1", {}}) {
    connect();
}

void ClientProgram::connect() {
    for (size_t index = 0; index < connections; ++index) {
        channels.push_back(std::make_unique<rpc::Channel>(world, Address{"server", client_port}, introduction));
    }
}

void ClientProgram::disconnect(Node& node) {
    for (auto& channel : channels) node.run(channel->close());
    channels.clear();
    connect();
}

BrokerWorld::BrokerWorld(size_t shard_count, Config the_config, Options options, uint64_t seed)
    : shards(shard_count),
      config(std::move(the_config)),
      simulation(seed, options),
      server(simulation.node("server")),
      client(simulation.node("client")) {
    spdlog::set_level(spdlog::level::off);
    client_program_ = &client.start([](World& world) { return std::make_unique<ClientProgram>(world); });
    start();
}

BrokerWorld::~BrokerWorld() {
    for (auto& channel : client_program_->channels) client.run(channel->close());
    client.end();
    if (server.is_running()) stop();
}

std::string BrokerWorld::try_start() {
    auto make = [this](const std::vector<World*>& worlds) {
        return std::make_unique<Broker>(worlds, config, "simulated", "a test");
    };
    // Nobody tells a client that the power was lost: with its old connections, its first call would fail.
    if (server.starts() > 0) client_program_->disconnect(client);
    broker = &server.start(make, shards + 1);  // and control
    problem.clear();
    Result<void> started = server.run(broker->start(&problem), start_limit);
    if (started.ok()) return {};
    std::string said = problem.empty() ? std::string("(nothing said) ") + name(started.error().code) : problem;
    stop();
    return said;
}

void BrokerWorld::start() {
    std::string said = try_start();
    if (!said.empty()) simulation.fail("the broker does not start: " + said);
}

void BrokerWorld::stop() {
    server.run(broker->stop(), start_limit);
    server.end();
    broker = nullptr;
}

void BrokerWorld::kill() {
    server.kill();
    broker = nullptr;
}

void BrokerWorld::lose_power() {
    server.lose_power();
    broker = nullptr;
}

rpc::Channel& BrokerWorld::next_channel() {
    return *client_program_->channels[calls_++ % client_program_->channels.size()];
}

namespace {

Task<rpc::CallResult> call_on(
    rpc::Channel* channel, World* world, rpc::Method method, rpc::Metadata metadata, Text payload, Duration patience) {
    std::vector<BufferSlice> slices;
    if (!payload.empty()) slices.push_back(world->buffers.copy_of(payload));
    Instant deadline = world->executor.now() + patience;
    co_return co_await channel->call(method, std::move(metadata), std::move(slices), deadline);
}

Task<void> keep(Task<rpc::CallResult> call, Pending result) {
    rpc::CallResult answer = co_await std::move(call);
    result->emplace(std::move(answer));
}

Task<std::string> exchange_bytes(World* world, Address address, std::string bytes, Duration patience) {
    Result<std::unique_ptr<Socket>> connected = co_await world->network.connect(address, world->executor.now() + 10s);
    ASSERT(connected.ok());
    std::unique_ptr<Socket> socket = std::move(connected).value();
    rpc::SocketDeadline deadline(world->executor, *socket);
    deadline.arm(world->executor.now() + patience);
    std::vector<BufferSlice> slices;
    slices.push_back(world->buffers.copy_of(as_bytes(bytes)));
    (void)co_await socket->send(std::move(slices));
    std::string all;
    while (true) {
        BufferSlice into(world->buffers.take(64 << 10), 0, 64 << 10);
        Result<size_t> count = co_await socket->receive(into);
        if (!count.ok() || *count == 0) break;
        all += as_text(into.part(0, *count).bytes());
    }
    socket->close();
    co_return all;
}

}  // namespace

rpc::CallResult BrokerWorld::call(rpc::Method method, rpc::Metadata metadata, Text payload, Duration patience) {
    Task<rpc::CallResult> task =
        call_on(&next_channel(), &client.world(), method, std::move(metadata), std::move(payload), patience);
    return client.run(std::move(task), patience + 60s);
}

Pending BrokerWorld::begin(rpc::Method method, rpc::Metadata metadata, Text payload, Duration patience) {
    auto result = std::make_shared<std::optional<rpc::CallResult>>();
    Task<rpc::CallResult> task =
        call_on(&next_channel(), &client.world(), method, std::move(metadata), std::move(payload), patience);
    client.spawn(keep(std::move(task), result));
    return result;
}

rpc::CallResult BrokerWorld::wait_for(const Pending& pending, Duration limit) {
    if (!simulation.run_until([&] { return pending->has_value(); }, limit)) simulation.fail("a call does not end");
    return **pending;
}

std::string BrokerWorld::exchange(uint16_t port, std::string bytes, Duration patience) {
    return client.run(exchange_bytes(&client.world(), Address{"server", port}, std::move(bytes), patience));
}

std::string BrokerWorld::get(const std::string& path) {
    return exchange(metrics_port, "GET " + path + " HTTP/1.1\r\nHost: server\r\n\r\n");
}

ProduceAnswer BrokerWorld::produce(const std::vector<ProducePart>& parts, AckLevel level, int32_t timeout_ms) {
    Text payload;
    for (const ProducePart& part : parts) payload = std::move(payload) + part.frames;
    return read_produce(call(rpc::Method::produce, produce_request(parts, level, timeout_ms), std::move(payload)));
}

ReceiptSeen BrokerWorld::produce(const PartitionIdentity& partition, Text frames, AckLevel level, int32_t epoch) {
    ProduceAnswer answer = produce({{partition, std::move(frames), epoch}}, level);
    if (answer.said.ok()) return answer.receipts.at(0);
    ReceiptSeen refused;
    refused.said = answer.said;
    return refused;
}

Pending BrokerWorld::begin_produce(const PartitionIdentity& partition,
                                   Text frames,
                                   AckLevel level,
                                   int32_t timeout_ms) {
    std::vector<ProducePart> parts{{partition, frames}};
    return begin(rpc::Method::produce, produce_request(parts, level, timeout_ms), std::move(frames));
}

FetchAnswer BrokerWorld::fetch(const std::vector<FetchPart>& parts, FetchShape shape) {
    Duration patience = std::chrono::milliseconds(shape.wait_ms) + 60s;
    return read_fetch(call(rpc::Method::fetch, fetch_request(parts, shape), {}, patience), parts);
}

Fetched BrokerWorld::fetch(const PartitionIdentity& partition, int64_t offset, FetchShape shape) {
    FetchAnswer answer = fetch(std::vector<FetchPart>{{partition, offset}}, shape);
    if (answer.said.ok()) return answer.partitions.at(0);
    Fetched refused;
    refused.said = answer.said;
    return refused;
}

Pending BrokerWorld::begin_fetch(const std::vector<FetchPart>& parts, FetchShape shape) {
    return begin(rpc::Method::fetch, fetch_request(parts, shape));
}

std::vector<Seen> BrokerWorld::read_all(const PartitionIdentity& partition, int64_t offset, Visibility visibility) {
    std::vector<Seen> all;
    while (true) {
        FetchShape shape;
        shape.visibility = visibility;
        Fetched fetched = fetch(partition, offset, shape);
        if (!fetched.said.ok()) simulation.fail("a read fails: " + fetched.said.hint);
        if (fetched.records.empty()) return all;
        offset = fetched.records.back().offset + 1;
        all.insert(all.end(), fetched.records.begin(), fetched.records.end());
    }
}

OffsetSeen BrokerWorld::list(const PartitionIdentity& partition,
                             OffsetPlace place,
                             int64_t time,
                             Visibility visibility) {
    return read_list(call(rpc::Method::list_offsets, list_request({{partition, place, time}}, visibility))).at(0);
}

StartSeen BrokerWorld::delete_before(const PartitionIdentity& partition, int64_t before) {
    return read_delete(call(rpc::Method::delete_records, delete_request({{partition, before}}))).at(0);
}

Said BrokerWorld::create_topic(const std::string& name, const TopicShape& shape) {
    return said_by(call(rpc::Method::create_topic, create_request(name, shape)));
}

PartitionIdentity BrokerWorld::make_topic(const std::string& name, const TopicShape& shape) {
    Said said = create_topic(name, shape);
    if (!said.ok()) simulation.fail("the topic is not made: " + said.hint);
    return partition(name, 0);
}

Uuid BrokerWorld::topic_id(const std::string& name) {
    rpc::CallResult result = call(rpc::Method::metadata, metadata_request({name}, {}, false));
    ASSERT(result.ok());
    return rpc::from_wire(result.as<wire::MetadataResponse>().topics()->Get(0)->id());
}

Said BrokerWorld::alter_topic(const std::string& name, const Settings& set, const std::vector<std::string>& reset) {
    return said_by(call(rpc::Method::alter_topic, alter_request(name, set, reset, false)));
}

Said BrokerWorld::delete_topic(const std::string& name) {
    return said_by(call(rpc::Method::delete_topic, delete_topic_request(name, {})));
}

int64_t BrokerWorld::allocate_producer() {
    rpc::CallResult result = call(rpc::Method::allocate_producer_id, producer_id_request(-1, -1));
    ASSERT(result.ok());
    return result.as<wire::AllocateProducerIdResponse>().producer_id();
}

std::vector<std::string> BrokerWorld::files_of(const PartitionIdentity& partition) {
    std::vector<std::string> files;
    std::string part = "/partitions/" + partition.to_string() + "/";
    for (const std::string& path : server.disk().files()) {
        if (path.find(part) != std::string::npos) files.push_back(path);
    }
    return files;
}

std::string BrokerWorld::newest_segment(const PartitionIdentity& partition) {
    std::string newest;
    for (const std::string& path : files_of(partition)) {
        if (path.ends_with(".log")) newest = path;
    }
    if (newest.empty()) simulation.fail("the partition has no segment");
    return newest;
}

}  // namespace ironbark::broker
