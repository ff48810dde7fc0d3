#pragma once
// One thread's share of the broker: the logs and partitions that belong to it, and a server for connections that were
// accepted on it. Requests that name partitions of other shards go there in one message and come back in one.
//
// Everything belongs to the shard's executor; `scope()` is where other shards' calls run (task/scope.h, run_on).
// Order of life: open, update (with every metadata snapshot), replicate, serve, stop_serving, stop_replicating, close.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "broker/config.h"
#include "broker/controller/metadata.h"
#include "broker/controller/reports.h"
#include "broker/metrics.h"
#include "broker/partition/partition.h"
#include "broker/replication/in_sync_keeper.h"
#include "broker/replication/leader_sessions.h"
#include "broker/replication/replicator.h"
#include "log/store.h"
#include "runtime/rpc/server.h"

namespace ironbark::broker {

// Who leads a partition as far as a broker knows; -1: nobody.
struct KnownLeader {
    BrokerId broker{-1};
    Epoch epoch{-1};
};

class Shard {
  public:
    Shard(World& world, size_t index, size_t count, const Config* config);
    ~Shard();

    World& world() { return world_; }
    Executor& executor() const { return world_.executor; }
    Scope& scope() { return scope_; }
    size_t index() const { return index_; }
    BrokerId self() const { return BrokerId(config_.broker_id); }

    // Opens the shard's part of the data directory.
    Task<Result<void>> open(const log::DataDirectory* directory, std::string* problem);
    // Follows the metadata: opens new partitions, drops deleted ones, takes over settings and epochs. Returns when all
    // that is new has been opened, or has failed to.
    Task<void> update(MetadataSnapshot metadata);
    // What is here of partitions that nobody leads in this metadata, which was taken over; not of those that can say
    // nothing: a log that is not open or has failed, an epoch that is over.
    std::vector<ReplicaReport> report(const Metadata& metadata) const;

    // What replication needs of the rest of the broker.
    struct Replication {
        ReplicationSettings settings;
        InSyncKeeper::Execute execute;
    };
    // A lease of this broker counts here once the roles of that metadata are taken over: before, a partition may lead
    // whose leadership is over. Version -1: there is none any more.
    void take_lease(Instant end, int64_t version);
    // From now on in-sync sets are kept, and other brokers' partitions followed.
    void replicate(Replication replication);
    // Serves followers.
    void serve_followers(std::shared_ptr<Listener> listener, rpc::Handler* handler);
    LeaderSessions& leader_sessions() { return leader_sessions_; }
    const Replicator& replicator() const { return replicator_; }

    // Starts serving what the listener accepts.
    void serve(std::shared_ptr<Listener> listener, rpc::Handler* handler);
    // Refuses new requests, ends long polls, and returns when every connection has ended.
    Task<void> stop_serving();
    // Ends leaderships and takes nothing over any more. After all shards have stopped serving: until then replicas are
    // heard, so that what clients wait for, on whichever shard they are connected to, can be acknowledged.
    Task<void> stop_replicating();
    // Everything durable, a clean-stop mark if an incarnation is given, everything closed.
    Task<void> close(std::optional<Incarnation> clean);

    // What this metadata says of the partition; null: nothing.
    const PartitionRecord* find_record(const PartitionIdentity& identity) const;
    // For the daemon's log: what people call it, and what its directory is called.
    std::string label(const PartitionIdentity& identity) const;
    // Whether another replica that is alive may lead by right: then a damaged one here is not needed.
    bool may_another_lead(const PartitionRecord& record) const;
    // The log of a replica here goes to the graveyard as a whole, if the metadata says that it is damaged, and an empty
    // one takes its place. False: that failed, and is worth another attempt.
    Task<bool> empty_damaged(PartitionIdentity identity);

