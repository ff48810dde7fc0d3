#include "bench/machine/samples.h"

#include <algorithm>

namespace ironbark::bench {

Latency Samples::latency() {
    if (latencies_.empty()) return {};
    std::sort(latencies_.begin(), latencies_.end());
    const auto at = [this](std::size_t percent) {
        return to_microseconds(latencies_[(latencies_.size() - 1) * percent / 100]);
    };
    return {.p50_us = at(50), .p99_us = at(99)};
}

}  // namespace ironbark::bench
