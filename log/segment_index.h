#pragma once
// Where in a segment to start reading for an offset or a timestamp: an entry about every `index_interval` bytes. A
// hint: kept in memory, written beside the segment at checkpoints, and rebuilt from the frames whenever it is missing,
// damaged, not of these frames (it ends with another chain value) or does not reach far enough. Never a source of
// truth.

#include <optional>
#include <vector>

#include "log/record/frame.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace ironbark::log {

constexpr size_t index_file_size_max = size_t{16} << 20;

struct IndexEntry {
    Offset offset;
    uint64_t position = 0;
    Timestamp max_timestamp_before;  // highest record timestamp of all frames before this one
};

class SegmentIndex {
  public:
    // Takes note of a frame, if it is the next one; behind a gap the index stays as far as it reaches.
    void add(const record::FrameView& frame, uint64_t position);

    // The last indexed frame at or before `offset`; null if there is none.
    const IndexEntry* entry_before(Offset offset) const;
    // The position of the last indexed frame at or before `position`.
    std::optional<uint64_t> position_before(uint64_t position) const;
    // No record before this offset has a timestamp at or after `time`; `base` if nothing is known.
    Offset offset_before(Timestamp time, Offset base) const;

    Timestamp max_timestamp() const { return max_timestamp_; }
    Offset offset_of_max_timestamp() const { return offset_of_max_timestamp_; }
    // Frames up to this offset are covered; the segment's base offset when nothing is.
    Offset covered_until() const { return covered_until_; }
    // The header checksum of the last frame covered: the chain value of the next one.
    uint64_t chain() const { return chain_; }
    void start_at(Offset base, uint64_t chain) {
        covered_until_ = base;
        chain_ = chain;
    }
    bool is_complete_to(Offset end) const { return covered_until_ >= end; }
    size_t memory_bytes() const { return entries_.capacity() * sizeof(IndexEntry); }

    std::vector<uint8_t> encode(const PartitionIdentity& identity, Offset base) const;
    static Result<SegmentIndex> decode(Bytes bytes, const PartitionIdentity& identity, Offset base);

  private:
    std::vector<IndexEntry> entries_;
    Offset covered_until_;
    uint64_t chain_ = 0;
    uint64_t last_position_ = 0;  // of the last entry
    Timestamp max_timestamp_{-1};
    Offset offset_of_max_timestamp_{-1};
};

}  // namespace ironbark::log
