#include "broker/control/control.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/listening.h"

namespace ironbark::broker {
namespace {

using consensus::VoterId;

// What this program can do: raised with every format or message that an older one does not know.
constexpr int32_t feature_level_max = 1;
constexpr Duration leave_time_max = 2s;
constexpr Duration describe_time_max = 500ms;  // of one voter: one that is cut off does not take the others' time
// A daemon is asked by few, and says much: its own limits, small beside those of a shard.
constexpr size_t daemon_connections_max = 256;
constexpr size_t memory_bytes = size_t{128} << 20;

rpc::ServerLimits daemon_limits() {
    rpc::ServerLimits limits;
    limits.audience = rpc::Audience::daemons;
    limits.connections_max = daemon_connections_max;
    limits.memory_bytes = memory_bytes;
    return limits;
}

std::vector<int32_t> ids_of(const Config& config) {
    std::vector<int32_t> ids;
    for (const VoterAddress& voter : config.voters) ids.push_back(voter.id);
    if (ids.empty()) ids.push_back(config.broker_id);
    return ids;
}

void count(const Metadata& metadata, ControlStatus& status) {
    for (const auto& [id, broker] : metadata.brokers()) {
        ++(broker.is_alive ? status.brokers_alive : status.brokers_gone);
    }
    for (const auto& [name, topic] : metadata.topics()) {
        for (const PartitionRecord& partition : topic->partitions) {
            status.partitions_without_leader += partition.leader.value < 0 ? 1 : 0;
        }
    }
}

}  // namespace

Control::Control(World& world, const Config* config, std::string version, std::vector<Executor*> shards)
    : world_(world),
      config_(*config),
      version_(std::move(version)),
      shards_(std::move(shards)),
      accepting_(world.executor),
      following_(world.executor),
      scope_(world.executor) {}

Control::~Control() = default;

Task<Result<void>> Control::open(std::string directory, log::DirectoryIdentity identity, std::string* problem) {
    self_ = {config_.broker_id, identity.directory, identity.cluster, version_};
    gate_ = std::make_unique<peer::PeerGate>(world_, &self_, config_.cluster_secret);
    if (!config_.cluster_listen.host.empty()) CO_TRY_VOID(co_await bind(problem));
    if (listener_ != nullptr) {
        peer::LinkSettings settings;
        for (const VoterAddress& voter : config_.voters) settings.voters.push_back({VoterId(voter.id), voter.address});
        settings.secret = config_.cluster_secret;
        settings.on_process_died = [this](VoterId voter) {
            if (controller_ != nullptr) controller_->process_died(voter);
        };
        links_ = std::make_unique<peer::PeerLinks>(world_, &self_, std::move(settings));
    }
    if (is_voter(config_)) CO_TRY_VOID(co_await open_voter(directory + "/controller", identity, problem));
    service_ = std::make_unique<ControllerService>(world_, gate_.get(), links_.get(), controller_.get());
    rpc::Handler* own = controller_ == nullptr ? nullptr : service_.get();
    controllers_ = std::make_unique<ControllerClient>(world_, config_.broker_id, ids_of(config_), own, links_.get());
    co_return Result<void>();
}

Task<Result<void>> Control::open_voter(std::string directory, log::DirectoryIdentity identity, std::string* problem) {
    ControllerSettings settings;
    settings.directory = std::move(directory);
    settings.owner = identity.directory;
    settings.id = config_.broker_id;
    settings.voters = config_.voters;
    settings.session_timeout = config_.session_timeout;
    settings.election_timeout = config_.election_timeout;
    settings.appointment_wait = config_.appointment_wait;
    CO_TRY(controller_, co_await Controller::open(&world_, std::move(settings), links_.get(), problem));
    const Uuid cluster = controller_->cluster();
    if (cluster.is_zero() || self_.cluster.is_zero() || cluster == self_.cluster) co_return Result<void>();
    *problem = fmt::format(
        "the controller's files belong to the cluster {}, and the data directory to {}. Bring back those that belong "
        "together; nothing was changed.",
        cluster.to_string(), self_.cluster.to_string());
    co_return ErrorCode::foreign_data;
}

Task<Result<void>> Control::bind(std::string* problem) {
    Result<std::unique_ptr<Listener>> listener = co_await listen_patiently(&world_, config_.cluster_listen);
    if (!listener.ok()) {
        *problem = explain_listen("cluster address", config_.cluster_listen, listener.error(), "--cluster-listen");
        co_return listener.error();
    }
    listener_ = std::move(listener).value();
    cluster_address_ = listener_->local_address();
    co_return Result<void>();
}

Task<Result<void>> Control::join(Address advertise, Incarnation stopped_cleanly, uint16_t replica_port) {
    SessionSettings settings;
    settings.broker = BrokerId(config_.broker_id);
    settings.session_timeout = config_.session_timeout;
    settings.shards = shards_;
    RegisterBroker& registration = settings.registration;
    registration.id = settings.broker;
    registration.directory = self_.directory;
    registration.host = advertise.host;
    registration.port = advertise.port;
    registration.peer_host = config_.cluster_advertise.host;
    registration.peer_port =
        config_.cluster_advertise.port != 0 ? config_.cluster_advertise.port : cluster_address_.port;
    registration.replica_port = replica_port;
    registration.rack = config_.rack;
    registration.is_controller_only = config_.is_controller_only;
    registration.feature_level = feature_level_max;
    registration.version = version_;
    session_ = std::make_unique<BrokerSession>(world_, *controllers_, std::move(settings));
    producer_ids_ = std::make_unique<ProducerIds>(world_, *session_);
    if (listener_ != nullptr) {
        server_ = std::make_unique<rpc::Server>(world_, daemon_limits(), *service_);
        accepting_.spawn(server_->serve(listener_.get()));
        links_->open();
    }
    if (controller_ != nullptr) controller_->start();
    following_.spawn(follow_cluster());
    if (is_stopping_) co_return Error(ErrorCode::cancelled, "this daemon is stopping");
    Result<void> begun = co_await session_->begin(stopped_cleanly);
    has_joined_ = begun.ok();
    co_return begun;
}

// Who connects from now on is told of the cluster that has formed.
Task<void> Control::follow_cluster() {
    while (!is_stopping_ && self_.cluster.is_zero()) {
        if (controller_ != nullptr) self_.cluster = controller_->cluster();
        if (!session_->cluster().is_zero()) self_.cluster = session_->cluster();
        if (!self_.cluster.is_zero()) break;
        Task<Wake> change =
            controller_ != nullptr ? controller_->wait_for_change(never) : session_->wait_for_change(never);
        const Wake wake = co_await std::move(change);
        if (wake == Wake::closed) break;
    }
}

void Control::interrupt() {
    world_.executor.post_remote([this] {
        is_stopping_ = true;
        if (session_ != nullptr) session_->stop();
        if (controllers_ != nullptr) controllers_->close();
    });
}

void Control::begin_stop() {
    if (controllers_ != nullptr) controllers_->set_impatient(true);
}

// The order: what this broker says last needs the controller; what waits for the controller ends with it.
Task<void> Control::stop(bool is_clean) {
    if (controllers_ != nullptr) controllers_->set_impatient(false);
    if (has_joined_ && is_clean && !is_stopping_) co_await session_->leave(world_.executor.now() + leave_time_max);
    is_stopping_ = true;
    if (session_ != nullptr) session_->stop();
    if (controllers_ != nullptr) controllers_->close();
    // Serving while the lead is handed over: the answers to that come in here.
    if (controller_ != nullptr) co_await controller_->stop();
    if (server_ != nullptr) server_->stop();
    if (links_ != nullptr) co_await links_->close();
    if (controller_ != nullptr) co_await controller_->join();
    if (session_ != nullptr) co_await session_->join();
    if (controllers_ != nullptr) co_await controllers_->join();
    if (listener_ != nullptr) listener_->close();
    co_await accepting_.join();
    if (server_ != nullptr) co_await server_->join();
    co_await following_.join();
}

Task<rpc::CallResult> Control::describe_quorum(Instant deadline) {
    ControllerCall call;
    call.method = rpc::Method::describe_quorum;
    call.make = [] {
        flatbuffers::FlatBufferBuilder builder;
        return rpc::finish(builder, wire::CreateDescribeQuorumRequest(builder));
    };
    rpc::CallResult best = rpc::never_sent({ErrorCode::not_controller, "no controller can be reached"});
    uint64_t newest = 0;
    for (int32_t voter : controllers_->voters()) {
        const Instant answer_by = std::min(deadline, world_.executor.now() + describe_time_max);
        rpc::CallResult result = co_await controllers_->ask(voter, &call, answer_by);
        if (!result.ok()) continue;
        const auto& view = result.as<wire::DescribeQuorumResponse>();
        // One that was cut off may still believe that it is active: the newer term is right.
        const uint64_t rank = 2 * view.term() + (view.active() == voter ? 1 : 0) + 1;
        if (rank <= newest) continue;
        newest = rank;
        best = std::move(result);
    }
    co_return best;
}

ControlStatus Control::status() const {
    ControlStatus status;
    if (session_ != nullptr) {
        status.problem = session_->problem();
        status.incarnation = session_->incarnation();
        status.has_lease = session_->has_lease();
        status.lease_left = std::max(Duration(), session_->lease_end() - world_.executor.now());
        status.heartbeats = session_->heartbeat_times();
        if (session_->current() != nullptr) status.metadata_version = session_->current()->version();
    }
    if (controller_ != nullptr) {
        status.controller_problem = controller_->notice();
        status.is_active_controller = controller_->is_active();
        const consensus::Status voter = controller_->driver().status();
        status.controller_term = voter.term.value;
        status.is_voter = true;
        status.activations = controller_->activations();
        status.controller_log_bytes = voter.log_bytes;
        status.controller_commit = voter.commit.value;
        status.commits = controller_->commit_times();
        if (controller_->is_active()) count(controller_->machine().state(), status);
    }
    return status;
}

}  // namespace ironbark::broker
