#pragma once
// Where records go that are cut from a log: nothing vanishes silently. One file per burial in the partition's
// `graveyard` directory: a line of JSON (why, when, offsets, epochs), zeros to the end of the block, then the bytes as
// they lay in the log, frames and whatever stood between them. Segments that go as a whole are moved there beside it,
// under the same time. Bounded per partition: the oldest go first.
//
// Used by a Log when it cuts and recovers, and by the command-line tool without a daemon.

#include <optional>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/io/world.h"

namespace ironbark::log {

// How the names of its files end: of a range, and of a segment that went there as a whole.
constexpr const char* grave_suffix = ".grave";
constexpr const char* buried_segment_suffix = ".segment";

struct BuriedRange {
    PartitionIdentity identity;
    Offset first;          // of the first record that was cut
    Offset end;            // after the last record known to be in there
    Epoch epoch{-1};       // that begins at `first` instead; -1: not known
    Timestamp time;        // of the burial
    std::string reason;    // "cut", "torn"
    uint64_t bytes = 0;    // behind the first block
    int32_t segments = 0;  // that were to be moved there, too
};

// A place in a file whose bytes are to be buried.
struct BuriedBytes {
    File* file = nullptr;
    uint64_t begin = 0;
    uint64_t end = 0;
    bool tolerates_unreadable = false;  // blocks that the disk cannot read become zeros; otherwise an error
};

// Writes one graveyard file, durably, and returns its time, which no other has. `directory` is the partition's.
Task<Result<Timestamp>> bury(
    World* world, std::string directory, BuriedRange range, std::vector<BuriedBytes> parts, uint64_t bytes_max);

// Moves a segment, as it is, to the burial of that time. Durable when both directories have been synced.
Task<Result<void>> bury_segment(World* world, std::string directory, Timestamp time, Offset base);
// Removes the oldest files while they are more bytes than that. At least what was buried last stays.
Task<void> make_room_in_graveyard(World* world, std::string directory, uint64_t bytes_max);
// The time of the newest burial; empty if there is none.
Task<Result<std::optional<Timestamp>>> newest_burial(World* world, std::string directory);

// The head of a graveyard file. corrupt_data if it is none.
Task<Result<BuriedRange>> read_buried_head(World* world, std::string path);

// Names of the files in a partition's graveyard, oldest first; none if it has no graveyard.
Task<Result<std::vector<std::string>>> list_graveyard(World* world, std::string directory);

}  // namespace ironbark::log
