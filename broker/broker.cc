#include "broker/broker.h"

#include <algorithm>
#include <fmt/format.h>
#include <spdlog/spdlog.h>

#include "log/record/batch.h"
#include "runtime/rpc/frame.h"

namespace ironbark::broker {
namespace {

constexpr const char* version = IRONBARK_VERSION;

// Runs a shard's coroutine on its own executor.
template <typename T, typename Make>
Task<T> on(World* home, Shard* shard, Make make) {
    return run_on<T>(home->executor, shard->executor(), shard->scope(), std::move(make));
}

// The system gives the addresses of a killed process back a moment after it has ended.
constexpr Duration address_patience = 2s;
constexpr Duration address_pause = 20ms;

Task<Result<std::unique_ptr<Listener>>> listen_patiently(World* world, Address address) {
    const Instant until = world->executor.now() + address_patience;
    while (true) {
        Result<std::unique_ptr<Listener>> listener = co_await world->network.listen(address);
        bool may_become_free = !listener.ok() && listener.error().code == ErrorCode::address_in_use;
        if (!may_become_free || world->executor.now() >= until) co_return listener;
        co_await sleep_for(world->executor, address_pause);
    }
}

}  // namespace

std::string version_text() {
    return version;
}

Broker::Broker(std::vector<World*> worlds, Config config, std::string io_world, std::string io_reason)
    : worlds_(std::move(worlds)) {
    facts_.config = std::move(config);
    facts_.version = version;
    facts_.io_world = std::move(io_world);
    facts_.io_reason = std::move(io_reason);
    for (size_t index = 0; index < worlds_.size(); ++index) {
        shards_.push_back(std::make_unique<Shard>(*worlds_[index], index, worlds_.size(), &facts_.config));
        facts_.shards.push_back(shards_.back().get());
        services_.push_back(std::make_unique<ClientService>(&facts_, shards_.back().get()));
    }
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
    CO_TRY_VOID(co_await expect_metadata(problem));
    std::string journal = directory_->path() + "/metadata";
    CO_TRY(metadata_, co_await MetadataStore::open(world, std::move(journal), facts_.directory, problem));
    facts_.metadata = metadata_.get();
    if (metadata_->repaired() > 0) {
        spdlog::error("{}/metadata: {} entries were damaged and are taken from their copies; the disk is failing",
                      directory_->path(), metadata_->repaired());
    }
    facts_.direct_io = metadata_->is_direct();
    if (!facts_.direct_io) {
        spdlog::warn("{}: its file system refuses direct I/O; writes go through the page cache, and are synced",
                     directory_->path());
    }
    producer_ids_ = std::make_unique<ProducerIds>(*world, *metadata_);
    facts_.producer_ids = producer_ids_.get();
    // Bound first, so that a port in use is known before anything has changed; who connects now waits in the backlog.
    CO_TRY_VOID(co_await bind(problem));
    CO_TRY_VOID(co_await open_shards(problem));
    CO_TRY_VOID(co_await register_broker(problem));
    for (Shard* shard : facts_.shards) {
        struct Update {
            static Task<bool> run(Shard* target, MetadataSnapshot snapshot) {
                co_await target->update(std::move(snapshot));
                co_return true;
            }
        };
        auto make = [shard, snapshot = metadata_->current()] { return Update::run(shard, snapshot); };
        co_await on<bool>(world, shard, make);
    }
    co_return co_await serve(problem);
}

// A new journal where there are partitions would make all their topics unknown.
Task<Result<void>> Broker::expect_metadata(std::string* problem) {
    Disk& disk = worlds_.front()->disk;
    CO_TRY(std::vector<std::string> names, co_await disk.list(directory_->path()));
    CO_TRY(std::vector<std::string> partitions, co_await disk.list(directory_->path() + "/partitions"));
    const bool is_there = std::find(names.begin(), names.end(), "metadata") != names.end();
    if (is_there || partitions.empty()) co_return Result<void>();
    *problem = fmt::format(
        "{}/metadata is missing, and there are partitions. Restore it from a copy; the records are "
        "untouched.",
        directory_->path());
    co_return ErrorCode::corrupt_data;
}

Task<Result<void>> Broker::open_shards(std::string* problem) {
    World* world = worlds_.front();
    for (Shard* shard : facts_.shards) {
        auto make = [shard, directory = directory_.get(), problem] { return shard->open(directory, problem); };
        CO_TRY_VOID(co_await on<Result<void>>(world, shard, make));
    }
    co_return Result<void>();
}

// A new incarnation: clean if every shard's marks name the one that stopped last.
Task<Result<void>> Broker::register_broker(std::string* problem) {
    World* world = worlds_.front();
    const BrokerId id(facts_.config.broker_id);
    const auto& known = metadata_->current()->brokers();
    auto before = known.find(id);
    if (before == known.end() && !known.empty()) {
        *problem = fmt::format("the data directory {} belongs to broker {}, and broker.id is {}. Set broker.id = {}.",
                               directory_->path(), known.begin()->first.value, id.value, known.begin()->first.value);
        co_return ErrorCode::invalid_config;
    }
    const Incarnation last = before == known.end() ? Incarnation(0) : before->second.incarnation;
    started_clean_ = before == known.end();
    bool all_clean = true;
    for (Shard* shard : facts_.shards) {
        struct Clear {
            static Task<Result<std::optional<Incarnation>>> run(Shard* target) {
                log::Marks& marks = target->store()->marks();
                std::optional<Incarnation> stopped = marks.clean_stop();
                // Erased before the first append, so that it speaks of nothing but the stop.
                if (stopped) {
                    marks.set_clean_stop(std::nullopt);
                    CO_TRY_VOID(co_await marks.commit());
                }
                co_return stopped;
            }
        };
        auto make = [shard] { return Clear::run(shard); };
        CO_TRY(std::optional<Incarnation> stopped, co_await on<Result<std::optional<Incarnation>>>(world, shard, make));
        all_clean = all_clean && stopped == last;
    }
    started_clean_ = started_clean_ || all_clean;
    incarnation_ = Incarnation(last.value + 1);
    BrokerRecord record{id,
                        facts_.directory,
                        incarnation_,
                        facts_.config.advertise.host,
                        facts_.config.advertise.port,
                        facts_.config.rack};
    Result<void> registered = co_await metadata_->execute(broker::register_broker(record, started_clean_));
    if (!registered.ok()) {
        *problem = fmt::format("{}/metadata cannot be written: {}.", directory_->path(),
                               ironbark::name(registered.error().code));
        co_return registered;
    }
    facts_.identity = {directory_->identity().cluster,
                       id,
                       incarnation_,
                       version,
                       {},
                       static_cast<uint32_t>(rpc::frame_size_max),
                       static_cast<uint32_t>(record::batch_size_max)};
    co_return Result<void>();
}

Task<Result<void>> Broker::bind(std::string* problem) {
    World* world = worlds_.front();
    auto explain = [problem](const char* what, const Address& address, const Error& error, const char* key) {
        *problem = error.code == ErrorCode::address_in_use
                       ? fmt::format("{} {} is in use by another program. Choose another with {}.", what,
                                     address.to_string(), key)
                       : fmt::format("cannot listen on {} {}: {}. Choose another with {}.", what, address.to_string(),
                                     ironbark::name(error.code), key);
        return error;
    };
    Result<std::unique_ptr<Listener>> listener = co_await listen_patiently(world, facts_.config.listen);
    if (!listener.ok()) co_return explain("client address", facts_.config.listen, listener.error(), "--listen");
    listener_ = std::move(listener).value();
    client_address_ = listener_->local_address();
    if (facts_.config.advertise.port == 0) facts_.config.advertise.port = client_address_.port;
    if (facts_.config.metrics_enabled) {
        Result<std::unique_ptr<Listener>> metrics = co_await listen_patiently(world, facts_.config.metrics);
        if (!metrics.ok()) {
            co_return explain("metrics address", facts_.config.metrics, metrics.error(), "--metrics");
        }
        metrics_address_ = (*metrics)->local_address();
        status_server_ = std::make_unique<StatusServer>(*world, &facts_, std::move(metrics).value());
    }
    co_return Result<void>();
}

Task<Result<void>> Broker::serve(std::string* problem) {
    World* world = worlds_.front();
    if (status_server_) status_server_->start();
    std::shared_ptr<Listener> first = listener_;
    for (size_t index = 1; index < shards_.size(); ++index) {
        Shard* shard = shards_[index].get();
        struct Serve {
            static Task<Result<void>> run(Shard* target, const Listener* shared, rpc::Handler* handler) {
                Result<std::unique_ptr<Listener>> mine = target->world().network.share(*shared);
                CO_TRY_VOID(mine.ok() ? Result<void>() : Result<void>(mine.error()));
                target->serve(std::move(mine).value(), handler);
                co_return Result<void>();
            }
        };
        auto make = [shard, first, handler = services_[index].get()] {
            return Serve::run(shard, first.get(), handler);
        };
        Result<void> shared = co_await on<Result<void>>(world, shard, make);
        if (!shared.ok()) {
            *problem = fmt::format("the listening socket cannot be shared between shards: {}. Use --shards 1.",
                                   ironbark::name(shared.error().code));
            co_return shared;
        }
    }
    shards_.front()->serve(std::move(first), services_.front().get());
    co_return Result<void>();
}

Task<void> Broker::stop() {
    World* world = worlds_.front();
    if (status_server_) co_await status_server_->stop();
    if (listener_) listener_->close();
    struct Steps {
        static Task<bool> stop_serving(Shard* shard) {
            co_await shard->stop_serving();
            co_return true;
        }
        static Task<bool> close(Shard* shard, std::optional<Incarnation> clean) {
            co_await shard->close(clean);
            co_return true;
        }
    };
    std::vector<Task<bool>> stops;
    for (Shard* shard : facts_.shards) {
        auto make = [shard] { return Steps::stop_serving(shard); };
        stops.push_back(on<bool>(world, shard, make));
    }
    co_await all(world->executor, std::move(stops));
    std::optional<Incarnation> clean;
    if (incarnation_.value >= 0) clean = incarnation_;
    std::vector<Task<bool>> closes;
    for (Shard* shard : facts_.shards) {
        auto make = [shard, clean] { return Steps::close(shard, clean); };
        closes.push_back(on<bool>(world, shard, make));
    }
    co_await all(world->executor, std::move(closes));
    if (metadata_) co_await metadata_->close();
}

}  // namespace ironbark::broker
