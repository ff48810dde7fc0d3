#include "bench/load/target.h"

#include <algorithm>
#include <numeric>

namespace ironbark::bench {

bool Target::is_met(double reached) const {
    switch (kind) {
        case Kind::at_most: return reached <= ratio;
        case Kind::at_least: return reached >= ratio;
        case Kind::none: return true;
    }
    return false;
}

const char* Target::verdict(double reached) const {
    if (kind == Kind::none) return "";
    return is_met(reached) ? "met" : "MISSED";
}

double median(std::vector<double> values) {
    if (values.empty()) return 0;
    std::sort(values.begin(), values.end());
    const size_t middle = values.size() / 2;
    return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
}

double mean(const std::vector<double>& values) {
    if (values.empty()) return 0;
    return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

}  // namespace ironbark::bench
