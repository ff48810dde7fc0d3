#pragma once
// A point of `ironbark-bench node` or `controller`: what is measured, what it is compared with, and the target for the
// quotient.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "bench/load/daemon.h"
#include "bench/load/node.h"
#include "bench/load/target.h"
#include "bench/machine/probes.h"
#include "ironbark/settings.h"

namespace ironbark::bench {

// Whoever wants the shortest latency lets the client's thread poll, as the daemon's does by default.
constexpr int client_spin_us = 200;

struct Point {
    std::string name;
    std::string unit;   // of value and limit
    std::string limit;  // what the value is divided by
    Target target;
};

struct Sample {
    const Point* point = nullptr;
    double value = 0;
    double limit = 0;  // measured beside it; or a constant
    std::map<std::string, double> details{};

    double ratio() const { return limit > 0 ? value / limit : 0; }
};

// What a measurement is given. Each one starts its own daemon in a directory of its own.
class Bench {
  public:
    explicit Bench(const NodeSettings& settings) : settings_(settings) {}

    const NodeSettings& settings() const { return settings_; }
    // Half a gigabyte, written when it is first asked for.
    ProbeFile& probe_file() { return probe_file_ ? *probe_file_ : probe_file_.emplace(settings_.directory); }
    double probe_seconds() const { return settings_.seconds / 10; }
    // What is written and read where throughput is measured.
    uint64_t bytes() const { return uint64_t{settings_.megabytes} * 1'000'000; }

    // A daemon that is not running yet, over an empty directory.
    std::unique_ptr<Daemon> make_daemon(const std::string& io, std::vector<std::string> flags = {});
    // Ends it and removes what it has written.
    void finish(Daemon& daemon);

    static Settings client_settings(const Daemon& daemon, Acks acks);

  private:
    const NodeSettings& settings_;
    std::optional<ProbeFile> probe_file_;
    int daemons_ = 0;
};

struct Measurement {
    std::string name;                // for --point
    bool is_asked_for_only = false;  // not part of a run that names no points: takes minutes, or the disk
    bool has_own_rounds = false;     // goes through all rounds in one call: what comes before them takes minutes
    std::vector<Sample> (*run)(Bench& bench, const std::string& io);
};

std::vector<std::string> names_of(const std::vector<Measurement>& list);
// Those of the list that the settings ask for, round by round, and the report of them. `note` stands below the table.
void run_measurements(const std::vector<Measurement>& list, const NodeSettings& settings, const std::string& note);

std::vector<Sample> measure_latency(Bench& bench, const std::string& io);  // node_produce.cc
std::vector<Sample> measure_throughput(Bench& bench, const std::string& io);
std::vector<Sample> measure_consume(Bench& bench, const std::string& io);  // node_consume.cc
std::vector<Sample> measure_idle(Bench& bench, const std::string& io);     // node_lifetime.cc
std::vector<Sample> measure_restart(Bench& bench, const std::string& io);

std::vector<Sample> measure_commit(Bench& bench, const std::string& io);      // controller_commit.cc
std::vector<Sample> measure_failover(Bench& bench, const std::string& io);    // controller_failover.cc
std::vector<Sample> measure_partitions(Bench& bench, const std::string& io);  // controller_partitions.cc
std::vector<Sample> measure_quorum_idle(Bench& bench, const std::string& io);

}  // namespace ironbark::bench
