// Throughput of consuming: from the broker's memory, and from its disk.

#include "bench/load/load.h"
#include "bench/load/measurement.h"

namespace ironbark::bench {

namespace {

const Point tail{
    "consume from the tail, verified", "MB/s", "loopback, one stream", {Target::Kind::at_least, 0.6, ">= 0.60"}};
const Point cold{"consume cold, verified", "MB/s", "sequential direct reads", {Target::Kind::at_least, 0.8, ">= 0.80"}};

constexpr int tail_passes = 2;

}  // namespace

std::vector<Sample> measure_consume(Bench& bench, const std::string& io) {
    const uint64_t megabytes = bench.settings().megabytes;
    // The whole log stays in memory until the daemon is started again; direct reads then find nothing cached.
    const std::unique_ptr<Daemon> daemon =
        bench.make_daemon(io, {"--memory-tail", std::to_string(2 * megabytes) + "MiB"});
    daemon->start();
    Settings settings = Bench::client_settings(*daemon, Acks::leader);
    Written written = create_topic(settings, "read", 1);
    produce_flood(settings, written, megabytes * 1'000'000);
    read_back(settings, written);  // warm-up; waits until everything is durable

    const double seconds = bench.probe_seconds();
    double loopback = probe_loopback(seconds).megabytes_per_second;
    Rate from_memory;
    for (int pass = 0; pass < tail_passes; ++pass) {
        const Rate rate = read_back(settings, written);
        from_memory.bytes += rate.bytes;
        from_memory.seconds += rate.seconds;
    }
    loopback = (loopback + probe_loopback(seconds).megabytes_per_second) / 2;

    daemon->stop();
    daemon->start();
    double reads = probe_disk_read(bench.probe_file(), seconds).megabytes_per_second;
    const Rate from_disk = read_back(settings, written);
    reads = (reads + probe_disk_read(bench.probe_file(), seconds).megabytes_per_second) / 2;
    bench.finish(*daemon);
    return {{&tail, from_memory.megabytes_per_second(), loopback}, {&cold, from_disk.megabytes_per_second(), reads}};
}

}  // namespace ironbark::bench
