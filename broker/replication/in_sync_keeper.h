#pragma once
// Keeps the in-sync sets of the partitions that this shard leads: proposes to the controller who leaves and who joins
// (replica_set.h decides), hands leaderships over as planned (planned_move.h), also those whose disk hangs or is full,
// and gives up those whose log has failed, or whose disk has no room for them to begin. Belongs to the shard's
// executor.
//
// A proposal whose fate is unknown is made again, as it was, until the metadata shows a higher partition epoch; one
// that certainly nobody got is thought over.

#include <functional>
#include <vector>

#include "broker/control/executed.h"
#include "broker/controller/commands.h"
#include "broker/controller/metadata.h"
#include "broker/partition/partition.h"
#include "runtime/task/scope.h"

namespace ironbark::broker {

class Shard;

class InSyncKeeper {
  public:
    using Execute = std::function<Task<Executed>(Command)>;

    InSyncKeeper(Shard& shard, Duration lag_time_max);

    // From now on commands can be executed, from this executor.
    void start(Execute execute);
    // Which brokers live has changed.
    void take(const Metadata& metadata);
    // Something may be due.
    void look() { due_.set(); }
    // These have joined the in-sync set: said at the next look.
    void note_joined(const PartitionIdentity& identity, const BrokerIds& joined);
    // Before a stop: ends the leaderships that another replica can take over, so that none waits until this process is
    // seen to be gone.
    Task<void> release();
    Task<void> stop();

  private:
    struct Work {
        std::vector<InSyncChange> changes;
        std::vector<Appointment> ends;
        std::vector<LeaderHandover> handovers;
        std::vector<LeaderMove> moves;
        std::vector<ReplicaDamage> damages;
        std::vector<PartitionIdentity> to_empty;
        std::vector<PartitionIdentity> beginnings;  // of leaderships, once more
    };
    // For the daemon's log: by the brokers that it is about.
    struct News {
        std::map<std::string, std::vector<PartitionIdentity>> left;
        std::map<std::string, std::vector<PartitionIdentity>> joined;
    };
    void tell_news();
    std::string list_of(const std::vector<PartitionIdentity>& partitions) const;
    Task<void> run();
    std::vector<PartitionIdentity> stirred();
    Work collect(Instant* next);
    void collect_from(Partition& partition, Instant now, Work& work, Instant* next);
    Task<void> propose(std::vector<InSyncChange> changes);
    Task<void> begin_again(std::vector<PartitionIdentity> partitions);
    Task<void> give_up(std::vector<Appointment> ends);
    Task<void> give_up_batch(const std::vector<Appointment>* ends);
    void collect_without(const Partition& partition, Work& work, Instant* next);
    Task<void> mend(std::vector<ReplicaDamage> damages, std::vector<PartitionIdentity> to_empty);
    Task<void> make_way(PartitionIdentity identity, Epoch epoch);
    bool is_making_way(const PartitionIdentity& identity, Epoch epoch) const;
    bool is_at_rest(const Partition& partition, Instant now) const;
    void collect_unable(const Partition& partition, const PartitionRecord& record, Work& work, Instant* next);
    void collect_move(Partition& partition, Work& work);
    void collect_relief(Partition& partition, Work& work);
    template <typename Proposal>
    Task<void> tell_of_moves(std::vector<Proposal> proposals);
    template <typename Proposal>
    Leadership* leadership_named(const Proposal& proposal) const;
    bool is_pending(const InSyncChange& change) const;
    void withdraw(const std::vector<InSyncChange>& changes);

    Shard& shard_;
    Duration lag_time_max_;
    Execute execute_;
    Living living_;
    bool looks_at_all_ = true;  // once: who lives has changed
    bool is_mending_ = false;
    bool is_giving_up_ = false;
    std::string damage_problem_;  // that was said last
    News news_;
    bool is_beginning_ = false;
    Event due_;
    Event stopping_;
    Scope scope_;
};

}  // namespace ironbark::broker
