// Latency and throughput of producing.

#include "bench/load/load.h"
#include "bench/load/measurement.h"

namespace ironbark::bench {

namespace {

constexpr size_t parallel_records = 64;
constexpr int32_t parallel_partitions = 8;

const Point durable_latency{
    "leader_durable, 1 in flight, 1 KiB: p50", "us", "RAW + PING", {Target::Kind::at_most, 1.2, "<= 1.2"}};
const Point durable_waited{"  the same, waited for with a future", "us", "RAW + PING", {}};
const Point memory_latency{"  leader (memory), 1 in flight: p50", "us", "PING", {}};
const Point durable_parallel{
    "leader_durable, 64 in flight over 8 partitions", "records/s", "1 in flight", {Target::Kind::at_least, 5, ">= 5"}};
const Point throughput_new{
    "leader, 1 KiB records, new segments", "MB/s", "SKELETON", {Target::Kind::at_least, 0.6, ">= 0.60"}};
const Point throughput_reused{
    "leader, 1 KiB records, reused segments", "MB/s", "SKELETON", {Target::Kind::at_least, 0.6, ">= 0.60"}};

struct Limits {
    double raw_us = 0;
    double ping_us = 0;
};

Limits probe_latencies(Bench& bench) {
    const double seconds = bench.probe_seconds();
    return {probe_synced_write(bench.probe_file(), 4 << 10, seconds).latency.p50_us,
            probe_ping(seconds).latency.p50_us};
}

Limits mean(const Limits& a, const Limits& b) {
    return {(a.raw_us + b.raw_us) / 2, (a.ping_us + b.ping_us) / 2};
}

Sample latency_sample(const Point& point, const ClosedLoopResult& result, double limit) {
    const Histogram& latency = result.latency;
    return {&point,
            to_microseconds(latency.percentile(0.5)),
            limit,
            {{"p90_us", to_microseconds(latency.percentile(0.9))},
             {"p99_us", to_microseconds(latency.percentile(0.99))},
             {"p99.9_us", to_microseconds(latency.percentile(0.999))},
             {"max_us", to_microseconds(latency.max())},
             {"records", static_cast<double>(latency.count())}}};
}

Settings unlingering(const Daemon& daemon, Acks acks) {
    Settings settings = Bench::client_settings(daemon, acks);
    settings.linger = std::chrono::milliseconds(0);
    return settings;
}

}  // namespace

std::vector<Sample> measure_latency(Bench& bench, const std::string& io) {
    const double seconds = bench.settings().seconds;
    const std::unique_ptr<Daemon> daemon = bench.make_daemon(io);
    daemon->start();
    const Settings durable = unlingering(*daemon, Acks::leader_durable);
    Written one = create_topic(durable, "one", 1);
    Written eight = create_topic(durable, "eight", parallel_partitions);

    const Limits before = probe_latencies(bench);
    const ClosedLoopResult alone = produce_closed_loop(durable, one, {.in_flight = 1, .seconds = seconds});
    const Limits between = probe_latencies(bench);
    const ClosedLoopResult parallel =
        produce_closed_loop(durable, eight, {.in_flight = parallel_records, .seconds = seconds});
    const ClosedLoopResult waited = produce_one_by_one(durable, one, seconds / 2);
    const Settings memory = unlingering(*daemon, Acks::leader);
    const ClosedLoopResult unsynced = produce_closed_loop(memory, one, {.in_flight = 1, .seconds = seconds / 2});
    const Limits after = probe_latencies(bench);

    const Limits beside = mean(before, between);
    const Limits later = mean(between, after);
    std::vector<Sample> samples{latency_sample(durable_latency, alone, beside.raw_us + beside.ping_us),
                                latency_sample(durable_waited, waited, later.raw_us + later.ping_us),
                                latency_sample(memory_latency, unsynced, later.ping_us)};
    samples[0].details["raw_us"] = beside.raw_us;
    samples[0].details["ping_us"] = beside.ping_us;
    Sample many{&durable_parallel, parallel.rate.records_per_second(), alone.rate.records_per_second()};
    many.details["p50_us"] = to_microseconds(parallel.latency.percentile(0.5));
    many.details["p99_us"] = to_microseconds(parallel.latency.percentile(0.99));
    samples.push_back(many);

    read_back(durable, one);
    read_back(durable, eight);
    bench.finish(*daemon);
    return samples;
}

std::vector<Sample> measure_throughput(Bench& bench, const std::string& io) {
    const uint64_t bytes = uint64_t{bench.settings().megabytes} * 1'000'000;
    // Room in the pool for all segments of the first half, which the second half uses again.
    const std::unique_ptr<Daemon> daemon =
        bench.make_daemon(io, {"--pool-files", std::to_string(2 + bytes / (uint64_t{100} << 20))});
    daemon->start();
    const Settings settings = Bench::client_settings(*daemon, Acks::leader);
    Written written = create_topic(settings, "flood", 1);
    const auto skeleton = [&] {
        return probe_skeleton(bench.probe_file(), 2 * bench.probe_seconds()).megabytes_per_second;
    };

    const double before = skeleton();
    const ProcessUse use_before = daemon->use();
    const Rate first = produce_flood(settings, written, bytes);
    const ProcessUse use_after = daemon->use();
    const double between = skeleton();
    read_back(settings, written);
    delete_everything(settings, written);
    const double later = skeleton();
    const Rate second = produce_flood(settings, written, bytes);
    const double after = skeleton();
    read_back(settings, written);
    bench.finish(*daemon);

    Sample fresh{&throughput_new, first.megabytes_per_second(), (before + between) / 2};
    fresh.details["daemon_cores"] = (use_after.cpu_seconds - use_before.cpu_seconds) / first.seconds;
    const Sample reused{&throughput_reused, second.megabytes_per_second(), (later + after) / 2};
    return {fresh, reused};
}

}  // namespace ironbark::bench
