// What partitions cost that nobody uses, and how soon a node is back after it was killed with much to recover.

#include <chrono>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "bench/load/load.h"
#include "bench/load/measurement.h"
#include "ironbark/admin.h"

namespace ironbark::bench {

namespace {

constexpr int32_t idle_partitions = 10'000;
constexpr auto start_settle_time = std::chrono::seconds(2);  // after a start: what it allocated and gives back
constexpr auto idle_time = std::chrono::seconds(10);
constexpr int32_t restart_partitions = 8;
constexpr uint64_t restart_fresh_bytes = uint64_t{256} << 20;  // since the last start: no snapshot covers all of it

const Point idle_start{"10 000 idle partitions: start", "s", "5 s", {Target::Kind::at_most, 1, "<= 5 s"}};
const Point idle_memory{"  memory of each", "KiB", "16 KiB", {Target::Kind::at_most, 1, "<= 16 KiB"}};
const Point idle_processor{"  processor in 10 s", "ms", "10 ms", {Target::Kind::at_most, 1, "none: <= 10 ms (1 tick)"}};
const Point idle_disk{"  written in 10 s, and files", "bytes", "1 byte", {Target::Kind::at_most, 0, "none"}};
const Point restart_ready{"restart after SIGKILL: ready", "s", "2 s", {Target::Kind::at_most, 1, "<= 2 s"}};
const Point restart_acknowledged{
    "  first durable acknowledgement of every partition", "s", "2 s", {Target::Kind::at_most, 1, "<= 2 s"}};

size_t count_entries(const std::string& directory) {
    if (!std::filesystem::exists(directory)) return 0;
    const std::filesystem::directory_iterator entries(directory);
    return static_cast<size_t>(std::distance(begin(entries), end(entries)));
}

}  // namespace

std::vector<Sample> measure_idle(Bench& bench, const std::string& io) {
    const std::unique_ptr<Daemon> daemon = bench.make_daemon(io);
    daemon->start();
    std::this_thread::sleep_for(start_settle_time);
    const double resident_empty = static_cast<double>(daemon->use().resident_bytes);
    const Nanoseconds begin = now();
    create_topic(Bench::client_settings(*daemon, Acks::leader), "idle", idle_partitions);
    const double create_seconds = to_seconds(now() - begin);
    daemon->stop();

    const double start_seconds = daemon->start();
    std::this_thread::sleep_for(start_settle_time);
    const ProcessUse before = daemon->use();
    std::this_thread::sleep_for(idle_time);
    const ProcessUse after = daemon->use();
    const double files = static_cast<double>(count_entries(daemon->data_directory() + "/partitions"));
    bench.finish(*daemon);

    Sample start{&idle_start, start_seconds, 5};
    start.details["create_seconds"] = create_seconds;
    const double each = (static_cast<double>(before.resident_bytes) - resident_empty) / idle_partitions / 1024;
    Sample disk{&idle_disk, static_cast<double>(after.written_bytes - before.written_bytes) + files, 1};
    disk.details["partition_directories"] = files;
    return {
        start, {&idle_memory, each, 16}, {&idle_processor, 1000 * (after.cpu_seconds - before.cpu_seconds), 10}, disk};
}

std::vector<Sample> measure_restart(Bench& bench, const std::string& io) {
    const uint64_t bytes = uint64_t{bench.settings().restart_megabytes} * 1'000'000;
    const std::unique_ptr<Daemon> daemon = bench.make_daemon(io);
    daemon->start();
    const Settings settings = Bench::client_settings(*daemon, Acks::leader_durable);
    Written written = create_topic(settings, "large", restart_partitions);
    produce_flood(settings, written, bytes);
    std::vector<Sample> samples;
    for (int round = 0; round < bench.settings().rounds; ++round) {
        produce_flood(settings, written, restart_fresh_bytes);
        daemon->kill();
        const Nanoseconds begin = now();
        const double ready_seconds = daemon->start();
        // One record to each partition: acknowledged, so everything before it has been recovered.
        produce_flood(settings, written, restart_partitions * written.record_size);
        const double acknowledged_seconds = to_seconds(now() - begin);
        samples.push_back({&restart_ready, ready_seconds, 2});
        samples.push_back({&restart_acknowledged, acknowledged_seconds, 2});
    }
    const Rate read = read_back(settings, written);
    samples.front().details["log_gigabytes"] =
        static_cast<double>(written.records()) * static_cast<double>(written.record_size) / 1e9;
    samples.front().details["read_back_megabytes_per_second"] = read.megabytes_per_second();
    bench.finish(*daemon);
    return samples;
}

}  // namespace ironbark::bench
