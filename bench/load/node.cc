#include "bench/load/node.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>

#include "bench/load/measurement.h"
#include "bench/load/node_report.h"

namespace ironbark::bench {

namespace {

const Measurement measurements[] = {
    {"latency", false, measure_latency},
    {"throughput", false, measure_throughput},
    {"consume", false, measure_consume},
    {"idle", false, measure_idle},
    {"restart", true, measure_restart},
};

bool is_chosen(const Measurement& measurement, const std::vector<std::string>& names) {
    if (names.empty()) return !measurement.is_asked_for_only;
    return std::find(names.begin(), names.end(), measurement.name) != names.end();
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

std::vector<std::string> node_points() {
    std::vector<std::string> names;
    for (const Measurement& measurement : measurements) names.push_back(measurement.name);
    return names;
}

void run_node(const NodeSettings& settings) {
    Bench bench(settings);
    NodeReport report(settings);
    for (const Measurement& measurement : measurements) {
        if (!is_chosen(measurement, settings.points)) continue;
        for (int round = 0; round < settings.rounds; ++round) {
            for (const std::string& io : settings.ios) {
                const std::vector<Sample> samples = measurement.run(bench, io);
                for (const Sample& sample : samples) report.add(io, sample);
                report.progress(io, round, samples);
            }
        }
    }
    report.print();
    if (!settings.json_path.empty()) report.write(settings.json_path);
}

}  // namespace ironbark::bench
