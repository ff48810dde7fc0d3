#pragma once
// Kills or stops the leader of partition 0 again and again, or stops one of its followers, one disturbance at a time:
// the next one waits until every replica is in sync again. `run` blocks until the load is about to end, and reports
// trouble instead of throwing. The load is sent by another thread: daemons end with the thread that started them, so
// the one that disturbs must be the one that outlives them.

#include <string>
#include <vector>

#include "bench/load/cluster.h"
#include "bench/load/open_load.h"

namespace ironbark::bench {

// What was led by the broker, and in which epoch, when it was disturbed.
struct Led {
    size_t partition = 0;
    int32_t epoch = -1;
};

enum class Disturbing : uint8_t { kill_leader, stop_leader, stop_follower };
// Where the leader is when it is disturbed; if it is elsewhere, it is moved before.
enum class LeaderPlace : uint8_t { anywhere, beside_controller, apart_from_controller };

struct Disturbance {
    Disturbing kind = Disturbing::kill_leader;
    int32_t broker = -1;
    Nanoseconds at = 0;
    Nanoseconds returned = 0;  // when it was started again, or went on
    Nanoseconds in_sync = 0;   // when all replicas were in sync again; 0: not seen
    std::vector<Led> led{};
};

struct DisturberSettings {
    std::string topic;
    double kill_leader_seconds = 0;    // how often; 0: never
    double stop_leader_seconds = 0;    // the same; stopped until others lead
    double stop_follower_seconds = 0;  // the same; stopped for half of that, in turns a second less and more
    LeaderPlace place = LeaderPlace::anywhere;
};

class Disturber {
  public:
    Disturber(Cluster& cluster, Admin& admin, const OpenLoad& load, DisturberSettings settings)
        : cluster_(cluster), admin_(admin), load_(load), settings_(std::move(settings)) {}

    void run(Nanoseconds begin, Nanoseconds end);
    // After `run`.
    const std::vector<Disturbance>& disturbances() const { return disturbances_; }
    const std::string& trouble() const { return trouble_; }

  private:
    void disturb(Nanoseconds begin, Nanoseconds end);
    void disturb_leader(bool is_kill, Nanoseconds end);
    void stop_follower();
    TopicDescription place_leader();
    bool is_led_elsewhere(const Disturbance& disturbance) const;

    Cluster& cluster_;
    Admin& admin_;
    const OpenLoad& load_;
    DisturberSettings settings_;
    std::vector<Disturbance> disturbances_;
    int stops_ = 0;
    std::string trouble_;
};

// Each partition with a leader and every replica in sync, its log visible to its end; throws after two minutes.
TopicDescription wait_until_in_sync(Admin& admin, const std::string& topic, Visibility visible_to_the_end);
// Without the last condition: the load goes on.
TopicDescription wait_until_in_sync(Admin& admin, const std::string& topic);

}  // namespace ironbark::bench
