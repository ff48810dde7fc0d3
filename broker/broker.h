#pragma once
// The whole broker, put together in order and taken apart in reverse: data directory, metadata, shards, listeners. Runs
// in any world, one per shard: with threads in the daemon (main.cc), on one thread in the simulator.
//
// `start` and `stop` run on the first shard's executor. The object is made before the executors run and destroyed after
// they have ended.

#include <memory>
#include <string>
#include <vector>

#include "broker/service/service.h"
#include "broker/status_server.h"

namespace ironbark::broker {

class Broker {
  public:
    // `worlds` are borrowed, one per shard. `io_world` and `io_reason` are for people.
    Broker(std::vector<World*> worlds, Config config, std::string io_world, std::string io_reason);
    ~Broker();
    // Where a shard's world counts what it does; before `start`.
    void watch_io(size_t shard, std::function<IoCounters()> counters);

    // Opens everything and begins to serve. After an error `problem` says what to do, and nothing is left open.
    Task<Result<void>> start(std::string* problem);
    // Refuses new requests, finishes what runs, makes everything durable, and closes. Also after a failed start.
    Task<void> stop();

    Address client_address() const { return client_address_; }
    Address metrics_address() const { return metrics_address_; }
    const BrokerFacts& facts() const { return facts_; }
    // What the last stop left: whether the start found it clean.
    bool started_clean() const { return started_clean_; }
    size_t partition_count() const {
        return facts_.metadata == nullptr ? 0 : facts_.metadata->current()->partition_count();
    }

  private:
    Task<Result<void>> expect_metadata(std::string* problem);
    Task<Result<void>> open_shards(std::string* problem);
    Task<Result<void>> register_broker(std::string* problem);
    Task<Result<void>> bind(std::string* problem);
    Task<Result<void>> serve(std::string* problem);

    std::vector<World*> worlds_;
    BrokerFacts facts_;
    std::unique_ptr<log::DataDirectory> directory_;
    std::unique_ptr<MetadataStore> metadata_;
    std::unique_ptr<ProducerIds> producer_ids_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::vector<std::unique_ptr<ClientService>> services_;
    std::shared_ptr<Listener> listener_;
    std::unique_ptr<StatusServer> status_server_;
    Address client_address_;
    Address metrics_address_;
    Incarnation incarnation_{-1};
    bool started_clean_ = false;
};

// "ironbarkd 0.1.0"
std::string version_text();

}  // namespace ironbark::broker
