// How long the metadata cannot be changed when the active controller dies, or stops without dying.

#include <algorithm>
#include <chrono>
#include <stdexcept>
#include <thread>

#include "bench/load/cluster.h"
#include "bench/load/measurement.h"
#include "bench/load/must.h"

namespace ironbark::bench {

namespace {

constexpr double election_timeout_ms = 300;  // the daemon's default
constexpr auto failover_settle_time = std::chrono::milliseconds(500);
constexpr Admin::Timeout change_time_max{20'000};

const Target kill_target{Target::Kind::at_most, 1, "<= 300 ms"};
const Target stop_target{Target::Kind::at_most, 1.5, "<= 1.5"};
const Point kill_active{"active controller killed: another is active, p50", "ms", "300 ms", {}};
const Point kill_changed{"  and has committed a change, p50", "ms", "300 ms", kill_target};
const Point kill_changed_p95{"  the same, p95", "ms", "300 ms", {}};
const Point kill_changed_max{"  the same, longest", "ms", "300 ms", {}};
const Point stop_active{"stopped (SIGSTOP): another is active, longest", "ms", "election timeout", stop_target};
const Point stop_active_p50{"  the same, p50", "ms", "election timeout", stop_target};
const Point stop_changed{"  and a change that waits for it is committed, p50", "ms", "election timeout", {}};

struct ControllerOutage {
    double active_ms = 0;   // until another daemon said that its controller is active
    double changed_ms = 0;  // until a change was committed that was asked for at once
};

double at_part(std::vector<double> values, double part) {
    std::sort(values.begin(), values.end());
    return values[static_cast<size_t>(part * static_cast<double>(values.size() - 1) + 0.5)];
}

template <typename Get>
std::vector<double> collect(const std::vector<ControllerOutage>& outages, Get get) {
    std::vector<double> values;
    for (const ControllerOutage& outage : outages) values.push_back(get(outage));
    return values;
}

void change_until_committed(Admin& admin, Change& change) {
    const Nanoseconds give_up = now() + from_seconds(60);
    while (true) {
        const Expected<void> changed = change.make(admin, change_time_max);
        if (changed) return;
        if (now() > give_up) throw std::runtime_error("no change after a failover: " + changed.error().to_string());
    }
}

// `end` stops the active controller in some way. Everything else runs.
template <typename End>
ControllerOutage measure(Cluster& cluster, size_t active, Change& change, End end) {
    Admin admin = cluster.admin_of(Cluster::another(active));
    must(change.make(admin), "a change before the failover");  // connections and metadata
    const int64_t wall_begin = wall_ms();
    const Nanoseconds begin = now();
    end(cluster.daemon(active));
    change_until_committed(admin, change);
    ControllerOutage outage;
    outage.changed_ms = to_seconds(now() - begin) * 1e3;
    int64_t active_at = -1;
    for (size_t index = 0; index < Cluster::size; ++index) {
        const int64_t at = last_active_ms(cluster.daemon(index));
        const bool is_first = at >= wall_begin && (active_at < 0 || at < active_at);
        if (index != active && is_first) active_at = at;
    }
    if (active_at < 0) throw std::runtime_error("no other controller said that it is active");
    outage.active_ms = static_cast<double>(active_at - wall_begin);
    return outage;
}

std::vector<ControllerOutage> kill_often(Cluster& cluster, Change& change, int times) {
    std::vector<ControllerOutage> outages;
    for (int count = 0; count < times; ++count) {
        const size_t active = cluster.wait_until_whole();
        std::this_thread::sleep_for(failover_settle_time);
        outages.push_back(measure(cluster, active, change, [](Daemon& daemon) { daemon.kill(); }));
        cluster.daemon(active).start();
    }
    return outages;
}

std::vector<ControllerOutage> stop_often(Cluster& cluster, Change& change, int times) {
    std::vector<ControllerOutage> outages;
    for (int count = 0; count < times; ++count) {
        std::this_thread::sleep_for(failover_settle_time);
        const size_t active = cluster.wait_until_whole();
        std::this_thread::sleep_for(failover_settle_time);
        outages.push_back(measure(cluster, active, change, [](Daemon& daemon) { daemon.pause(); }));
        cluster.daemon(active).resume();
    }
    std::this_thread::sleep_for(failover_settle_time);
    cluster.wait_until_whole();
    return outages;
}

}  // namespace

std::vector<Sample> measure_failover(Bench& bench, const std::string& io) {
    Cluster cluster(bench, io);
    const size_t first = cluster.wait_until_whole();
    Admin admin = cluster.admin_of(first);
    Change::create_topic(admin);
    Change change;
    const std::vector<ControllerOutage> kills = kill_often(cluster, change, bench.settings().kills);
    const std::vector<ControllerOutage> stops = stop_often(cluster, change, bench.settings().kills / 4);
    cluster.finish();
    const auto active = [](const ControllerOutage& outage) { return outage.active_ms; };
    const auto changed = [](const ControllerOutage& outage) { return outage.changed_ms; };
    const std::vector<double> killed = collect(kills, changed);
    Sample stopped{&stop_active, at_part(collect(stops, active), 1), election_timeout_ms};
    stopped.details["changed_max_ms"] = at_part(collect(stops, changed), 1);
    return {{&kill_active, at_part(collect(kills, active), 0.5), 300},
            {&kill_changed, at_part(killed, 0.5), 300},
            {&kill_changed_p95, at_part(killed, 0.95), 300},
            {&kill_changed_max, at_part(killed, 1), 300},
            stopped,
            {&stop_active_p50, at_part(collect(stops, active), 0.5), election_timeout_ms},
            {&stop_changed, at_part(collect(stops, changed), 0.5), election_timeout_ms}};
}

}  // namespace ironbark::bench
