// Latencies of one run, all of them kept: the probes take thousands, not millions.
#pragma once

#include <cstddef>
#include <vector>

#include "bench/machine/system.h"

namespace ironbark::bench {

struct Latency {
    double p50_us = 0;
    double p99_us = 0;
};

class Samples {
  public:
    void add(Nanoseconds latency) { latencies_.push_back(latency); }
    std::size_t count() const { return latencies_.size(); }
    // Sorts; all zero without samples.
    Latency latency();

  private:
    std::vector<Nanoseconds> latencies_;
};

}  // namespace ironbark::bench
