#pragma once
// What a shard counts. Plain numbers, touched by the shard's thread only; gathered by whoever answers /metrics.

#include <array>
#include <cstdint>

#include "runtime/base/time.h"
#include "wire/common_generated.h"

namespace ironbark::broker {

// Counts of durations by powers of two of a microsecond: bucket n holds what took less than 2^n us. One multiplication
// and an increment per observation; precise enough to see a change.
class DurationHistogram {
  public:
    static constexpr size_t bucket_count = 26;  // up to 33 s, and one for everything longer

    void add(Duration duration);
    const std::array<uint64_t, bucket_count>& buckets() const { return buckets_; }
    uint64_t count() const { return count_; }
    double sum_seconds() const { return static_cast<double>(sum_.count()) / 1e9; }
    static double upper_bound_seconds(size_t bucket);  // infinite for the last
    void merge(const DurationHistogram& other);

  private:
    std::array<uint64_t, bucket_count> buckets_{};
    uint64_t count_ = 0;
    Duration sum_{};
};

// What the world of a shard counts: with io_uring only. A copy of UringCounters, so that shards know no world.
struct IoCounters {
    uint64_t submits = 0;
    uint64_t operations = 0;
    uint64_t waits = 0;
    uint64_t syncs = 0;
    uint64_t punts = 0;
    uint64_t short_reads = 0;
    uint64_t short_writes = 0;
    uint64_t retries = 0;
    uint64_t overflows = 0;
};

constexpr size_t level_count = static_cast<size_t>(wire::AckLevel::MAX) + 1;
constexpr size_t method_count = static_cast<size_t>(wire::Method::MAX) + 1;

struct ShardMetrics {
    std::array<DurationHistogram, level_count> produce;    // by the level that was served
    std::array<DurationHistogram, method_count> requests;  // by method, the others
    std::array<uint64_t, method_count> errors{};
    DurationHistogram write;  // of rounds
    DurationHistogram sync;
    uint64_t records_in = 0;
    uint64_t bytes_in = 0;
    uint64_t bytes_out = 0;
    uint64_t batches_refused = 0;
    uint64_t duplicates = 0;
    uint64_t behind_gap = 0;
    uint64_t leaderships_begun = 0;
    uint64_t replicas_joined = 0;  // in-sync sets of partitions that are led here
    uint64_t replicas_left = 0;
    uint64_t replication_bytes_out = 0;
};

}  // namespace ironbark::broker
