#include "bench/load/node_report.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>

#include "bench/machine/comparison.h"
#include "bench/machine/system.h"
#include "bench/machine/table.h"

namespace ironbark::bench {

namespace {

using Json = nlohmann::ordered_json;

template <typename Get>
std::vector<double> collect(const std::vector<Sample>& samples, Get get) {
    std::vector<double> values;
    for (const Sample& sample : samples) values.push_back(get(sample));
    return values;
}

std::vector<double> values_of(const std::vector<Sample>& samples) {
    return collect(samples, [](const Sample& sample) { return sample.value; });
}

std::vector<double> limits_of(const std::vector<Sample>& samples) {
    return collect(samples, [](const Sample& sample) { return sample.limit; });
}

std::vector<double> ratios_of(const std::vector<Sample>& samples) {
    return collect(samples, [](const Sample& sample) { return sample.ratio(); });
}

Json summarised(const std::vector<double>& values) {
    return {{"median", median(values)},
            {"min", *std::min_element(values.begin(), values.end())},
            {"max", *std::max_element(values.begin(), values.end())},
            {"rounds", values}};
}

Json to_json(const Point& point, const std::string& io, const std::vector<Sample>& samples) {
    const std::vector<double> ratios = ratios_of(samples);
    Json json{{"point", point.name}, {"io", io}, {"unit", point.unit}, {"limit", point.limit}};
    json["target"] = point.target.text;
    json["is_met"] = point.target.is_met(median(ratios));
    json["value"] = summarised(values_of(samples));
    json["limit_value"] = summarised(limits_of(samples));
    json["ratio"] = summarised(ratios);
    for (const Sample& sample : samples) json["details"].push_back(sample.details);
    return json;
}

}  // namespace

NodeReport::NodeReport(const NodeSettings& settings, std::string note)
    : settings_(settings),
      note_(std::move(note)),
      machine_(describe_machine(settings.directory)),
      daemon_version_(Daemon::version_of(settings.daemon)) {}

NodeReport::Row& NodeReport::row(const Point* point, const std::string& io) {
    auto place = rows_.end();
    for (auto candidate = rows_.begin(); candidate != rows_.end(); ++candidate) {
        if (candidate->point != point) continue;
        if (candidate->io == io) return *candidate;
        place = candidate + 1;
    }
    return *rows_.insert(place, Row{point, io, {}});
}

void NodeReport::add(const std::string& io, const Sample& sample) {
    row(sample.point, io).samples.push_back(sample);
}

void NodeReport::note(const Schedule& schedule) {
    repeats_ += schedule.repeats();
    disturbed_ += schedule.disturbed();
}

void NodeReport::progress(const Turn& turn, const std::vector<Sample>& samples, double others) const {
    for (const Sample& sample : samples) {
        std::fprintf(stderr, "round %d, %-8s  %-52s %s %s / %s = %s\n", turn.round + 1, turn.io.c_str(),
                     sample.point->name.c_str(), figure(sample.value).c_str(), sample.point->unit.c_str(),
                     figure(sample.limit).c_str(), figure(sample.ratio()).c_str());
    }
    std::fprintf(stderr, "    others kept %s processors busy\n", figure(others).c_str());
}

void NodeReport::print() const {
    std::printf("%s, %s, %s, %s\n%s beside a benchmark of %s\n\n", machine_.processors.c_str(), machine_.memory.c_str(),
                machine_.kernel.c_str(), machine_.disk.c_str(), daemon_version_.c_str(), machine_.build.c_str());
    Table table(2, {"point", "io", "value", "unit", "limit", "ratio", "target", ""});
    for (const Row& row : rows_) {
        const std::vector<double> ratios = ratios_of(row.samples);
        table.add({row.point->name, row.io, summary(values_of(row.samples)), row.point->unit,
                   row.point->limit + " " + summary(limits_of(row.samples)), summary(ratios), row.point->target.text,
                   row.point->target.verdict(median(ratios))});
    }
    table.print();
    std::printf(
        "\nmedian (lowest-highest) of %d rounds; %s\n"
        "%d disturbed rounds repeated, %d counted nevertheless; %s\n",
        settings_.rounds, note_.c_str(), repeats_, disturbed_, noise_.report().c_str());
}

void NodeReport::write(const std::string& path) const {
    Json json;
    json["command"] = settings_.command_line;
    json["machine"] = {{"processors", machine_.processors},
                       {"memory", machine_.memory},
                       {"kernel", machine_.kernel},
                       {"disk", machine_.disk},
                       {"noise", noise_.report()}};
    json["build"] = {{"daemon", daemon_version_}, {"benchmark", machine_.build}};
    json["settings"] = {{"rounds", settings_.rounds},
                        {"seconds", settings_.seconds},
                        {"megabytes", settings_.megabytes},
                        {"restart_megabytes", settings_.restart_megabytes},
                        {"kills", settings_.kills},
                        {"daemon_flags", settings_.flags}};
    json["disturbed"] = {{"repeated", repeats_}, {"counted", disturbed_}};
    for (const Row& row : rows_) json["points"].push_back(to_json(*row.point, row.io, row.samples));
    std::ofstream file(path);
    file << json.dump(4) << '\n';
    if (!file.flush()) fail(path.c_str(), errno);
}

}  // namespace ironbark::bench
