#include "tests/broker/cluster/cluster_world.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/control/control.h"

namespace ironbark::broker {
namespace {

constexpr uint16_t client_port = 9400;
constexpr uint16_t metrics_port = 9401;
constexpr uint16_t cluster_port = 9402;
constexpr Duration stop_limit = 60s;

Config node_config(int32_t id, size_t voters) {
    const std::string host = "n" + std::to_string(id);
    Config config;
    config.data_dir = "/data";
    config.broker_id = id;
    config.listen = {"0.0.0.0", client_port};
    config.advertise = {host, client_port};
    config.metrics_enabled = false;
    config.reserve_bytes = 1 << 20;
    config.tail_bytes = 1 << 20;
    config.connections_max = 64;
    for (size_t voter = 1; voter <= voters; ++voter) {
        const auto number = static_cast<int32_t>(voter);
        config.voters.push_back({number, {"n" + std::to_string(number), cluster_port}});
    }
    config.cluster_listen = {"0.0.0.0", cluster_port};
    config.cluster_advertise = {host, cluster_port};
    config.cluster_secret = cluster_secret;
    return config;
}

Task<void> keep_call(rpc::Channel* channel,
                     World* world,
                     rpc::Method method,
                     rpc::Metadata metadata,
                     Text payload,
                     Duration patience,
                     ClusterWorld::Pending into) {
    std::vector<BufferSlice> slices;
    if (!payload.empty()) slices.push_back(world->buffers.copy_of(payload));
    const Instant deadline = world->executor.now() + patience;
    rpc::CallResult result = co_await channel->call(method, std::move(metadata), std::move(slices), deadline);
    into->emplace(std::move(result));
}

Task<void> get_page(World* world, Address address, std::string path, std::shared_ptr<std::string> into) {
    Task<Result<std::unique_ptr<Socket>>> connecting = world->network.connect(address, world->executor.now() + 5s);
    Result<std::unique_ptr<Socket>> socket = co_await std::move(connecting);
    if (!socket.ok()) co_return;
    const std::string request = "GET " + path + " HTTP/1.1\r\n\r\n";
    std::vector<BufferSlice> slices;
    slices.push_back(world->buffers.copy_of(as_bytes(request)));
    (void)co_await (*socket)->send(std::move(slices));
    BufferSlice piece(world->buffers.take(4096), 0, 4096);
    while (true) {
        Result<size_t> count = co_await (*socket)->receive(piece);
        if (!count.ok() || *count == 0) break;
        into->append(as_text(piece.bytes().first(*count)));
    }
    (*socket)->close();
}

Task<bool> run_command(Control* control, Command command, std::shared_ptr<Executed> into) {
    *into = co_await control->session().execute(std::move(command), control->executor().now() + 30s);
    co_return true;
}

Task<void> run_on_control(Executor* home, Control* control, Command command, std::shared_ptr<Executed> into) {
    auto make = [control, command, into] { return run_command(control, command, into); };
    (void)co_await run_on<bool>(*home, control->executor(), control->scope(), std::move(make));
}

}  // namespace

struct ClusterWorld::Client {
    explicit Client(World& the_world) : world(the_world), introduction(rpc::ClientIdentity{"test", "0.1", {}}) {}
    World& world;
    rpc::Introduction introduction;
    std::map<int32_t, std::unique_ptr<rpc::Channel>> channels;
};

ClusterWorld::ClusterWorld(size_t nodes, size_t voters, uint64_t seed, Options options)
    : simulation_(seed, options), client_(simulation_.node("client")) {
    spdlog::set_level(spdlog::level::off);
    for (size_t index = 1; index <= nodes; ++index) {
        const auto id = static_cast<int32_t>(index);
        daemons_[id].config = node_config(id, voters);
        node(id);
    }
    program_ = &client_.start([](World& world) { return std::make_unique<Client>(world); });
}

ClusterWorld::~ClusterWorld() {
    for (auto& [id, channel] : program_->channels) client_.run(channel->close());
    client_.end();
    for (auto& [id, daemon] : daemons_) {
        if (is_running(id)) kill(id);
    }
}

Task<void> ClusterWorld::run_start(Broker* broker,
                                   std::shared_ptr<std::string> problem,
                                   std::shared_ptr<std::optional<Result<void>>> outcome) {
    Result<void> started = co_await broker->start(problem.get());
    outcome->emplace(started);
}

void ClusterWorld::start(int32_t id) {
    Daemon& daemon = daemons_.at(id);
    auto make = [config = daemon.config](const std::vector<World*>& worlds) {
        return std::make_unique<Broker>(worlds, config, "simulated", "a test");
    };
    daemon.broker = &node(id).start(make, 3);  // two shards, and control
    daemon.problem = std::make_shared<std::string>();
    daemon.outcome = std::make_shared<std::optional<Result<void>>>();
    daemon.started.reset();
    node(id).spawn(run_start(daemon.broker, daemon.problem, daemon.outcome));
}

void ClusterWorld::look(int32_t id) {
    Daemon& daemon = daemons_.at(id);
    if (daemon.outcome != nullptr && daemon.outcome->has_value()) daemon.started = *daemon.outcome;
}

std::string ClusterWorld::problem(int32_t id) const {
    const Daemon& daemon = daemons_.at(id);
    return daemon.started && !daemon.started->ok() ? *daemon.problem : "";
}

bool ClusterWorld::try_ready(int32_t id, Duration limit) {
    simulation_.run_until(
        [&] {
            look(id);
            return daemons_.at(id).started.has_value();
        },
        limit);
    return is_ready(id);
}

void ClusterWorld::wait_ready(int32_t id, Duration limit) {
    if (try_ready(id, limit)) return;
    simulation_.fail(fmt::format("daemon {} does not get ready: {}", id, *daemons_.at(id).problem));
}

void ClusterWorld::start_all() {
    for (const auto& [id, daemon] : daemons_) start(id);
    for (const auto& [id, daemon] : daemons_) wait_ready(id);
}

void ClusterWorld::stop(int32_t id) {
    Daemon& daemon = daemons_.at(id);
    look(id);
    if (!daemon.started) {
        // One that does not wait any more may still succeed; but it ends.
        daemon.broker->interrupt();
        (void)try_ready(id, stop_limit);
        if (!daemon.started) simulation_.fail("a start that was ended goes on");
    }
    node(id).run(daemon.broker->stop(), stop_limit);
    node(id).end();
    daemon.broker = nullptr;
}

void ClusterWorld::kill(int32_t id) {
    node(id).kill();
    daemons_.at(id).broker = nullptr;
}

void ClusterWorld::lose_power(int32_t id) {
    node(id).lose_power();
    daemons_.at(id).broker = nullptr;
}

std::vector<int32_t> ClusterWorld::running() {
    std::vector<int32_t> ids;
    for (const auto& [id, daemon] : daemons_) {
        look(id);
        if (is_running(id) && is_ready(id) && daemon.broker != nullptr) ids.push_back(id);
    }
    return ids;
}

rpc::Channel& ClusterWorld::channel(int32_t id) {
    auto& channel = program_->channels[id];
    if (channel == nullptr) {
        const Address address{"n" + std::to_string(id), client_port};
        channel = std::make_unique<rpc::Channel>(client_.world(), address, program_->introduction);
    }
    return *channel;
}

ClusterWorld::Pending ClusterWorld::begin(
    int32_t id, rpc::Method method, rpc::Metadata metadata, Text payload, Duration patience) {
    auto result = std::make_shared<std::optional<rpc::CallResult>>();
    client_.spawn(
        keep_call(&channel(id), &client_.world(), method, std::move(metadata), std::move(payload), patience, result));
    return result;
}

rpc::CallResult ClusterWorld::call(
    int32_t id, rpc::Method method, rpc::Metadata metadata, Text payload, Duration patience) {
    Pending pending = begin(id, method, std::move(metadata), std::move(payload), patience);
    if (!simulation_.run_until([&] { return pending->has_value(); }, patience + 10s)) {
        simulation_.fail("a call does not end");
    }
    return std::move(**pending);
}

Said ClusterWorld::create_topic(int32_t id, const std::string& name, const TopicShape& shape) {
    return said_by(call(id, rpc::Method::create_topic, create_request(name, shape)));
}

Executed ClusterWorld::execute(int32_t id, Command command) {
    Broker& daemon = *broker(id);
    auto executed = std::make_shared<Executed>();
    Executor& home = daemon.facts().shards.front()->executor();
    node(id).run(run_on_control(&home, daemon.facts().control, std::move(command), executed), 60s);
    return *executed;
}

void ClusterWorld::place_topic(const std::string& name,
                               size_t partitions,
                               const BrokerIds& replicas,
                               int32_t min_in_sync) {
    TopicRecord topic;
    topic.id = Uuid::from_words(0x70, std::hash<std::string>()(name));
    topic.name = name;
    topic.min_in_sync = min_in_sync;
    const Assignment assignment(partitions, replicas);
    const Executed done = execute(active(), broker::create_topic(topic, assignment));
    if (!done.ok()) simulation_.fail(fmt::format("topic {} is not placed: {}", name, ironbark::describe(done.error)));
}

std::string ClusterWorld::remark(int32_t id, const std::string& topic, size_t partition) {
    flatbuffers::FlatBufferBuilder builder;
    rpc::Metadata request = rpc::finish(builder, wire::CreateDescribeTopicRequestDirect(builder, topic.c_str()));
    rpc::CallResult result = call(id, rpc::Method::describe_topic, std::move(request));
    if (!result.ok()) return "";
    const auto& partitions = *result.as<wire::DescribeTopicResponse>().partitions();
    const auto* text = partitions.Get(static_cast<flatbuffers::uoffset_t>(partition))->state_detail();
    return text == nullptr ? "" : text->str();
}

bool ClusterWorld::has_event(int32_t id, const std::string& words) {
    const std::vector<std::string> all = events(id);
    return std::any_of(all.begin(), all.end(),
                       [&](const std::string& event) { return event.find(words) != std::string::npos; });
}

std::string ClusterWorld::health(int32_t id) {
    auto answer = std::make_shared<std::string>();
    client_.run(get_page(&client_.world(), {"n" + std::to_string(id), metrics_port}, "/healthz", answer), 30s);
    return *answer;
}

int64_t ClusterWorld::incarnation(int32_t id) {
    flatbuffers::FlatBufferBuilder builder;
    rpc::CallResult result =
        call(id, rpc::Method::describe_node, rpc::finish(builder, wire::CreateDescribeNodeRequest(builder)));
    return result.ok() ? result.as<wire::DescribeNodeResponse>().incarnation() : -1;
}

ClusterSeen ClusterWorld::describe(int32_t id) {
    flatbuffers::FlatBufferBuilder builder;
    rpc::Metadata request = rpc::finish(builder, wire::CreateDescribeClusterRequest(builder));
    rpc::CallResult result = call(id, rpc::Method::describe_cluster, std::move(request));
    ClusterSeen seen;
    seen.said = said_by(result);
    if (!result.ok()) return seen;
    const auto& answer = result.as<wire::DescribeClusterResponse>();
    seen.active = answer.active_controller();
    seen.term = answer.term();
    if (answer.quorum_error() != nullptr) seen.quorum_problem = said_by(answer.quorum_error()).hint;
    for (const wire::ClusterBroker* broker : *answer.brokers()) {
        seen.brokers[broker->id()] = {broker->id(),          broker->is_alive(),   broker->is_clean(),
                                      broker->incarnation(), broker->partitions(), broker->leads()};
    }
    return seen;
}

std::vector<std::string> ClusterWorld::events(int32_t id) {
    flatbuffers::FlatBufferBuilder builder;
    rpc::Metadata request = rpc::finish(builder, wire::CreateClusterEventsRequest(builder, 0, 0));
    rpc::CallResult result = call(id, rpc::Method::cluster_events, std::move(request));
    std::vector<std::string> events;
    if (!result.ok()) return events;
    for (const wire::ClusterEvent* event : *result.as<wire::ClusterEventsResponse>().events()) {
        events.push_back(fmt::format("{} {} {}", event->number(), event->kind()->str(), event->text()->str()));
    }
    return events;
}

int32_t ClusterWorld::active(Duration limit) {
    int32_t found = -1;
    auto is_active = [&] {
        for (const auto& [id, daemon] : daemons_) {
            const bool counts = is_running(id) && daemon.broker != nullptr && !node(id).is_paused();
            if (counts && daemon.broker->facts().control->status().is_active_controller) found = id;
        }
        return found >= 0;
    };
    if (!simulation_.run_until(is_active, limit)) simulation_.fail("no controller becomes active");
    return found;
}

}  // namespace ironbark::broker
