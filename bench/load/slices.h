#pragma once
// A round of latencies is cut into slices, each with its probes, because where the scheduler puts two processes that
// talk to each other decides whether a message takes 3 or 30 us, and it decides anew for each slice. A round's figure
// is the mean of its slices, so that each placement weighs as often as it occurs.

#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/measurement.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

constexpr int slices = 10;

class Slices {
  public:
    explicit Slices(const Point& point) : point_(point) {}

    void add(double value, double limit) {
        values_.push_back(value);
        limits_.push_back(limit);
    }
    void add(const Histogram& latency, double limit_us) {
        add(to_microseconds(latency.percentile(0.5)), limit_us);
        latency_.merge(latency);
    }
    Sample sample() const {
        Sample sample{&point_, mean(values_), mean(limits_)};
        if (latency_.count() == 0) return sample;
        sample.details = {{"p50_us", to_microseconds(latency_.percentile(0.5))},
                          {"p90_us", to_microseconds(latency_.percentile(0.9))},
                          {"p99_us", to_microseconds(latency_.percentile(0.99))},
                          {"p99.9_us", to_microseconds(latency_.percentile(0.999))},
                          {"max_us", to_microseconds(latency_.max())},
                          {"records", static_cast<double>(latency_.count())}};
        return sample;
    }
    const Histogram& latency() const { return latency_; }

  private:
    const Point& point_;
    std::vector<double> values_;
    std::vector<double> limits_;
    Histogram latency_;
};

}  // namespace ironbark::bench
