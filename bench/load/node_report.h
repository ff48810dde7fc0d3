#pragma once
// Collects the samples of `ironbark-bench node` or `controller`, and tells them: a line while it runs, a table, JSON.

#include <string>
#include <vector>

#include "bench/load/measurement.h"
#include "bench/load/schedule.h"
#include "bench/machine/description.h"
#include "bench/machine/noise.h"

namespace ironbark::bench {

class NodeReport {
  public:
    // `note`: what stands below the table.
    NodeReport(const NodeSettings& settings, std::string note);

    void add(const std::string& io, const Sample& sample);
    // What became of the turns of a point.
    void note(const Schedule& schedule);
    // To standard error: what one turn has given, and how many processors others used meanwhile.
    void progress(const Turn& turn, const std::vector<Sample>& samples, double others) const;
    void print() const;
    void write(const std::string& path) const;

  private:
    struct Row {
        const Point* point;
        std::string io;
        std::vector<Sample> samples;
    };
    Row& row(const Point* point, const std::string& io);

    const NodeSettings& settings_;
    std::string note_;
    Description machine_;
    std::string daemon_version_;
    Noise noise_;
    int repeats_ = 0;
    int disturbed_ = 0;
    std::vector<Row> rows_;  // a point's rows stand together, in the order of their first samples
};

}  // namespace ironbark::bench
