#include "bench/load/replication.h"

#include "bench/load/cluster.h"
#include "bench/load/load.h"
#include "bench/load/measurement.h"
#include "bench/load/slices.h"

namespace ironbark::bench {

namespace {

constexpr size_t parallel_records = 64;
constexpr int32_t parallel_partitions = 8;
constexpr int32_t replicas = 3;
constexpr double slice_warm_up_seconds = 0.1;  // connections and metadata

const char* const limit_text = "RAW3 + 2 PING";
const Target latency_target{Target::Kind::at_most, 1.5, "<= 1.5"};
const Target throughput_target{Target::Kind::at_least, 0.25, ">= 0.25"};

const Point replicated_latency{"isr_durable, 1 in flight, 1 KiB: p50", "us", limit_text, latency_target};
const Point replicated_p99{"  the same: p99", "us", limit_text, {}};
const Point replicated_memory{"  isr (memory of all), 1 in flight: p50", "us", "2 PING", {}};
const Point replicated_leader{"  leader_durable, 1 in flight: p50", "us", limit_text, {}};
const Point replicated_parallel{"isr_durable, 64 in flight over 8 partitions", "records/s", "1 in flight", {}};
const Point replicated_flood{"isr_durable, 1 KiB records", "MB/s", "leader_durable of one node", throughput_target};
const Point memory_flood{"  isr, 1 KiB records", "MB/s", "leader of one node", {}};

Settings unlingering(Settings settings, Acks acks) {
    settings.acks = acks;
    settings.linger = std::chrono::milliseconds(0);
    settings.spin_us = client_spin_us;
    return settings;
}

std::vector<Sample> measure_replicated_latency(Bench& bench, const std::string& io) {
    const double seconds = bench.settings().seconds / slices;
    Cluster cluster(bench, io);
    const size_t active = cluster.wait_until_whole();
    const Settings all = unlingering(cluster.settings_of(active), Acks::isr_durable);
    const Settings memory = unlingering(all, Acks::isr);
    const Settings alone = unlingering(all, Acks::leader_durable);
    Written one = create_topic(all, "one", 1, replicas);
    Written eight = create_topic(all, "eight", parallel_partitions, replicas);
    const ProduceLoop single{.in_flight = 1, .seconds = seconds / 2, .warm_up_seconds = slice_warm_up_seconds};
    ProduceLoop many = single;
    many.in_flight = parallel_records;
    Slices durable(replicated_latency), p99(replicated_p99), unsynced(replicated_memory), leader(replicated_leader),
        parallel(replicated_parallel);
    for (int slice = 0; slice < slices; ++slice) {
        const double raw = probe_three_synced_writes(bench.settings().directory, 4 << 10, seconds / 4).p50_us;
        const double ping = probe_ping(seconds / 4).latency.p50_us;
        const double limit = raw + 2 * ping;
        const ProduceLoopResult lone = produce_closed_loop(all, one, single);
        durable.add(lone.latency, limit);
        p99.add(to_microseconds(lone.latency.percentile(0.99)), limit);
        const Rate rate = produce_closed_loop(all, eight, many).rate;
        parallel.add(rate.records_per_second(), lone.rate.records_per_second());
        unsynced.add(produce_closed_loop(memory, one, single).latency, 2 * ping);
        leader.add(produce_closed_loop(alone, one, single).latency, limit);
    }
    read_back(all, one);
    read_back(all, eight);
    cluster.finish();
    return {durable.sample(), p99.sample(), unsynced.sample(), leader.sample(), parallel.sample()};
}

double flood(const Settings& settings, const std::string& topic, int32_t copies, uint64_t bytes) {
    Written written = create_topic(settings, topic, parallel_partitions, copies);
    const Rate rate = produce_flood(settings, written, bytes, flood_warm_up_bytes);
    read_back(settings, written);
    return rate.megabytes_per_second();
}

// One broker first, and then three: not beside each other, which would take the processors from both.
std::vector<Sample> measure_replicated_throughput(Bench& bench, const std::string& io) {
    const uint64_t bytes = bench.bytes() / 4;
    Sample durable{&replicated_flood};
    Sample memory{&memory_flood};
    {
        const std::unique_ptr<Daemon> daemon = bench.make_daemon(io);
        daemon->start();
        durable.limit = flood(Bench::client_settings(*daemon, Acks::leader_durable), "durable", 1, bytes);
        memory.limit = flood(Bench::client_settings(*daemon, Acks::leader), "memory", 1, bytes);
        bench.finish(*daemon);
    }
    Cluster cluster(bench, io);
    Settings settings = cluster.settings_of(cluster.wait_until_whole());
    settings.acks = Acks::isr_durable;
    durable.value = flood(settings, "durable", replicas, bytes);
    settings.acks = Acks::isr;
    memory.value = flood(settings, "memory", replicas, bytes);
    cluster.finish();
    return {durable, memory};
}

const std::vector<Measurement> replication_measurements{
    {"latency", false, false, measure_replicated_latency},
    {"throughput", false, false, measure_replicated_throughput},
};

}  // namespace

std::vector<std::string> replication_points() {
    return names_of(replication_measurements);
}

void run_replication(const NodeSettings& settings) {
    run_measurements(replication_measurements, settings,
                     "three daemons on loopback; every record written was read back and compared");
}

}  // namespace ironbark::bench
