#include "bench/load/node_report.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <sys/utsname.h>
#include <unistd.h>

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

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
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

const char* verdict(const Target& target, double ratio) {
    if (target.kind == Target::Kind::none) return "";
    return target.is_met(ratio) ? "met" : "MISSED";
}

}  // namespace

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

void NodeReport::progress(const std::string& io, int round, const std::vector<Sample>& samples) const {
    for (const Sample& sample : samples) {
        std::fprintf(stderr, "round %d, %-8s  %-52s %s %s / %s = %s\n", round + 1, io.c_str(),
                     sample.point->name.c_str(), figure(sample.value).c_str(), sample.point->unit.c_str(),
                     figure(sample.limit).c_str(), figure(sample.ratio()).c_str());
    }
}

void NodeReport::print() const {
    Table table(2, {"point", "io", "value", "unit", "limit", "ratio", "target", ""});
    for (const Row& row : rows_) {
        const auto& samples = row.samples;
        const std::vector<double> ratios = ratios_of(samples);
        table.add(
            {row.point->name, row.io, summary(collect(samples, [](const Sample& sample) { return sample.value; })),
             row.point->unit,
             row.point->limit + " " + summary(collect(samples, [](const Sample& sample) { return sample.limit; })),
             summary(ratios), row.point->target.text, verdict(row.point->target, median(ratios))});
    }
    table.print();
    std::printf("\nmedian (lowest-highest) of %d rounds; every record written was read back and compared\n%s\n",
                settings_.rounds, noise_.report().c_str());
}

void NodeReport::write(const std::string& path) const {
    utsname system{};
    check(::uname(&system), "uname");
    Json json{
        {"command", settings_.command_line},
        {"machine",
         {{"processors", ::sysconf(_SC_NPROCESSORS_ONLN)}, {"kernel", system.release}, {"noise", noise_.report()}}},
        {"settings",
         {{"rounds", settings_.rounds},
          {"seconds", settings_.seconds},
          {"megabytes", settings_.megabytes},
          {"restart_megabytes", settings_.restart_megabytes},
          {"daemon_flags", settings_.flags}}}};
    for (const Row& row : rows_) {
        const std::vector<double> ratios = ratios_of(row.samples);
        Json point{{"point", row.point->name},         {"io", row.io},
                   {"unit", row.point->unit},          {"limit", row.point->limit},
                   {"target", row.point->target.text}, {"is_met", row.point->target.is_met(median(ratios))}};
        point["value"] = summarised(collect(row.samples, [](const Sample& sample) { return sample.value; }));
        point["limit_value"] = summarised(collect(row.samples, [](const Sample& sample) { return sample.limit; }));
        point["ratio"] = summarised(ratios);
        for (const Sample& sample : row.samples) point["details"].push_back(sample.details);
        json["points"].push_back(point);
    }
    std::ofstream file(path);
    file << json.dump(4) << '\n';
    if (!file.flush()) fail(path.c_str(), errno);
}

}  // namespace ironbark::bench
