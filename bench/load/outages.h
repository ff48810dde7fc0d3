#pragma once
// When a client saw that nothing was acknowledged, although records were due all the time. Pure.

#include <cstddef>
#include <vector>

#include "bench/machine/system.h"

namespace ironbark::bench {

struct Outage {
    size_t partition = 0;
    Nanoseconds begin = 0;  // the last acknowledgement before it
    Nanoseconds length = 0;
};

constexpr Nanoseconds outage_min = 20'000'000;  // shorter ones are a disk's or a scheduler's
constexpr Nanoseconds burst_pause_max = 1'000'000;
constexpr int outage_medians = 3;

// Gaps between acknowledgements that are longer than three times their median, and than `outage_min`. A batch answers
// for many records at once, so acknowledgements at most `burst_pause_max` apart are one, and the median is of the gaps
// between such bursts. `acknowledged`: times in ascending order; those before `begin` are not looked at.
// `begin` and `end` are when the first and the last record was due: to wait long for the first acknowledgement, and to
// have none long before the last record was due, are outages, too.
std::vector<Outage> find_outages(size_t partition,
                                 const std::vector<Nanoseconds>& acknowledged,
                                 Nanoseconds begin,
                                 Nanoseconds end);

}  // namespace ironbark::bench
