#pragma once
// Collects the samples of `ironbark-bench node` and tells them: a line while it runs, a table, and JSON.

#include <string>
#include <utility>
#include <vector>

#include "bench/load/measurement.h"
#include "bench/machine/noise.h"

namespace ironbark::bench {

class NodeReport {
  public:
    explicit NodeReport(const NodeSettings& settings) : settings_(settings) {}

    void add(const std::string& io, const Sample& sample);
    // To standard error: what one round has given.
    void progress(const std::string& io, int round, const std::vector<Sample>& samples) const;
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
    Noise noise_;
    std::vector<Row> rows_;  // a point's rows stand together, in the order of their first samples
};

}  // namespace ironbark::bench
