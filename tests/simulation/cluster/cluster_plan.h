#pragma once
// The part of a plan that only a cluster has: how its daemons are configured, and what befalls them.

#include <cstdint>
#include <vector>

#include "broker/config.h"
#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {

struct Plan;
struct TopicPlan;

// Each at one daemon, or between two, unless it says otherwise.
enum class ClusterMishap : uint8_t {
    kill,
    lose_power,
    lose_all_power,
    stop,         // in order
    die_between,  // killed, or power lost, in place of one of its next disk operations
    pause,        // SIGSTOP for a while
    isolate,      // from everybody
    cut_plane,    // clients, followers or controllers, or all; in one direction, or both
    slow_link,
    hang_disk,
    fill_disk,
    fail_write,  // or a sync, of one file: once
    kill_client,
    rot,  // of a page of a log, on the one daemon that the run has drawn for that
    skew,
    wipe,  // another, empty disk: an operator has the voter replaced; what only that daemon had is lost
};
constexpr size_t cluster_mishaps = 16;
const char* name(ClusterMishap mishap);

// What a share of the seeds is devoted to: there it happens often what hardly ever does else, and little besides.
enum class Theme : uint8_t {
    any,
    damage,     // bits rot in the logs of one daemon, and readers, followers and recovery meet them
    moves,      // replicas go and come back at once, over slow links
    failovers,  // leaders end one after the other, in front of followers that have hardly caught up
};
const char* name(Theme theme);

struct ClusterPlan {
    Theme theme = Theme::any;
    Duration session_timeout{};
    Duration election_timeout{};
    Duration appointment_wait{};
    Duration replica_lag_time_max{};
    Duration pause_mean{};  // between mishaps
    Duration down_mean{};   // until a daemon that has ended is started again
    Duration long_mean{};   // of pauses, cuts, hangs
    std::vector<uint64_t> weights;
    int32_t rotten = 1;  // whose logs may rot

    bool may(ClusterMishap mishap) const { return weights[static_cast<size_t>(mishap)] != 0; }
};

// Where daemons listen, so that a plane can be cut.
constexpr uint16_t client_port = 9400;
constexpr uint16_t controller_port = 9402;
constexpr uint16_t replica_port = 9403;

// Makes a plan that was drawn for one broker one for several.
void draw_cluster(Plan& plan, size_t nodes);
void draw_replication(RandomStream& random, const Plan& plan, TopicPlan& topic);
broker::Config config_of(const Plan& plan, int32_t id);

}  // namespace ironbark::simulation
