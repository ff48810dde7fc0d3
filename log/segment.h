#pragma once
// One file of a log: a head block that identifies it, then frames, then whatever an earlier use of the file left. Its
// name is the offset of its first record. The head binds it to its partition and to the segment before it, so that a
// file that is foreign, or missing, is noticed when the log is opened.
//
// Head block, little-endian (docs/FORMAT.md):
//      0  u64  checksum: XXH3-64 of bytes 8..4096, seeded with the partition's identity
//      8  u64  magic and version
//     16       topic UUID (16), partition i32, zero u32
//     40  i64  base offset
//     48  i64  base offset of the segment before; -1: none
//     56  u64  chain value before the first frame
//     64  i32  highest epoch before the first frame; u32 zero
//     72  i64  creation time, ms
//     80       zero to the end of the block

#include <memory>
#include <string>
#include <vector>

#include "log/limits.h"
#include "log/segment_index.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/io/world.h"

namespace ironbark::log {

struct SegmentHead {
    Offset base;
    Offset previous_base{-1};
    uint64_t chain_before = 0;
    Epoch epoch_before{-1};
    Timestamp created;
    friend bool operator==(const SegmentHead&, const SegmentHead&) = default;
};

// REQUIRES: block.size() == block_size
void encode_head(MutableBytes block, const PartitionIdentity& identity, const SegmentHead& head);
// Errors: corrupt_data (damaged), foreign_data (a good head of another partition or another base offset).
Result<SegmentHead> decode_head(Bytes block, const PartitionIdentity& identity, Offset base);

// "00000000000000000042.log": names sort as offsets do.
std::string segment_file_name(Offset base, const char* suffix);
constexpr const char* log_suffix = ".log";
constexpr const char* index_suffix = ".index";
constexpr const char* producers_suffix = ".producers";
constexpr const char* restart_suffix = ".restart";  // the producers where the log is about to start anew
constexpr const char* new_suffix = ".new";  // added to a name: not yet what the name says
// The offset that a file name starts with, if the name is an offset and the suffix.
std::optional<Offset> offset_of_file_name(const std::string& name, const char* suffix);

// A segment as its Log knows it. Plain state, owned and changed by the Log.
struct Segment {
    SegmentHead head;
    Offset end;                              // next offset after the last frame appended
    uint64_t end_position = block_size;      // position after it (and its pad), while the segment is the newest
    uint64_t written_position = block_size;  // nothing before it is written again
    uint64_t allocated = 0;                  // file size; 0: the file does not exist yet
    uint64_t prepared = 0;  // from written_position up to here, blocks are known to have been written before
    uint64_t unsynced_bytes = 0;
    Timestamp max_append_time;
    SegmentIndex index;
    std::shared_ptr<File> file;  // null: not open. Shared with reads in flight, which may outlast a removal
    bool sealed = false;         // nothing is appended any more
};

}  // namespace ironbark::log
