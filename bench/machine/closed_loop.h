// A closed loop of producers over many partitions, for the choice between synced writes per
// partition and one synced journal. Every partition has `records_in_flight` records of 1 KiB in
// flight; when a round of it is durable, all of them are answered and sent again. One thread.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <vector>

#include "bench/machine/direct_file.h"
#include "bench/machine/samples.h"
#include "bench/machine/write_ring.h"

namespace ironbark::bench {

constexpr std::size_t record_size = 1024;
constexpr std::size_t batch_overhead = 64 + 61;  // frame header and the batch's own header

struct ClosedLoop {
    std::size_t records_in_flight = 1;  // of one partition, in one batch
    double seconds = 1;

    std::size_t batch_size() const { return records_in_flight * record_size + batch_overhead; }
};

struct LoopResult {
    std::uint64_t records = 0;
    std::uint64_t written = 0;
    Nanoseconds took = 0;
    Samples latencies;

    // records/s, p50 us, p99 us, bytes written per byte of records
    std::vector<double> figures();
};

// One reused file per partition.
class PartitionFiles {
  public:
    PartitionFiles(const std::string& directory, std::size_t count, std::uint64_t file_size);

    std::size_t count() const { return files_.size(); }
    const DirectFile& file(std::size_t partition) const { return *files_[partition]; }
    std::uint64_t advance(std::size_t partition, std::uint64_t size) {
        return cursors_[partition].advance(size);
    }

  private:
    std::vector<std::unique_ptr<DirectFile>> files_;
    std::vector<Cursor> cursors_;
};

// Each partition's round is a synced write of its own, one in flight per partition.
LoopResult run_with_synced_files(const ClosedLoop& loop,
                                 PartitionFiles& files,
                                 std::size_t active,
                                 SyncForm form);

// Each turn of the loop writes all partitions' rounds unsynced, then has the whole file system
// synced by one system call.
LoopResult run_with_one_sync(const ClosedLoop& loop, PartitionFiles& files, std::size_t active);

}  // namespace ironbark::bench
