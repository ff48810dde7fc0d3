#pragma once
// `ironbark-bench cluster`: three daemons, a load at a fixed schedule on a topic with three replicas, leaders killed
// and followers stopped meanwhile, every outage that the client sees; at the end everything acknowledged is read again
// and compared. Blocks; the daemons end with it. With `bootstrap` the same load and the same checks on brokers that
// others have started, and that others disturb.

#include <map>
#include <string>
#include <vector>

#include "bench/load/disturber.h"
#include "bench/load/node.h"
#include "bench/load/outages.h"
#include "bench/load/sightings.h"

namespace ironbark::bench {

struct ClusterSettings {
    NodeSettings node;  // daemon, directory, ios, flags, command line and JSON of it
    std::string bootstrap;  // of the cluster that is there; empty: one is started
    std::string topic = "load";
    std::map<std::string, std::string> topic_settings;  // where it is made
    Acks acks = Acks::isr_durable;
    double rate = 1000;  // records a second, over all partitions
    double seconds = 10;
    size_t record_size = 1024;
    int32_t partitions = 3;
    double kill_leader_seconds = 0;    // how often; 0: never
    double stop_leader_seconds = 0;    // the same
    double stop_follower_seconds = 0;  // the same
    LeaderPlace leader_place = LeaderPlace::anywhere;
    bool is_loss_allowed = false;      // acknowledged records may be missing
    bool is_read_meanwhile = false;    // by somebody who must not see what is not there in the end
};

struct ClusterResult {
    std::string daemon_version;
    OpenSchedule schedule;
    Histogram latency;
    std::map<std::string, uint64_t> failures;  // by outcome and error code
    size_t acknowledged = 0;
    double acknowledged_per_second = 0;
    uint64_t losses_told = 0;  // records that the producer itself found out to be lost
    Nanoseconds begin = 0;
    std::vector<Disturbance> disturbances;
    // Of each leader that was killed or stopped: until one of its partitions was written again.
    std::vector<double> failover_ms;
    std::vector<double> all_ms;       // until all of them were
    size_t failovers_unseen = 0;
    std::vector<Outage> outages;  // by time
    Findings findings;
    uint64_t gaps = 0;    // that the consumer reported
    SightingsFound sightings;
    std::string trouble;  // what ended disturbing or reading early; empty: nothing
};

// Prints the report. What was wrong in the end; empty: nothing.
std::string run_cluster(const ClusterSettings& settings);

// Which levels promise anything that can be checked.
const std::map<std::string, Acks>& checked_levels();

}  // namespace ironbark::bench
