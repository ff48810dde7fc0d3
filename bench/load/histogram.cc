#include "bench/load/histogram.h"

#include <algorithm>
#include <bit>
#include <cmath>

namespace ironbark::bench {

// Values below 64 have a bucket each; above, a power of two is divided into 64.
size_t Histogram::bucket_of(uint64_t value) {
    const int width = static_cast<int>(std::bit_width(value));
    if (width <= precision_bits) return static_cast<size_t>(value);
    const int shift = width - 1 - precision_bits;
    const uint64_t within = (value >> shift) - (uint64_t{1} << precision_bits);
    return (static_cast<size_t>(shift + 1) << precision_bits) + static_cast<size_t>(within);
}

uint64_t Histogram::upper_end(size_t bucket) {
    const size_t power = bucket >> precision_bits;
    const uint64_t within = bucket & ((uint64_t{1} << precision_bits) - 1);
    if (power == 0) return within;
    const int shift = static_cast<int>(power) - 1;
    return ((within + (uint64_t{1} << precision_bits) + 1) << shift) - 1;
}

void Histogram::add(int64_t nanoseconds) {
    const uint64_t value = static_cast<uint64_t>(std::max<int64_t>(nanoseconds, 0));
    ++buckets_[bucket_of(value)];
    ++count_;
    max_ = std::max(max_, static_cast<int64_t>(value));
}

void Histogram::merge(const Histogram& other) {
    for (size_t bucket = 0; bucket < bucket_count; ++bucket) buckets_[bucket] += other.buckets_[bucket];
    count_ += other.count_;
    max_ = std::max(max_, other.max_);
}

int64_t Histogram::percentile(double part) const {
    const auto wanted = static_cast<uint64_t>(std::ceil(part * static_cast<double>(count_)));
    uint64_t seen = 0;
    for (size_t bucket = 0; bucket < bucket_count; ++bucket) {
        seen += buckets_[bucket];
        if (seen >= std::max<uint64_t>(wanted, 1)) return std::min(max_, static_cast<int64_t>(upper_end(bucket)));
    }
    return max_;
}

}  // namespace ironbark::bench
