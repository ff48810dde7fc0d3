// Throughput of consuming: from the broker's memory, and from its disk.

#include "bench/load/load.h"
#include "bench/load/measurement.h"

namespace ironbark::bench {

namespace {

const Point tail{
    "consume from the tail, verified", "MB/s", "loopback, one stream", {Target::Kind::at_least, 0.6, ">= 0.60"}};
const Point cold{"consume cold, verified", "MB/s", "sequential direct reads", {Target::Kind::at_least, 0.8, ">= 0.80"}};

// Reads everything back between two probes.
template <typename Probe>
Sample read_between(const Point& point, const Settings& settings, Written& written, Probe probe) {
    const double before = probe();
    const Rate rate = read_back(settings, written);
    return {&point, rate.megabytes_per_second(), (before + probe()) / 2};
}

}  // namespace

std::vector<Sample> measure_consume(Bench& bench, const std::string& io) {
    // The whole log stays in memory until the daemon is started again; direct reads then find nothing cached.
    const std::string memory = std::to_string(2 * bench.bytes() >> 20) + "MiB";
    const std::unique_ptr<Daemon> daemon = bench.make_daemon(io, {"--memory-tail", memory});
    daemon->start();
    const Settings settings = Bench::client_settings(*daemon, Acks::leader);
    Written written = create_topic(settings, "read", 1);
    produce_flood(settings, written, bench.bytes());
    read_back(settings, written);  // warm-up; waits until everything is durable

    const double seconds = bench.probe_seconds();
    const Sample from_memory =
        read_between(tail, settings, written, [&] { return probe_loopback(seconds).megabytes_per_second; });
    daemon->stop();
    daemon->start();
    const Sample from_disk = read_between(
        cold, settings, written, [&] { return probe_disk_read(bench.probe_file(), seconds).megabytes_per_second; });
    bench.finish(*daemon);
    return {from_memory, from_disk};
}

}  // namespace ironbark::bench
