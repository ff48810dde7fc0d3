#pragma once
// What a benchmark does to a topic through the client library: write with so many records in flight, write as fast as
// the producer takes them, and read everything back, comparing every record with what was written
// (bench/load/pattern.h). Blocks its caller. Anything that is not as it should be ends the benchmark
// (std::runtime_error).

#include <cstdint>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/machine/system.h"
#include "ironbark/settings.h"

namespace ironbark::bench {

// A topic, and how many records were acknowledged in each of its partitions. Nobody else writes to it.
struct Written {
    std::string topic;
    size_t record_size = 1024;
    std::vector<int64_t> begin;  // by partition: the first record that has not been deleted
    std::vector<int64_t> end;    // by partition: the number of the next record

    int64_t records() const;
};

struct Rate {
    uint64_t records = 0;
    uint64_t bytes = 0;  // of their values
    double seconds = 0;

    double records_per_second() const { return static_cast<double>(records) / seconds; }
    double megabytes_per_second() const { return static_cast<double>(bytes) / 1e6 / seconds; }
};

Written create_topic(const Settings& settings, const std::string& name, int32_t partitions, int32_t replicas = 1);

struct ProduceLoop {
    size_t in_flight = 1;
    double seconds = 1;
    double warm_up_seconds = 0.2;  // not counted
};

struct ProduceLoopResult {
    Rate rate;
    Histogram latency;  // from `send` to the callback
};

// Keeps so many records in flight, spread over the partitions: each acknowledgement sends the next from its callback.
ProduceLoopResult produce_closed_loop(const Settings& settings, Written& written, const ProduceLoop& loop);

// One record at a time from the application's thread, each waited for with a future: two more wake-ups a record.
ProduceLoopResult produce_one_by_one(const Settings& settings, Written& written, double seconds);

// Fills the memory of producer and daemon, which take it at a rate of their own.
constexpr uint64_t flood_warm_up_bytes = uint64_t{160} << 20;

// Sends `warm_up_bytes`, which are not counted, and `bytes` to the partitions in turn, as fast as `send` accepts them,
// until everything is acknowledged.
Rate produce_flood(const Settings& settings, Written& written, uint64_t bytes, uint64_t warm_up_bytes = 0);

// Reads what was written from `begin` on, and proves that it is all there, once, in order, unaltered, and that nothing
// else is. The rate counts from the first records on, without the time to connect.
Rate read_back(const Settings& settings, Written& written);

// Removes everything from the log.
void delete_everything(const Settings& settings, Written& written);

}  // namespace ironbark::bench
