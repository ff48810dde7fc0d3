#include "broker/metrics.h"

#include <algorithm>
#include <bit>
#include <limits>

namespace ironbark::broker {

void DurationHistogram::add(Duration duration) {
    auto microseconds = static_cast<uint64_t>(std::max<int64_t>(0, duration.count() / 1000));
    size_t bucket = std::min<size_t>(static_cast<size_t>(std::bit_width(microseconds)), bucket_count - 1);
    ++buckets_[bucket];
    ++count_;
    sum_ += duration;
}

double DurationHistogram::upper_bound_seconds(size_t bucket) {
    if (bucket + 1 >= bucket_count) return std::numeric_limits<double>::infinity();
    return static_cast<double>(uint64_t{1} << bucket) / 1e6;
}

void DurationHistogram::merge(const DurationHistogram& other) {
    for (size_t bucket = 0; bucket < bucket_count; ++bucket) buckets_[bucket] += other.buckets_[bucket];
    count_ += other.count_;
    sum_ += other.sum_;
}

}  // namespace ironbark::broker
