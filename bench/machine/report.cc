#include "bench/machine/report.h"

#include <sys/utsname.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/machine/noise.h"
#include "bench/machine/probes.h"
#include "bench/machine/system.h"
#include "bench/machine/table.h"

namespace ironbark::bench {

namespace {

using Json = nlohmann::ordered_json;

class Report {
  public:
    void add(const char* key, const char* title, const Latency& latency) {
        table_.add({title, figure(latency.p50_us), figure(latency.p99_us), ""});
        json_[key] = {{"p50_us", latency.p50_us}, {"p99_us", latency.p99_us}};
    }

    void add(const char* key, const char* title, const SyncedWriteResult& result) {
        table_.add({title,
                    figure(result.latency.p50_us),
                    figure(result.latency.p99_us),
                    figure(result.megabytes_per_second)});
        json_[key] = {{"p50_us", result.latency.p50_us},
                      {"p99_us", result.latency.p99_us},
                      {"writes_per_second", result.writes_per_second},
                      {"megabytes_per_second", result.megabytes_per_second}};
    }

    void add(const char* key, const char* title, const BandwidthResult& result) {
        table_.add({title, "", "", figure(result.megabytes_per_second)});
        json_[key] = {{"megabytes_per_second", result.megabytes_per_second}};
    }

    void add_machine(const MachineSettings& settings, const std::string& noise) {
        utsname system{};
        check(::uname(&system), "uname");
        json_["machine"] = {{"processors", ::sysconf(_SC_NPROCESSORS_ONLN)},
                            {"kernel", system.release},
                            {"seconds_per_probe", settings.seconds},
                            {"noise", noise}};
    }

    void print() const { table_.print(); }

    void write(const std::string& path) const {
        std::ofstream file(path);
        file << json_.dump(4) << '\n';
        if (!file.flush()) fail(path.c_str(), errno);
    }

  private:
    Table table_{1, {"probe", "p50 us", "p99 us", "MB/s"}};
    Json json_;
};

}  // namespace

void report_machine(const MachineSettings& settings) {
    const double seconds = settings.seconds;
    const Noise noise;
    Report report;
    ProbeFile file(settings.directory);
    report.add("raw", "RAW: 4 KiB synced write", probe_synced_write(file, 4 << 10, seconds));
    report.add("raw_64k", "64 KiB synced write", probe_synced_write(file, 64 << 10, seconds));
    report.add("disk_write", "sequential write", probe_disk_write(file, seconds));
    report.add("disk_read", "sequential read", probe_disk_read(file, seconds));
    report.add("ping", "PING: loopback, 64 B", probe_ping(seconds).latency);
    report.add("loopback", "loopback, one stream", probe_loopback(seconds));
    if (settings.skeleton) {
        report.add("skeleton", "SKELETON: receive, hash, write", probe_skeleton(file, seconds));
    }
    report.add_machine(settings, noise.report());
    report.print();
    std::printf("\n%s\n", noise.report().c_str());
    if (!settings.json_path.empty()) report.write(settings.json_path);
}

}  // namespace ironbark::bench
