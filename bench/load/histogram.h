#pragma once
// Latencies of a run, in the manner of an HDR histogram: buckets whose width grows with the value, so that every
// percentile is within 1/64 of the truth, whatever its size, in a few kilobytes that never grow. Plain state: one
// thread, or a lock around it.

#include <array>
#include <cstddef>
#include <cstdint>

namespace ironbark::bench {

class Histogram {
  public:
    void add(int64_t nanoseconds);
    void merge(const Histogram& other);
    uint64_t count() const { return count_; }
    // The value below or at which `part` (0 to 1) of all lie: the upper end of its bucket, at most the largest value.
    int64_t percentile(double part) const;
    int64_t max() const { return max_; }

    static constexpr int precision_bits = 6;  // buckets per power of two: 64, so an error of at most 1.6 %

  private:
    static constexpr size_t bucket_count = size_t{64 - precision_bits} << precision_bits;
    static size_t bucket_of(uint64_t value);
    static uint64_t upper_end(size_t bucket);

    std::array<uint64_t, bucket_count> buckets_{};
    uint64_t count_ = 0;
    int64_t max_ = 0;
};

}  // namespace ironbark::bench