    Partition* find(const PartitionIdentity& identity);
    // A partition that this broker is to lead, and had no room on its disk to begin with: tries again.
    Task<void> lead_again(PartitionIdentity identity);
    // What to say of a partition that `find` does not find.
    Error why_not_here(const PartitionIdentity& identity) const;
    // Who leads the partition, for a request that is refused with `error` because it is not this broker, or not in that
    // epoch. Nobody: this broker knows of none, or the error is about something else.
    KnownLeader leader_instead(const PartitionIdentity& identity, const Error& error) const;
    const std::map<PartitionIdentity, std::unique_ptr<Partition>>& partitions() const { return partitions_; }
    std::vector<PartitionIdentity>& stirred() { return partition_context_.stirred; }  // PartitionContext
    const MetadataSnapshot& metadata() const { return metadata_; }
    // Suspends until there is newer metadata, or the deadline; closed: the shard is stopping.
    Task<Wake> wait_for_metadata(Instant deadline) { return metadata_changed_.wait(deadline); }
    // Suspends until `update` is done with metadata this new, or the deadline, or a stop.
    Task<void> wait_for_update(int64_t version, Instant deadline);
    log::LogStore* store() { return store_.get(); }
    // Since when the disk has no more than its reserve left; `never`: it has.
    Instant full_since() const { return store_ == nullptr ? never : store_->context().full_since; }
    rpc::Server* server() { return server_.get(); }
    ShardMetrics& metrics() { return metrics_; }
    // Where the counters of the shard's world come from; empty: it has none. Set before the executor runs.
    std::function<IoCounters()> io_counters;
    size_t request_bytes_max() const { return static_cast<size_t>(config_.request_bytes); }
    size_t tail_bytes_max() const { return static_cast<size_t>(config_.tail_bytes); }

    // Waits of requests that a stop must end, in the order in which they began: an Event stays registered, under the
    // number that `begin_wait` returns, while it is waited on.
    uint64_t begin_wait(Event* event);
    void end_wait(uint64_t number) { waits_.erase(number); }
    bool is_stopping() const { return stopping_; }

  private:
    struct Role {  // what the metadata says of one partition here
        PartitionIdentity identity;
        TopicSettings settings;
        PartitionRecord record;
        int32_t min_in_sync = 1;
    };
    struct Changes {
        std::vector<Role> openings;
        std::vector<Role> appointments;  // of partitions that are open
        std::vector<PartitionIdentity> releases;
    };
    static Role role_of(const TopicRecord& topic, PartitionIndex partition);
    void count_leases();
    void update_leaderships(const Metadata& metadata);
    Task<void> remove_leftovers();
    Task<void> open_partitions(std::vector<Role> openings);
    Task<bool> open_partition(Role role);
    Task<void> drop_partition(PartitionIdentity identity);
    Task<void> release_partition(PartitionIdentity identity);
    Task<bool> bury(PartitionIdentity identity, std::string reason);
    Task<bool> lead(Role role);
    Task<void> begin_to_lead(Partition* partition, log::Log* log, Role role);
    void follow(Partition& partition, const PartitionRecord& record);
    void follow_topic(const TopicRecord& topic, Changes& changes);
    void take_record(Partition& partition, const PartitionRecord& record, int32_t min_in_sync);

    World& world_;
    size_t index_;
    size_t count_;
    const Config& config_;
    ShardMetrics metrics_;
    const log::DataDirectory* directory_ = nullptr;
    std::unique_ptr<log::LogStore> store_;
    struct Lease {
        Instant end;
        int64_t version;
    };
    std::deque<Lease> leases_;  // that do not count yet
    Instant lease_end_{};
    int64_t roles_version_ = -1;  // of the metadata whose roles are taken over
    PartitionContext partition_context_;
    std::map<PartitionIdentity, std::unique_ptr<Partition>> partitions_;
    // They use partitions, and go before them.
    LeaderSessions leader_sessions_;
    Replicator replicator_;
    InSyncKeeper in_sync_keeper_;
    MetadataSnapshot metadata_;
    Event metadata_changed_;
    int64_t updated_version_ = -1;  // of the metadata that `update` is done with
    Event updated_;
    Mutex updating_;
    uint64_t waits_begun_ = 0;
    std::map<uint64_t, Event*> waits_;
    bool stopping_ = false;
    bool is_closing_ = false;
    std::shared_ptr<Listener> listener_;
    std::unique_ptr<rpc::Server> server_;
    std::shared_ptr<Listener> replica_listener_;
    std::unique_ptr<rpc::Server> replica_server_;
    Scope accepting_;
    Scope replica_accepting_;
    Scope scope_;
};

}  // namespace ironbark::broker
