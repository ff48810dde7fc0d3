#include "broker/broker.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "broker/control/control.h"
#include "broker/listening.h"
#include "log/record/batch.h"
#include "runtime/rpc/frame.h"

namespace ironbark::broker {
namespace {

constexpr const char* version = IRONBARK_VERSION;
constexpr Duration shard_command_time = 5s;  // that a shard waits for one of its own

// Runs a shard's coroutine on its own executor.
template <typename T, typename Make>
Task<T> on(World* home, Shard* shard, Make make) {
    return run_on<T>(home->executor, shard->executor(), shard->scope(), std::move(make));
}

// What a shard's part in a step of the whole broker comes to, where it has no result of its own.
Task<bool> update_shard(Shard* shard, MetadataSnapshot snapshot) {
    co_await shard->update(std::move(snapshot));
    co_return true;
}
Task<std::vector<ReplicaReport>> report_shard(Shard* shard, MetadataSnapshot metadata) {
    co_return shard->report(*metadata);
}
Task<bool> stop_serving(Shard* shard) {
    co_await shard->stop_serving();
    co_return true;
}
Task<bool> stop_replicating(Shard* shard) {
    co_await shard->stop_replicating();
    co_return true;
}
Task<bool> close_shard(Shard* shard, std::optional<Incarnation> clean) {
    co_await shard->close(clean);
    co_return true;
}

// The incarnation that the shard's marks say stopped cleanly.
Task<std::optional<Incarnation>> read_clean_stop(Shard* shard) {
    co_return shard->store()->marks().clean_stop();
}
// Erased before the first append, so that it speaks of nothing but the stop.
Task<Result<void>> erase_clean_stop(Shard* shard) {
    log::Marks& marks = shard->store()->marks();
    if (!marks.clean_stop()) co_return Result<void>();
    marks.set_clean_stop(std::nullopt);
    co_return co_await marks.commit();
}

struct Doors {  // that all shards have a part of
    std::shared_ptr<Listener> clients;
    std::shared_ptr<Listener> followers;  // null: there are none
    rpc::Handler* for_clients;
    rpc::Handler* for_followers;
};

Task<Result<void>> serve_shard(Shard* shard, Doors doors, bool is_first) {
    // The first shard has the listeners themselves, the others acceptors on the same sockets.
    if (!is_first) {
        Network& network = shard->world().network;
        Result<std::unique_ptr<Listener>> clients = network.share(*doors.clients);
        CO_TRY_VOID(clients.ok() ? Result<void>() : Result<void>(clients.error()));
        doors.clients = std::move(clients).value();
        if (doors.followers != nullptr) {
            Result<std::unique_ptr<Listener>> followers = network.share(*doors.followers);
            CO_TRY_VOID(followers.ok() ? Result<void>() : Result<void>(followers.error()));
            doors.followers = std::move(followers).value();
        }
    }
    if (doors.followers != nullptr) shard->serve_followers(std::move(doors.followers), doors.for_followers);
    shard->serve(std::move(doors.clients), doors.for_clients);
    co_return Result<void>();
}

Task<bool> replicate_shard(Shard* shard, Shard::Replication replication) {
    shard->replicate(std::move(replication));
    co_return true;
}

}  // namespace

template <typename T, typename Make>
Task<T> Broker::on_control(Make make) {
    return run_on<T>(worlds_.front()->executor, control_->executor(), control_->scope(), std::move(make));
}

std::string version_text() {
    return version;
}

Broker::Broker(std::vector<World*> worlds, Config config, std::string io_world, std::string io_reason)
    : worlds_(std::move(worlds)) {
    ASSERT(worlds_.size() >= 2);
    World& control_world = *worlds_.back();
    worlds_.pop_back();
    facts_.config = std::move(config);
    facts_.version = version;
    facts_.io_world = std::move(io_world);
    facts_.io_reason = std::move(io_reason);
    for (size_t index = 0; index < worlds_.size(); ++index) {
        shards_.push_back(std::make_unique<Shard>(*worlds_[index], index, worlds_.size(), &facts_.config));
        facts_.shards.push_back(shards_.back().get());
        services_.push_back(std::make_unique<ClientService>(&facts_, shards_.back().get()));
    }
    std::vector<Executor*> executors;
    for (Shard* shard : facts_.shards) executors.push_back(&shard->executor());
    control_ = std::make_unique<Control>(control_world, &facts_.config, version, std::move(executors));
    facts_.control = control_.get();
}

Broker::~Broker() {
    // Frames of connections go before what they use.
    status_server_.reset();
}

void Broker::watch_io(size_t shard, std::function<IoCounters()> counters) {
    shards_[shard]->io_counters = std::move(counters);
}

Task<Result<void>> Broker::start(std::string* problem) {
    World* world = worlds_.front();
    facts_.started = Timestamp(world->executor.wall_milliseconds());
    CO_TRY(directory_, co_await log::DataDirectory::open(world, facts_.config.data_dir, problem));
    facts_.directory = directory_->identity().directory;
    Result<void> spread = co_await directory_->spread_marks(world, shards_.size());
    if (!spread.ok() && spread.error().code == ErrorCode::storage_full) {
        *problem = fmt::format("{}: the disk is full. Free some space, and start again; nothing was changed.",
                               directory_->path());
        co_return spread;
    }
    if (!spread.ok()) {
        *problem = fmt::format(
            "{}: the marks journals cannot be read: {}. Restore them from a copy, or remove them to "
            "have every log read from its beginning.",
            directory_->path(), *spread.error().text != 0 ? spread.error().text : ironbark::name(spread.error().code));
        co_return spread;
    }
    CO_TRY_VOID(co_await expect_controller(problem));
    // Bound first, so that a port in use is known before anything has changed; who connects now waits in the backlog.
    CO_TRY_VOID(co_await bind(problem));
    CO_TRY_VOID(co_await open_control(problem));
    CO_TRY_VOID(co_await open_shards(problem));
    // From now on it can be asked what the start waits for.
    if (status_server_) status_server_->start();
    CO_TRY_VOID(co_await join(problem));
    co_return co_await serve(problem);
}

// A new voter where there are partitions would make all their topics unknown.
Task<Result<void>> Broker::expect_controller(std::string* problem) {
    if (!facts_.config.voters.empty()) co_return Result<void>();
    Disk& disk = worlds_.front()->disk;
    CO_TRY(std::vector<std::string> names, co_await disk.list(directory_->path()));
    CO_TRY(std::vector<std::string> partitions, co_await disk.list(directory_->path() + "/partitions"));
    const bool is_there = std::find(names.begin(), names.end(), "controller") != names.end();
    if (is_there || partitions.empty()) co_return Result<void>();
    *problem = fmt::format(
        "{}/controller is missing, and there are partitions. Restore it from a copy; the records are untouched.",
        directory_->path());
    co_return ErrorCode::corrupt_data;
}

Task<Result<void>> Broker::open_control(std::string* problem) {
    Control* control = control_.get();
    auto make = [control, path = directory_->path(), identity = directory_->identity(), problem] {
        return control->open(path, identity, problem);
    };
    CO_TRY_VOID(co_await on_control<Result<void>>(std::move(make)));
    facts_.direct_io = control_->is_direct();
    if (!facts_.direct_io) {
        spdlog::warn("{}: its file system refuses direct I/O; writes go through the page cache, and are synced",
                     directory_->path());
    }
    co_return Result<void>();
}

Task<Result<void>> Broker::open_shards(std::string* problem) {
    World* world = worlds_.front();
    for (Shard* shard : facts_.shards) {
        auto make = [shard, directory = directory_.get(), problem] { return shard->open(directory, problem); };
        CO_TRY_VOID(co_await on<Result<void>>(world, shard, make));
    }
    co_return Result<void>();
}

// The incarnation that stopped last, if every shard's marks name the same one.
Task<Incarnation> Broker::read_clean_stops() {
    Incarnation stopped{-1};
    for (size_t index = 0; index < facts_.shards.size(); ++index) {
        Shard* shard = facts_.shards[index];
        using Stop = std::optional<Incarnation>;
        auto make = [shard] { return read_clean_stop(shard); };
        const Stop mine = co_await on<Stop>(worlds_.front(), shard, make);
        if (!mine || (index > 0 && *mine != stopped)) co_return Incarnation(-1);
        stopped = *mine;
    }
    co_return stopped;
}

// Registers this broker, which may take until a majority of the controllers is there; then opens what the metadata
// says is here.
Task<Result<void>> Broker::join(std::string* problem) {
    World* world = worlds_.front();
    const Incarnation stopped = co_await read_clean_stops();
    Control* control = control_.get();
    const uint16_t replica_port = replica_listener_ == nullptr ? 0 : replica_listener_->local_address().port;
    auto make = [control, advertise = facts_.config.advertise, stopped, replica_port] {
        return control->join(advertise, stopped, replica_port);
    };
    Result<void> joined = co_await on_control<Result<void>>(std::move(make));
    if (!joined.ok()) {
        *problem = describe(joined.error());
        co_return joined;
    }
    struct Standing {
        Uuid cluster;
        Incarnation incarnation{-1};
        bool is_clean = false;
        static Task<Standing> of(Control* control) {
            const BrokerSession& session = control->session();
            const BrokerRecord* self = session.current()->find(session.broker());
            co_return Standing{session.cluster(), session.incarnation(), self != nullptr && self->is_clean};
        }
    };
    auto look = [control] { return Standing::of(control); };
    const Standing standing = co_await on_control<Standing>(std::move(look));
    CO_TRY_VOID(co_await directory_->join_cluster(world, standing.cluster, problem));
    has_joined_ = true;
    started_clean_ = standing.is_clean;
    facts_.identity = {standing.cluster,
                       BrokerId(facts_.config.broker_id),
                       standing.incarnation,
                       version,
                       {},
                       static_cast<uint32_t>(rpc::frame_size_max),
                       static_cast<uint32_t>(record::batch_size_max)};
    facts_.peer_identity = {facts_.config.broker_id, facts_.directory, standing.cluster, version};
    for (Shard* shard : facts_.shards) {
        auto erase = [shard] { return erase_clean_stop(shard); };
        CO_TRY_VOID(co_await on<Result<void>>(world, shard, erase));
    }
    auto begin_publishing = [this] { return publish(); };
    co_await on_control<bool>(std::move(begin_publishing));
    co_return Result<void>();
}

// On the control thread: from now on the shards are given every newer metadata.
Task<bool> Broker::publish() {
    std::function<Task<void>(MetadataSnapshot)> publish = [this](MetadataSnapshot metadata) {
        return update_shards(std::move(metadata));
    };
    control_->session().lease_to([this](Instant end, int64_t granted_for) {
        for (Shard* shard : facts_.shards) {
            shard->executor().post_remote([shard, end, granted_for] { shard->take_lease(end, granted_for); });
        }
    });
    control_->session().report_with([this](MetadataSnapshot metadata) { return report_replicas(std::move(metadata)); });
    co_await control_->session().publish_to(std::move(publish));
    co_return true;
}

Task<void> Broker::update_shards(MetadataSnapshot metadata) {
    std::vector<Task<bool>> updates;
    for (Shard* shard : facts_.shards) {
        auto make = [shard, metadata] { return update_shard(shard, metadata); };
        updates.push_back(run_on<bool>(control_->executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    co_await all(control_->executor(), std::move(updates));
}

// On the control thread, as a part of the session.
Task<std::vector<ReplicaReport>> Broker::report_replicas(MetadataSnapshot metadata) {
    using Reports = std::vector<ReplicaReport>;
    std::vector<Task<Reports>> asked;
    for (Shard* shard : facts_.shards) {
        auto make = [shard, metadata] { return report_shard(shard, metadata); };
        asked.push_back(run_on<Reports>(control_->executor(), shard->executor(), shard->scope(), std::move(make)));
    }
    std::vector<Reports> answers = co_await all(control_->executor(), std::move(asked));
    Reports reports;
    for (const Reports& each : answers) reports.insert(reports.end(), each.begin(), each.end());
    co_return reports;
}

Task<Result<void>> Broker::listen(
    Address address, std::shared_ptr<Listener>* listener, const char* what, const char* flag, std::string* problem) {
    Result<std::unique_ptr<Listener>> bound = co_await listen_patiently(worlds_.front(), address);
    if (!bound.ok()) {
        *problem = explain_listen(what, address, bound.error(), flag);
        co_return bound.error();
    }
    *listener = std::move(bound).value();
    co_return Result<void>();
}

Task<Result<void>> Broker::bind(std::string* problem) {
    Config& config = facts_.config;
    CO_TRY_VOID(co_await listen(config.listen, &listener_, "client address", "--listen", problem));
    client_address_ = listener_->local_address();
    if (config.advertise.port == 0) config.advertise.port = client_address_.port;
    if (!config.cluster_listen.host.empty()) {
        const Address address{config.cluster_listen.host, config.cluster_replica_port};
        CO_TRY_VOID(
            co_await listen(address, &replica_listener_, "address for followers", "--cluster-replica-port", problem));
    }
    if (config.metrics_enabled) {
        Result<std::unique_ptr<Listener>> metrics = co_await listen_patiently(worlds_.front(), config.metrics);
        if (!metrics.ok()) {
            *problem = explain_listen("metrics address", config.metrics, metrics.error(), "--metrics");
            co_return metrics.error();
        }
        metrics_address_ = (*metrics)->local_address();
        status_server_ = std::make_unique<StatusServer>(*worlds_.front(), &facts_, std::move(metrics).value());
    }
    co_return Result<void>();
}

Task<Result<void>> Broker::serve(std::string* problem) {
    World* world = worlds_.front();
    for (size_t index = shards_.size(); index-- > 0;) {
        Shard* shard = shards_[index].get();
        replica_services_.push_back(std::make_unique<ReplicaService>(*shard, facts_.shards, &facts_.peer_identity,
                                                                     facts_.config.cluster_secret));
        const Doors doors{listener_, replica_listener_, services_[index].get(), replica_services_.back().get()};
        const bool is_first = index == 0;
        auto make = [shard, doors, is_first] { return serve_shard(shard, doors, is_first); };
        Result<void> served = co_await on<Result<void>>(world, shard, make);
        if (!served.ok()) {
            *problem = fmt::format("the listening socket cannot be shared between shards: {}. Use --shards 1.",
                                   ironbark::name(served.error().code));
            co_return served;
        }
        Shard::Replication replication;
        replication.settings = {facts_.config.cluster_secret, facts_.peer_identity};
        replication.execute = [this, shard](Command command) { return execute_for(shard, std::move(command)); };
        auto replicate = [shard, replication] { return replicate_shard(shard, replication); };
        co_await on<bool>(world, shard, replicate);
    }
    co_return Result<void>();
}

// A command that a shard gives, from its thread.
Task<Executed> Broker::execute_for(Shard* shard, Command command) {
    Control* control = control_.get();
    auto make = [control, command] {
        return control->session().execute(command, control->executor().now() + shard_command_time);
    };
    return run_on<Executed>(shard->executor(), control->executor(), control->scope(), std::move(make));
}

void Broker::interrupt() {
    control_->interrupt();
}

// The order: nothing new, then what is here made durable, then the controllers told, then the rest.
Task<void> Broker::stop() {
    World* world = worlds_.front();
    if (status_server_) co_await status_server_->stop();
    if (listener_) listener_->close();
    if (replica_listener_) replica_listener_->close();
    auto begin = [this] { return begin_stop(); };
    co_await on_control<bool>(std::move(begin));
    for (Task<bool> (*step)(Shard*) : {stop_serving, stop_replicating}) {
        std::vector<Task<bool>> stops;
        for (Shard* shard : facts_.shards) {
            auto make = [shard, step] { return step(shard); };
            stops.push_back(on<bool>(world, shard, make));
        }
        co_await all(world->executor, std::move(stops));
    }
    // Without a registration nothing was appended, and the marks say what they said before.
    std::optional<Incarnation> clean;
    auto ask = [this] { return incarnation(); };
    if (has_joined_) clean = co_await on_control<Incarnation>(std::move(ask));
    std::vector<Task<bool>> closes;
    for (Shard* shard : facts_.shards) {
        auto make = [shard, clean] { return close_shard(shard, clean); };
        closes.push_back(on<bool>(world, shard, make));
    }
    co_await all(world->executor, std::move(closes));
    auto end = [this] { return stop_control(); };
    co_await on_control<bool>(std::move(end));
}

size_t Broker::partition_count() const {
    const BrokerId self(facts_.config.broker_id);
    size_t count = 0;
    for (const auto& [name, topic] : shards_.front()->metadata()->topics()) {
        for (const PartitionRecord& partition : topic->partitions) {
            count += std::count(partition.replicas.begin(), partition.replicas.end(), self) > 0 ? 1 : 0;
        }
    }
    return count;
}

Task<Incarnation> Broker::incarnation() const {
    co_return control_->session().incarnation();
}

Task<bool> Broker::begin_stop() {
    control_->begin_stop();
    co_return true;
}

Task<bool> Broker::stop_control() {
    co_await control_->stop(has_joined_);
    co_return true;
}

}  // namespace ironbark::broker
