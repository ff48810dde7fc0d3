#include "bench/load/cluster_report.h"

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/machine/description.h"
#include "bench/machine/system.h"
#include "bench/machine/table.h"

namespace ironbark::bench {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t outages_shown_max = 20;  // the longest

double to_ms(Nanoseconds span) {
    return to_seconds(span) * 1e3;
}

// The value at or below which this part of them lies. REQUIRES: not empty.
double percentile(std::vector<double> values, double part) {
    std::sort(values.begin(), values.end());
    const double rank = std::ceil(part * static_cast<double>(values.size()));
    return values[static_cast<size_t>(std::max(rank, 1.0)) - 1];
}

std::string percentiles(const std::vector<double>& values) {
    if (values.empty()) return "none seen";
    return "p50 " + figure(percentile(values, 0.5)) + " ms, p99 " + figure(percentile(values, 0.99)) + " ms, max " +
           figure(percentile(values, 1)) + " ms";
}

// What was done to the cluster when an outage began, or while it went on.
const Disturbance* cause_of(const Outage& outage, const ClusterResult& result) {
    for (const Disturbance& disturbance : result.disturbances) {
        const Nanoseconds over = disturbance.in_sync > 0 ? disturbance.in_sync : disturbance.returned;
        if (disturbance.at <= outage.begin + outage.length && outage.begin <= over) return &disturbance;
    }
    return nullptr;
}

const char* word(Disturbing kind) {
    return kind == Disturbing::kill_leader ? "killed" : "stopped";
}

std::string cause_text(const Disturbance* cause) {
    if (cause == nullptr) return "";
    return std::string(word(cause->kind)) + " broker " + std::to_string(cause->broker);
}

std::vector<double> return_ms(const ClusterResult& result, Disturbing kind) {
    std::vector<double> times;
    for (const Disturbance& disturbance : result.disturbances) {
        if (disturbance.kind == kind && disturbance.in_sync > 0) {
            times.push_back(to_ms(disturbance.in_sync - disturbance.returned));
        }
    }
    return times;
}

size_t count_of(const ClusterResult& result, Disturbing kind) {
    return static_cast<size_t>(std::count_if(result.disturbances.begin(), result.disturbances.end(),
                                             [kind](const Disturbance& each) { return each.kind == kind; }));
}

const char* text(LeaderPlace place) {
    switch (place) {
        case LeaderPlace::beside_controller: return ", beside the active controller";
        case LeaderPlace::apart_from_controller: return ", apart from the active controller";
        case LeaderPlace::anywhere: break;
    }
    return "";
}

void print_load(const ClusterSettings& settings, const ClusterResult& result) {
    const size_t sent = result.schedule.partitions + result.schedule.records();
    std::printf("  sent            %zu records: %s a second, and one to each partition before\n", sent,
                figure(settings.rate).c_str());
    std::printf("  acknowledged    %zu, %s a second, %s MB/s\n", result.acknowledged,
                figure(result.acknowledged_per_second).c_str(),
                figure(result.acknowledged_per_second * static_cast<double>(settings.record_size) / 1e6).c_str());
    std::printf("  not             %zu\n", sent - result.acknowledged);
    for (const auto& [outcome, count] : result.failures) {
        std::printf("    %-40s %8llu\n", outcome.c_str(), static_cast<unsigned long long>(count));
    }
    const Histogram& latency = result.latency;
    std::printf("  latency         p50 %s ms, p99 %s ms, p99.9 %s ms, max %s ms, from when each was due\n",
                figure(to_ms(latency.percentile(0.5))).c_str(), figure(to_ms(latency.percentile(0.99))).c_str(),
                figure(to_ms(latency.percentile(0.999))).c_str(), figure(to_ms(latency.max())).c_str());
}

void print_disturbances(const ClusterSettings& settings, const ClusterResult& result) {
    if (settings.kill_leader_seconds > 0) {
        std::printf("  leader killed   %zu times (SIGKILL)%s\n", count_of(result, Disturbing::kill_leader),
                    text(settings.leader_place));
        std::printf("    in sync again %s, from its start\n",
                    percentiles(return_ms(result, Disturbing::kill_leader)).c_str());
    }
    if (settings.stop_leader_seconds > 0) {
        std::printf("  leader stopped  %zu times (SIGSTOP)%s\n", count_of(result, Disturbing::stop_leader),
                    text(settings.leader_place));
        std::printf("    in sync again %s, from SIGCONT\n",
                    percentiles(return_ms(result, Disturbing::stop_leader)).c_str());
    }
    if (settings.kill_leader_seconds > 0 || settings.stop_leader_seconds > 0) {
        std::printf("    written again %s; all that it led: %s\n", percentiles(result.failover_ms).c_str(),
                    percentiles(result.all_ms).c_str());
        if (result.failovers_unseen > 0) {
            std::printf("    not all seen written again before the end: %zu\n", result.failovers_unseen);
        }
    }
    if (settings.stop_follower_seconds > 0) {
        std::printf("  stopped         %zu times (SIGSTOP, a follower of partition 0)\n",
                    count_of(result, Disturbing::stop_follower));
        std::printf("    in sync again %s, from SIGCONT\n",
                    percentiles(return_ms(result, Disturbing::stop_follower)).c_str());
    }
}

void print_outages(const ClusterResult& result) {
    std::printf("  outages         %zu\n", result.outages.size());
    if (result.outages.empty()) return;
    std::vector<Outage> longest = result.outages;
    std::sort(longest.begin(), longest.end(), [](const Outage& left, const Outage& right) {
        return std::pair(right.length, left.begin) < std::pair(left.length, right.begin);
    });
    longest.resize(std::min(longest.size(), outages_shown_max));
    Table table(0, {"      ms", "at s", "partition", "meanwhile"});
    for (const Outage& outage : longest) {
        table.add({figure(to_ms(outage.length)), figure(to_seconds(outage.begin - result.begin)),
                   std::to_string(outage.partition), cause_text(cause_of(outage, result))});
    }
    table.print();
    const size_t rest = result.outages.size() - longest.size();
    if (rest > 0) std::printf("    and %zu shorter ones, which --json has\n", rest);
}

void print_findings(const ClusterSettings& settings, const ClusterResult& result) {
    const Findings& findings = result.findings;
    const auto number = [](uint64_t count) { return static_cast<unsigned long long>(count); };
    std::printf("  read back       %llu records, %llu of %zu acknowledged ones\n", number(findings.read),
                number(findings.confirmed), result.acknowledged);
    std::printf(
        "  compared        %llu missing, %llu duplicated, %llu reordered, %llu altered, %llu there though refused\n",
        number(findings.missing), number(findings.duplicated), number(findings.reordered), number(findings.altered),
        number(findings.contradicted));
    if (findings.missing > 0) {
        std::printf("    lost at level %s%s; the producer was told of %llu\n", name(settings.acks),
                    settings.is_loss_allowed ? ", which is allowed" : "", number(result.losses_told));
    }
    if (settings.is_read_meanwhile) {
        std::printf("  read meanwhile  %llu records, %llu of them again, %llu not there in the end\n",
                    number(result.sightings.seen), number(result.sightings.repeated),
                    number(result.sightings.taken_back));
    }
    if (result.gaps > 0) std::printf("    the consumer reported %llu gaps\n", number(result.gaps));
    if (!result.trouble.empty()) std::printf("  trouble         %s\n", result.trouble.c_str());
}

Json json_of(const std::vector<double>& values) {
    if (values.empty()) return {{"count", 0}};
    return {{"count", values.size()},          {"p50", percentile(values, 0.5)}, {"p90", percentile(values, 0.9)},
            {"p99", percentile(values, 0.99)}, {"max", percentile(values, 1)},   {"values", values}};
}

Json settings_json(const ClusterSettings& settings) {
    return {{"nodes", Cluster::size},
            {"bootstrap", settings.bootstrap},
            {"topic", settings.topic},
            {"topic_settings", settings.topic_settings},
            {"acks", name(settings.acks)},
            {"io", settings.node.ios.front()},
            {"partitions", settings.partitions},
            {"replicas", Cluster::size},
            {"min_in_sync", 2},
            {"rate", settings.rate},
            {"seconds", settings.seconds},
            {"record_size", settings.record_size},
            {"kill_leader_seconds", settings.kill_leader_seconds},
            {"stop_leader_seconds", settings.stop_leader_seconds},
            {"stop_follower_seconds", settings.stop_follower_seconds},
            {"allow_loss", settings.is_loss_allowed},
            {"read_meanwhile", settings.is_read_meanwhile},
            {"daemon_flags", settings.node.flags}};
}

Json load_json(const ClusterResult& result) {
    const Histogram& latency = result.latency;
    return {{"sent", result.schedule.partitions + result.schedule.records()},
            {"acknowledged", result.acknowledged},
            {"acknowledged_per_second", result.acknowledged_per_second},
            {"not_acknowledged", result.failures},
            {"latency_ms",
             {{"p50", to_ms(latency.percentile(0.5))},
              {"p99", to_ms(latency.percentile(0.99))},
              {"p99.9", to_ms(latency.percentile(0.999))},
              {"max", to_ms(latency.max())}}}};
}

Json events_json(const ClusterResult& result) {
    Json events = Json::array();
    for (const Disturbance& each : result.disturbances) {
        events.push_back({{"what", each.kind == Disturbing::kill_leader ? "kill" : "stop"},
                          {"broker", each.broker},
                          {"at_s", to_seconds(each.at - result.begin)},
                          {"returned_s", to_seconds(each.returned - result.begin)},
                          {"in_sync_s", each.in_sync > 0 ? Json(to_seconds(each.in_sync - result.begin)) : Json()},
                          {"partitions_led", each.led.size()}});
    }
    return events;
}

Json outages_json(const ClusterResult& result) {
    Json outages = Json::array();
    for (const Outage& outage : result.outages) {
        outages.push_back({{"partition", outage.partition},
                           {"at_s", to_seconds(outage.begin - result.begin)},
                           {"ms", to_ms(outage.length)},
                           {"meanwhile", cause_text(cause_of(outage, result))}});
    }
    return outages;
}

}  // namespace

