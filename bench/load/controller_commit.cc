// How long a change of the metadata takes, one at a time: from the call of the client library to its return.

#include "bench/load/cluster.h"
#include "bench/load/measurement.h"
#include "bench/load/must.h"
#include "bench/load/slices.h"

namespace ironbark::bench {

namespace {

const char* const limit_text = "RAW3 + 2 PING";
const Target target{Target::Kind::at_most, 1.5, "<= 1.5"};
const Point at_active{"one change, asked of the active controller: p50", "us", limit_text, target};
const Point at_active_p99{"  the same: p99", "us", limit_text, {}};
const Point at_active_asleep{"  the same, the client's thread sleeps (spin.us=0): p50", "us", limit_text, {}};
const Point at_another{"  the same, asked of another daemon: p50", "us", limit_text, {}};

constexpr int warm_up_changes = 20;

Histogram change_for(double seconds, Admin& admin, Change& change) {
    for (int count = 0; count < warm_up_changes; ++count) must(change.make(admin), "a change");
    Histogram latency;
    const Nanoseconds end = now() + from_seconds(seconds);
    for (Nanoseconds start = now(); start < end; start = now()) {
        must(change.make(admin), "a change");
        latency.add(now() - start);
    }
    return latency;
}

}  // namespace

std::vector<Sample> measure_commit(Bench& bench, const std::string& io) {
    const double seconds = bench.settings().seconds / slices;
    Cluster cluster(bench, io);
    const size_t active = cluster.wait_until_whole();
    Admin polling = cluster.admin_of(active, client_spin_us);
    Admin sleeping = cluster.admin_of(active);
    Admin elsewhere = cluster.admin_of(Cluster::another(active), client_spin_us);
    Change::create_topic(polling);
    Change change;
    Slices near(at_active), near_p99(at_active_p99), asleep(at_active_asleep), far(at_another);
    Slices raw_alone(at_active), slowest(at_active), ping_alone(at_active);
    for (int slice = 0; slice < slices; ++slice) {
        const double raw = probe_three_synced_writes(bench.settings().directory, 4 << 10, seconds / 4).p50_us;
        const double together = probe_slowest_of_three(bench.settings().directory, 4 << 10, seconds / 4).p50_us;
        const double ping = probe_ping(seconds / 4).latency.p50_us;
        const double limit = raw + 2 * ping;
        raw_alone.add(raw, 1);
        slowest.add(together, 1);
        ping_alone.add(ping, 1);
        const Histogram latency = change_for(seconds, polling, change);
        near.add(latency, limit);
        near_p99.add(to_microseconds(latency.percentile(0.99)), limit);
        asleep.add(change_for(seconds / 2, sleeping, change), limit);
        far.add(change_for(seconds / 2, elsewhere, change), limit);
    }
    if (cluster.wait_until_whole() != active) throw std::runtime_error("the active controller changed meanwhile");
    cluster.finish();
    Sample sample = near.sample();
    sample.details["raw3_us"] = raw_alone.sample().value;
    sample.details["slowest_of_three_us"] = slowest.sample().value;
    sample.details["ping_us"] = ping_alone.sample().value;
    return {sample, near_p99.sample(), asleep.sample(), far.sample()};
}

}  // namespace ironbark::bench
