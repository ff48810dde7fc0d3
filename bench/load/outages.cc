#include "bench/load/outages.h"

#include <algorithm>

namespace ironbark::bench {

namespace {

// The gaps between bursts, each with its beginning.
std::vector<Outage> gaps_between(size_t partition, const std::vector<Nanoseconds>& moments) {
    std::vector<Outage> gaps;
    for (size_t index = 1; index < moments.size(); ++index) {
        const Nanoseconds length = moments[index] - moments[index - 1];
        if (length > burst_pause_max) gaps.push_back({partition, moments[index - 1], length});
    }
    return gaps;
}

Nanoseconds median_length(const std::vector<Outage>& gaps) {
    if (gaps.empty()) return 0;
    std::vector<Nanoseconds> lengths;
    for (const Outage& gap : gaps) lengths.push_back(gap.length);
    const auto middle = lengths.begin() + static_cast<std::ptrdiff_t>((lengths.size() - 1) / 2);
    std::nth_element(lengths.begin(), middle, lengths.end());
    return *middle;
}

}  // namespace

std::vector<Outage> find_outages(size_t partition,
                                 const std::vector<Nanoseconds>& acknowledged,
                                 Nanoseconds begin,
                                 Nanoseconds end) {
    std::vector<Nanoseconds> moments{begin};
    for (const Nanoseconds time : acknowledged) {
        if (time >= begin) moments.push_back(time);
    }
    // The median is of what was acknowledged: the two ends are no acknowledgements. With only them there is none.
    const Nanoseconds usual =
        moments.size() < 3 ? 0 : median_length(gaps_between(partition, {moments.begin() + 1, moments.end()}));
    if (moments.back() < end) moments.push_back(end);
    std::vector<Outage> outages = gaps_between(partition, moments);
    std::erase_if(outages, [usual](const Outage& gap) {
        return gap.length <= outage_min || gap.length <= outage_medians * usual;
    });
    return outages;
}

}  // namespace ironbark::bench
