// What metadata of 10 000 partitions costs a daemon that comes back, and what a cluster costs that nobody uses.

#include <algorithm>
#include <array>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "bench/load/cluster.h"
#include "bench/load/measurement.h"
#include "bench/load/must.h"

namespace ironbark::bench {

namespace {

constexpr int topic_count = 10;
constexpr int32_t partitions_of_each = 1000;
constexpr auto change_settle_time = std::chrono::seconds(3);  // what a start or a creation leaves to do
constexpr double idle_seconds = 20;

const Target second{Target::Kind::at_most, 1, "<= 1 s"};
const Target percent{Target::Kind::at_most, 1, "< 1 %"};
const Point create{"10 000 partitions: created", "s", "1 s", {}};
const Point start_ready{"  a daemon killed and started: ready", "s", "1 s", {}};
const Point registered_ready{"  of that, registered until ready", "s", "1 s", second};
const Point idle_busiest{"1 partition, idle: the busiest daemon", "% of a core", "1 %", percent};
const Point idle_many{"  idle: the busiest daemon", "% of a core", "1 %", percent};

void create_partitions(Admin& admin) {
    for (int index = 0; index < topic_count; ++index) {
        TopicSpecification specification;
        specification.name = "many-" + std::to_string(index);
        specification.partitions = partitions_of_each;
        specification.replicas = 1;
        must(admin.create_topic(specification), "creating a topic");
    }
}

// When the controller took the newest registration, by its clock.
int64_t last_registration_ms(Admin& admin) {
    int64_t time = -1;
    for (int64_t after = -1;;) {
        const std::vector<ClusterEvent> events = must(admin.cluster_events(after), "the events");
        if (events.empty()) return time;
        for (const ClusterEvent& event : events) {
            if (event.kind == "broker_registered") time = event.time_ms;
        }
        after = events.back().number;
    }
}

Sample idle(Cluster& cluster, size_t active, const Point& point) {
    std::this_thread::sleep_for(change_settle_time);
    std::array<double, Cluster::size> use{};
    const auto read = [&](size_t index) { return cluster.daemon(index).use().cpu_seconds; };
    for (size_t index = 0; index < Cluster::size; ++index) use[index] = read(index);
    std::this_thread::sleep_for(std::chrono::duration<double>(idle_seconds));
    for (size_t index = 0; index < Cluster::size; ++index) use[index] = 100 * (read(index) - use[index]) / idle_seconds;
    Sample sample{&point, *std::max_element(use.begin(), use.end()), 1};
    sample.details["active_percent"] = use[active];
    sample.details["another_percent"] = use[Cluster::another(active)];
    sample.details["third_percent"] = use[Cluster::another(Cluster::another(active))];
    return sample;
}

}  // namespace

std::vector<Sample> measure_partitions(Bench& bench, const std::string& io) {
    Cluster cluster(bench, io);
    const size_t active = cluster.wait_until_whole();
    Admin admin = cluster.admin_of(active);
    const Nanoseconds begin = now();
    create_partitions(admin);
    const double create_seconds = to_seconds(now() - begin);

    Daemon& daemon = cluster.daemon(Cluster::another(active));
    std::this_thread::sleep_for(change_settle_time);
    daemon.kill();
    std::this_thread::sleep_for(change_settle_time);  // it has been given up before it comes back
    const int64_t wall_begin = wall_ms();
    const double ready_seconds = daemon.start();
    const int64_t registered = last_registration_ms(admin);
    if (registered < wall_begin) throw std::runtime_error("the daemon that was started has not registered");
    const double share = static_cast<double>(ready_ms(daemon) - registered) / 1e3;

    Sample ready{&start_ready, ready_seconds, 1};
    ready.details["until_registered_seconds"] = static_cast<double>(registered - wall_begin) / 1e3;
    const Sample quiet = idle(cluster, cluster.wait_until_whole(), idle_many);
    cluster.finish();
    return {{&create, create_seconds, 1}, ready, {&registered_ready, share, 1}, quiet};
}

std::vector<Sample> measure_quorum_idle(Bench& bench, const std::string& io) {
    Cluster cluster(bench, io);
    const size_t active = cluster.wait_until_whole();
    Admin admin = cluster.admin_of(active);
    Change::create_topic(admin);
    const Sample quiet = idle(cluster, active, idle_busiest);
    cluster.finish();
    return {quiet};
}

}  // namespace ironbark::bench
