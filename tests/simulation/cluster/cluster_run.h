#pragma once
// One seed of a whole cluster from beginning to end: daemons form it, clients work while faults happen, the faults end,
// everyone finishes within a bounded time, all replicas are in sync and equal, and every log is read and compared with
// what was promised; once more after all daemons were stopped, or lost their power, together.
//
// Each mishap has a stream of chance of its own: one that is left out changes none of the others.

#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/marks.h"
#include "tests/simulation/cluster/clients.h"
#include "tests/simulation/cluster/cluster_watch.h"
#include "tests/simulation/cluster/run.h"

namespace ironbark::simulation {

// What the report of a failed run says before the numbers of the mishaps that befell.
constexpr const char* mishaps_mark = "mishaps: ";

class ClusterRun {
  public:
    ClusterRun(Plan plan, Prints prints);
    ~ClusterRun();
    RunOutcome execute();

  private:
    void form();
    void live_through_faults();
    void befall(ClusterMishap mishap, RandomStream& random);
    void end_one(DaemonNode& daemon, Crash how);
    void lose_all_power();
    void stop_between(DaemonNode& daemon, RandomStream& random);
    void pause(DaemonNode& daemon, RandomStream& random);
    void isolate(DaemonNode& daemon, RandomStream& random);
    void cut_plane(DaemonNode& daemon, RandomStream& random);
    void cut(Node& one, Node& other, uint16_t port, uint64_t direction, Duration healed_after);
    void slow_link(DaemonNode& daemon, RandomStream& random);
    void fill_disk(DaemonNode& daemon, RandomStream& random);
    void fail_write(DaemonNode& daemon, RandomStream& random);
    struct RottenPlace {
        std::string path;
        PartitionIdentity identity;
        uint64_t position;
    };
    void note_marks();
    log::Floor marked_end(const PartitionIdentity& identity) const;
    std::optional<RottenPlace> draw_rot(DaemonNode& daemon, RandomStream& random);
    void rot(RandomStream& random);
    void wipe(DaemonNode& daemon);
    bool may_be_wiped(int32_t id);
    void recover();
    void tend();
    void settle();
    void await_replicas();
    std::string what_is_missing();
    bool is_at_rest(const TopicPartition& name);
    bool are_equal(const PartitionIdentity& identity, const broker::PartitionRecord& record);
    void read_twice();
    void stop_all(bool in_order);

    // Lets time pass; what is due meanwhile is done, and what happens is looked at.
    void pass(Duration duration);
    void look();
    void later(Duration delay, std::function<void()> what);
    void wait_until(const std::string& what, const std::function<bool()>& condition);
    bool are_all_ready();
    void report();

    Plan plan_;
    Simulation simulation_;
    Stage stage_;
    RandomStream random_;
    Daemons daemons_;
    ClusterWatch watch_;
    Clients clients_;
    struct Due {
        Instant at;
        std::function<void()> what;
    };
    std::vector<Due> due_;
    std::vector<bool> is_expected_;  // by daemon: its next start is among what is due
    // Of the daemon whose logs rot: what its marks hold, as often as it was seen while it ran. The first of them has
    // been on its disk for long.
    struct Marked {
        Instant at;
        std::map<PartitionIdentity, log::Floor> floors;
    };
    std::deque<Marked> marked_;
    Instant hangs_until_{};  // the disk of that one
    uint64_t slices_ = 0;
    bool has_wiped_ = false;
};

}  // namespace ironbark::simulation