void print_report(const ClusterSettings& settings, const ClusterResult& result, const std::string& noise) {
    const Description machine = describe_machine(settings.node.directory);
    std::printf("%s, %s, %s, %s\n%s beside a benchmark of %s\n\n", machine.processors.c_str(), machine.memory.c_str(),
                machine.kernel.c_str(), machine.disk.c_str(), result.daemon_version.c_str(), machine.build.c_str());
    std::printf("%zu brokers, %d partitions with as many replicas, %s, records of %zu bytes, %s s\n\n", Cluster::size,
                settings.partitions, name(settings.acks), settings.record_size, figure(settings.seconds).c_str());
    print_load(settings, result);
    print_disturbances(settings, result);
    print_outages(result);
    print_findings(settings, result);
    std::printf("\n%s\n", noise.c_str());
    std::fflush(stdout);
}

void write_report(const ClusterSettings& settings, const ClusterResult& result, const std::string& noise) {
    const Description machine = describe_machine(settings.node.directory);
    const Findings& findings = result.findings;
    Json json;
    json["command"] = settings.node.command_line;
    json["machine"] = {{"processors", machine.processors},
                       {"memory", machine.memory},
                       {"kernel", machine.kernel},
                       {"disk", machine.disk},
                       {"noise", noise}};
    json["build"] = {{"daemon", result.daemon_version}, {"benchmark", machine.build}};
    json["settings"] = settings_json(settings);
    json["begin_monotonic_s"] = to_seconds(result.begin);
    json["load"] = load_json(result);
    json["disturbances"] = events_json(result);
    json["failover_ms"] = json_of(result.failover_ms);
    json["failover_all_ms"] = json_of(result.all_ms);
    json["failovers_unseen"] = result.failovers_unseen;
    json["in_sync_after_kill_ms"] = json_of(return_ms(result, Disturbing::kill_leader));
    json["in_sync_after_stop_ms"] = json_of(return_ms(result, Disturbing::stop_follower));
    json["outages"] = outages_json(result);
    json["read_back"] = {{"read", findings.read},
                         {"confirmed", findings.confirmed},
                         {"missing", findings.missing},
                         {"duplicated", findings.duplicated},
                         {"reordered", findings.reordered},
                         {"altered", findings.altered},
                         {"contradicted", findings.contradicted},
                         {"consumer_gaps", result.gaps},
                         {"losses_told", result.losses_told}};
    json["read_meanwhile"] = {{"seen", result.sightings.seen},
                              {"repeated", result.sightings.repeated},
                              {"taken_back", result.sightings.taken_back}};
    json["trouble"] = result.trouble;
    std::ofstream file(settings.node.json_path);
    file << json.dump(4) << '\n';
    if (!file.flush()) fail(settings.node.json_path.c_str(), errno);
}

}  // namespace ironbark::bench
