#pragma once
// The whole daemon, put together in order and taken apart in reverse: data directory, controller, shards, listeners.
// Runs in any world, one per shard and one for control: with threads in the daemon (main.cc), on one thread in the
// simulator.
//
// `start` and `stop` run on the first shard's executor. The object is made before the executors run and destroyed after
// they have ended.

#include <memory>
#include <string>
#include <vector>

#include "broker/replication/replica_service.h"
#include "broker/service/service.h"
#include "broker/status_server.h"

namespace ironbark::broker {

class Broker {
  public:
    // `worlds` are borrowed: one per shard, and the last for what Control does. `io_world` and `io_reason` are for
    // people.
    Broker(std::vector<World*> worlds, Config config, std::string io_world, std::string io_reason);
    ~Broker();
    // Where a shard's world counts what it does; before `start`.
    void watch_io(size_t shard, std::function<IoCounters()> counters);

    // Opens everything, joins the cluster and begins to serve. Waits as long as a majority of the controllers is away.
    // After an error `problem` says what to do, and `stop` is to be called all the same.
    Task<Result<void>> start(std::string* problem);
    // Ends a start that waits: cancelled. Any thread.
    void interrupt();
    // Refuses new requests, finishes what runs, makes everything durable, and closes. Also after a failed start.
    Task<void> stop();

    Address client_address() const { return client_address_; }
    Address metrics_address() const { return metrics_address_; }
    const BrokerFacts& facts() const { return facts_; }
    // What the last stop left: whether the start found it clean.
    bool started_clean() const { return started_clean_; }
    // Partitions that belong on this broker. On the first shard's executor. REQUIRES: started
    size_t partition_count() const;

  private:
    Task<Result<void>> expect_controller(std::string* problem);
    Task<Result<void>> open_control(std::string* problem);
    Task<Result<void>> open_shards(std::string* problem);
    Task<Incarnation> read_clean_stops();
    Task<Result<void>> join(std::string* problem);
    Task<bool> publish();
    Task<void> update_shards(MetadataSnapshot metadata);
    Task<std::vector<ReplicaReport>> report_replicas(MetadataSnapshot metadata);
    Task<Incarnation> incarnation() const;
    Task<bool> begin_stop();
    Task<bool> stop_control();
    // Runs a coroutine of the control thread on it.
    template <typename T, typename Make>
    Task<T> on_control(Make make);
    Task<Result<void>> bind(std::string* problem);
    Task<Result<void>> listen(
        Address address, std::shared_ptr<Listener>* listener, const char* what, const char* flag, std::string* problem);
    Task<Result<void>> serve(std::string* problem);
    Task<Executed> execute_for(Shard* shard, Command command);

    std::vector<World*> worlds_;  // of the shards
    BrokerFacts facts_;
    std::unique_ptr<log::DataDirectory> directory_;
    std::unique_ptr<Control> control_;
    std::vector<std::unique_ptr<Shard>> shards_;
    std::vector<std::unique_ptr<ClientService>> services_;
    std::vector<std::unique_ptr<ReplicaService>> replica_services_;
    std::shared_ptr<Listener> listener_;
    std::shared_ptr<Listener> replica_listener_;  // null: alone
    std::unique_ptr<StatusServer> status_server_;
    Address client_address_;
    Address metrics_address_;
    bool has_joined_ = false;
    bool started_clean_ = false;
};

// "ironbarkd 0.1.0"
std::string version_text();

}  // namespace ironbark::broker
