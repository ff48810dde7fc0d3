// Latency and throughput of producing.

#include <sys/resource.h>

#include "bench/load/load.h"
#include "bench/load/measurement.h"
#include "bench/load/slices.h"

namespace ironbark::bench {

namespace {

constexpr size_t parallel_records = 64;
constexpr int32_t parallel_partitions = 8;

const Target latency_target{Target::Kind::at_most, 1.2, "<= 1.2"};
const Target parallel_target{Target::Kind::at_least, 5, ">= 5"};
const Target throughput_target{Target::Kind::at_least, 0.6, ">= 0.60"};

const Point durable_latency{"leader_durable, 1 in flight, 1 KiB: p50", "us", "RAW + PING", latency_target};
const Point durable_waited{"  the same, waited for with a future", "us", "RAW + PING", {}};
const Point durable_asleep{"  the same, the client's thread sleeps (spin.us=0)", "us", "RAW + PING", {}};
const Point memory_latency{"  leader (memory), 1 in flight: p50", "us", "PING", {}};
const Point durable_parallel{"leader_durable, 64 in flight over 8 partitions", "records/s", "1 in flight",
                             parallel_target};
const Point throughput_new{"leader, 1 KiB records, new segments", "MB/s", "SKELETON", throughput_target};
const Point throughput_reused{"leader, 1 KiB records, reused segments", "MB/s", "SKELETON", throughput_target};

constexpr double slice_warm_up_seconds = 0.05;  // connections and metadata

// User and system time of this process, which is the producer.
double own_cpu_seconds() {
    rusage use{};
    check(::getrusage(RUSAGE_SELF, &use), "getrusage");
    const auto seconds = [](const timeval& time) {
        return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
    };
    return seconds(use.ru_utime) + seconds(use.ru_stime);
}

Settings unlingering(const Daemon& daemon, Acks acks) {
    Settings settings = Bench::client_settings(daemon, acks);
    settings.linger = std::chrono::milliseconds(0);
    settings.spin_us = client_spin_us;
    return settings;
}

// Floods the topic between two probes of the skeleton.
Sample flood(Bench& bench, const Daemon& daemon, Written& written, const Point& point) {
    const Settings settings = Bench::client_settings(daemon, Acks::leader);
    const auto skeleton = [&] {
        return probe_skeleton(bench.probe_file(), bench.probe_seconds()).megabytes_per_second;
    };
    const double before = skeleton();
    const double daemon_before = daemon.use().cpu_seconds;
    const double client_before = own_cpu_seconds();
    const Rate rate = produce_flood(settings, written, bench.bytes(), flood_warm_up_bytes);
    const double gigabytes = static_cast<double>(bench.bytes() + flood_warm_up_bytes) / 1e9;
    Sample sample{&point, rate.megabytes_per_second()};
    sample.details["daemon_cpu_seconds_per_gigabyte"] = (daemon.use().cpu_seconds - daemon_before) / gigabytes;
    sample.details["client_cpu_seconds_per_gigabyte"] = (own_cpu_seconds() - client_before) / gigabytes;
    sample.limit = (before + skeleton()) / 2;
    return sample;
}

}  // namespace

std::vector<Sample> measure_latency(Bench& bench, const std::string& io) {
    const double seconds = bench.settings().seconds / slices;
    const std::unique_ptr<Daemon> daemon = bench.make_daemon(io);
    daemon->start();
    const Settings durable = unlingering(*daemon, Acks::leader_durable);
    const Settings memory = unlingering(*daemon, Acks::leader);
    Settings sleeping = durable;
    sleeping.spin_us = 0;
    Written one = create_topic(durable, "one", 1);
    Written eight = create_topic(durable, "eight", parallel_partitions);

    const ProduceLoop single{.in_flight = 1, .seconds = seconds / 4, .warm_up_seconds = slice_warm_up_seconds};
    ProduceLoop many = single;
    many.in_flight = parallel_records;
    Slices alone(durable_latency), asleep(durable_asleep), waited(durable_waited), unsynced(memory_latency),
        parallel(durable_parallel);
    for (int slice = 0; slice < slices; ++slice) {
        const double raw = probe_synced_write(bench.probe_file(), 4 << 10, seconds / 4).latency.p50_us;
        const double ping = probe_ping(seconds / 8).latency.p50_us;
        const ProduceLoopResult lone = produce_closed_loop(durable, one, single);
        alone.add(lone.latency, raw + ping);
        const Rate rate = produce_closed_loop(durable, eight, many).rate;
        parallel.add(rate.records_per_second(), lone.rate.records_per_second());
        asleep.add(produce_closed_loop(sleeping, one, single).latency, raw + ping);
        waited.add(produce_one_by_one(durable, one, seconds / 8).latency, raw + ping);
        unsynced.add(produce_closed_loop(memory, one, single).latency, ping);
    }
    read_back(durable, one);
    read_back(durable, eight);
    bench.finish(*daemon);
    return {alone.sample(), asleep.sample(), waited.sample(), unsynced.sample(), parallel.sample()};
}

std::vector<Sample> measure_throughput(Bench& bench, const std::string& io) {
    // Room in the pool for all segments of the first flood, which the second one uses again.
    const uint64_t files = 4 + bench.bytes() / (uint64_t{100} << 20);
    const std::unique_ptr<Daemon> daemon = bench.make_daemon(io, {"--pool-files", std::to_string(files)});
    daemon->start();
    const Settings settings = Bench::client_settings(*daemon, Acks::leader);
    Written written = create_topic(settings, "flood", 1);
    const Sample fresh = flood(bench, *daemon, written, throughput_new);
    read_back(settings, written);
    delete_everything(settings, written);
    const Sample reused = flood(bench, *daemon, written, throughput_reused);
    read_back(settings, written);
    bench.finish(*daemon);
    return {fresh, reused};
}

}  // namespace ironbark::bench
