#pragma once
// Watches the daemons of a cluster from outside, after every step: each metadata that one of them acts on, and what
// their controllers and replicas are. What must hold whatever happens, and fails the run if it does not:
//
//   - one active controller in a term; one leader of a partition in an epoch; epochs and incarnations only grow
//   - two daemons with the same version of the metadata have the same metadata; no process's version goes back
//   - a leader's watermarks do not go back within its epoch
//   - every member of an in-sync set that runs has on disk what anybody was told to be durable, and in its log what
//     anybody was told to be replicated in the epoch of now
//   - who is appointed has the most of those that count then, and all of these know that the leadership before is over
//
// Tells the checker who led and who was back in sync (excuses.h), and the atlas which paths were taken.

#include <map>
#include <memory>
#include <set>
#include <vector>

#include "tests/simulation/cluster/daemon_node.h"

namespace ironbark::simulation {

using Daemons = std::vector<std::unique_ptr<DaemonNode>>;

class ClusterWatch {
  public:
    ClusterWatch(Stage& stage, Daemons& daemons) : stage_(stage), daemons_(daemons) {}
    void begin() { shown_.resize(daemons_.size()); }  // once all daemons have been made

    // Cheap: to be called after every step.
    bool has_news();
    void look();
    // What changes without the metadata; now and then.
    void look_closely();

    // The newest that any daemon has had; null: none yet.
    const broker::MetadataSnapshot& newest() const { return newest_; }
    // The replica on a daemon that is ready; null if there is none.
    broker::Partition* replica(int32_t id, const PartitionIdentity& identity);
    // How a partition stands, for whoever reads a failure.
    std::string tell(const PartitionIdentity& identity);

  private:
    struct Shown {
        uint64_t start = 0;
        broker::MetadataSnapshot metadata;
    };
    struct Marks {
        uint64_t start = 0;
        int32_t epoch = -1;
        Offset high;
        Offset durable;
    };
    void take(DaemonNode& daemon, Shown& shown, const broker::MetadataSnapshot& metadata);
    void take_leaders(const broker::Metadata& metadata);
    void take_newest(const broker::MetadataSnapshot& metadata);
    void compare(const broker::TopicRecord& before, const broker::TopicRecord& after);
    void compare_damages(const PartitionIdentity& identity,
                         const broker::PartitionRecord& before,
                         const broker::PartitionRecord& after);
    void look_at_appointment(const PartitionIdentity& identity,
                             const broker::PartitionRecord& before,
                             const broker::PartitionRecord& after);
    void compare_replicas(const PartitionIdentity& identity,
                          const broker::PartitionRecord& before,
                          const broker::PartitionRecord& after);
    void count_events(const broker::Metadata& metadata);
    void look_at_controllers();
    void look_at_replicas(DaemonNode& daemon);
    void look_at_damage(int32_t id, const broker::Partition& partition);
    void look_at_members(const broker::TopicRecord& topic);
    broker::Partition* current_replica(BrokerId broker, const PartitionIdentity& identity);

    Stage& stage_;
    Daemons& daemons_;
    std::vector<Shown> shown_;
    broker::MetadataSnapshot newest_;
    std::map<int64_t, broker::MetadataSnapshot> seen_;                  // by version
    std::map<std::pair<PartitionIdentity, int32_t>, int32_t> leaders_;  // by epoch
    std::map<uint64_t, int32_t> active_in_;                             // by term
    std::map<std::pair<int32_t, PartitionIdentity>, Marks> marks_;      // of leaders, by daemon
    using Replica = std::pair<int32_t, PartitionIdentity>;
    std::set<Replica> damaged_;  // as their daemons know
    std::set<Replica> emptied_;  // and not in sync again yet
    std::set<Replica> let_go_;
    int64_t last_event_ = 0;
};

}  // namespace ironbark::simulation
