#include "bench/load/node.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <filesystem>
#include <stdexcept>
#include <thread>

#include "bench/load/measurement.h"
#include "bench/load/node_report.h"
#include "bench/load/schedule.h"
#include "bench/machine/processor_use.h"
#include "bench/machine/table.h"

namespace ironbark::bench {

namespace {

// What others may use beside a measurement: a shell, a daemon of the system; not a compiler.
constexpr double cores_of_others_max = 0.1;
constexpr auto look_time = std::chrono::milliseconds(500);
constexpr int looks_max = 60;

const std::vector<Measurement> node_measurements{
    {"latency", false, false, measure_latency}, {"throughput", false, false, measure_throughput},
    {"consume", false, false, measure_consume}, {"idle", false, false, measure_idle},
    {"restart", true, true, measure_restart},
};

bool is_chosen(const Measurement& measurement, const std::vector<std::string>& names) {
    if (names.empty()) return !measurement.is_asked_for_only;
    return std::find(names.begin(), names.end(), measurement.name) != names.end();
}

void wait_for_quiet() {
    double others = 0;
    for (int look = 0; look < looks_max; ++look) {
        const ProcessorTime before = processor_time();
        std::this_thread::sleep_for(look_time);
        others = cores_of_others(before, processor_time());
        if (others <= cores_of_others_max) return;
        if (look == 0) std::fprintf(stderr, "other programs are busy: waiting\n");
    }
    throw std::runtime_error("other programs keep " + figure(others) +
                             " processors busy, so the figures would be worth little: wait, or say --busy");
}

void run_measurement(const Measurement& measurement, Bench& bench, NodeReport& report) {
    const NodeSettings& settings = bench.settings();
    Schedule schedule(settings.ios, measurement.has_own_rounds ? 1 : settings.rounds,
                      settings.is_busy_allowed ? 0 : settings.rounds);
    while (const std::optional<Turn> turn = schedule.next()) {
        if (!settings.is_busy_allowed) wait_for_quiet();
        const ProcessorTime before = processor_time();
        const std::vector<Sample> samples = measurement.run(bench, turn->io);
        const double others = cores_of_others(before, processor_time());
        report.progress(*turn, samples, others);
        if (!schedule.finish(*turn, others > cores_of_others_max)) continue;
        for (const Sample& sample : samples) report.add(turn->io, sample);
    }
    report.note(schedule);
}

}  // namespace

std::unique_ptr<Daemon> Bench::make_daemon(const std::string& io, std::vector<std::string> flags) {
    DaemonCommand command;
    command.program = settings_.daemon;
    command.directory = settings_.directory + "/node-" + std::to_string(++daemons_);
    command.io = io;
    command.flags = std::move(flags);
    command.flags.insert(command.flags.end(), settings_.flags.begin(), settings_.flags.end());
    return std::make_unique<Daemon>(std::move(command));
}

void Bench::finish(Daemon& daemon) {
    daemon.stop();
    std::filesystem::remove_all(daemon.data_directory());
}

Settings Bench::client_settings(const Daemon& daemon, Acks acks) {
    Settings settings;
    settings.bootstrap_servers = daemon.address();
    settings.acks = acks;
    return settings;
}

std::vector<std::string> names_of(const std::vector<Measurement>& list) {
    std::vector<std::string> names;
    for (const Measurement& measurement : list) names.push_back(measurement.name);
    return names;
}

std::vector<std::string> node_points() {
    return names_of(node_measurements);
}

void run_node(const NodeSettings& settings) {
    run_measurements(node_measurements, settings, "every record written was read back and compared");
}

void run_measurements(const std::vector<Measurement>& list, const NodeSettings& settings, const std::string& note) {
    Bench bench(settings);
    bench.probe_file();  // written before anything is measured
    NodeReport report(settings, note);
    for (const Measurement& measurement : list) {
        if (is_chosen(measurement, settings.points)) run_measurement(measurement, bench, report);
    }
    report.print();
    if (!settings.json_path.empty()) report.write(settings.json_path);
}

}  // namespace ironbark::bench
