#pragma once
// What excuses that something acknowledged is gone: which brokers ended in another way than in order, who led each
// partition since, and who was back in sync. Told by whoever ends brokers and by whoever watches the metadata; asked by
// the checker. The rules are those of docs/DURABILITY.md and docs/REPLICATION.md:
//
//   - What one replica has, alone by the topic's wish, is lost with the memory of its broker.
//   - What the leader of several has is lost when somebody is appointed; not by a planned move.
//   - What is on that leader's disk, only when somebody else is, or it has lost that disk.
//   - What every in-sync replica has, when min-in-sync replicas have lost their memory, and none was back in sync in
//     between.
//   - What every in-sync replica has on disk, never.
//
// Replicas that move take nothing: who is let go leaves as many behind as the level needs. Its disk is not lost, but
// not asked any more either; if it comes again, it has to join as a new one, and has everything by then.
//
// Of a partition that has one replica for ever, what is on that one's disk is durable. Where replicas may move this
// cannot be judged: a receipt may come late, when there is another number of replicas than when the leader answered.
// So every other topic keeps its replicas, and that promise.

#include <map>
#include <vector>

#include "runtime/base/ids.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

// How well a record was told to be kept, by everything that anybody was told of it at its place.
struct Told {
    int32_t epoch = -1;
    bool is_on_leaders_disk = false;
    bool is_replicated = false;  // in the memory of every in-sync replica
    bool is_durable = false;     // for ever
};

class Excuses {
  public:
    // Without good disks a log may fail, and what is in memory only is lost at any time.
    explicit Excuses(Simulation& simulation, bool has_cluster, bool are_disks_good)
        : simulation_(simulation), has_cluster_(has_cluster), are_disks_good_(are_disks_good) {}

    // ---- what happens ----
    void broker_ended(int32_t broker, bool in_order);
    void broker_wiped(int32_t broker) { wipes_[broker] = simulation_.now(); }
    // Its replica was found damaged: what it had, in memory and on disk, is replaced.
    void replica_damaged(const PartitionIdentity& name, int32_t broker);
    // Who keeps the partition; what is older than what is known does no harm.
    struct Replicas {
        int32_t partition_epoch = -1;
        std::vector<int32_t> all;
        size_t in_sync = 0;
        int32_t min_in_sync = 1;
    };
    void has_replicas(const PartitionIdentity& name, const Replicas& replicas);
    void leads(const PartitionIdentity& name, int32_t epoch, int32_t leader);
    void is_back_in_sync(const PartitionIdentity& name, int32_t broker);

    // ---- what follows ----
    // Whether somebody had begun to lead in a later epoch by then.
    bool is_followed(const PartitionIdentity& name, int32_t epoch, Instant then) const;
    bool has_cluster() const { return has_cluster_; }
    // By its id, so that whoever learns of a topic, however often, takes it for the same.
    static bool may_move(const Uuid& topic);
    // The leader's disk is every disk, for ever.
    bool is_single(const PartitionIdentity& name) const;
    bool may_be_lost(const PartitionIdentity& name, const Told& told, Instant sent) const;
    // Whether anything that readers were shown from memory may have been undone.
    bool may_be_undone(const PartitionIdentity& name) const;

  private:
    struct Crash {
        int32_t broker;
        Instant at;
        Instant back = Instant::max();
    };
    struct Partition {
        Replicas replicas;
        std::map<int32_t, int32_t> leaders;  // by epoch
        std::map<int32_t, Instant> begun;    // by epoch: when somebody was known to lead in it
        std::vector<Crash> crashes;          // of its replicas
        std::map<int32_t, Instant> damages;  // of its replicas, the last of each
    };
    bool was_appointed(const Partition& partition, int32_t after, Instant since) const;
    bool may_lack(const Partition& partition, int32_t epoch, Instant since) const;
    bool has_lost_memories(const Partition& partition, Instant since) const;

    Simulation& simulation_;
    const bool has_cluster_;
    const bool are_disks_good_;
    Instant last_unclean_end_{};
    std::map<int32_t, Instant> unclean_ends_;  // the last of each broker
    std::map<int32_t, Instant> wipes_;
    std::map<PartitionIdentity, Partition> partitions_;
};

}  // namespace ironbark::simulation
