#pragma once
// What lies in graveyards (log/graveyard.h): ranges that were cut from a log (*.grave), and segments that went there as
// a whole (*.segment). Why these did is told by the .grave file of the same time, which may hold nothing itself.

#include <optional>
#include <string>
#include <vector>

#include "ironbark/expected.h"
#include "log/graveyard.h"
#include "log/segment.h"
#include "tools/offline/frame_walk.h"

namespace ironbark::tools {

struct BuriedFile {
    std::string path;
    log::BuriedRange range;                   // of a segment, too: its end and its bytes only after `walk_buried`
    std::optional<log::SegmentHead> segment;  // if it is one
    uint64_t records = 0;                     // after `walk_buried`, as the rest
    uint64_t gaps = 0;                        // places of a segment that cannot be read, with records behind them
    std::string problem;                      // its head cannot be read
};

bool is_buried_segment(const std::string& path);
// Reads the head.
Task<Expected<BuriedFile>> read_buried(World* world, std::string path);
// The files of a partition's graveyard, oldest first, without .grave files that only tell of segments which are there.
Task<Expected<std::vector<BuriedFile>>> list_buried(World* world, std::string directory);
// What one burial left, by one of its files: a segment is meant alone, a .grave file with the segments of its time.
Task<Expected<std::vector<BuriedFile>>> find_burial(World* world, std::string path);

// Shows each frame that is buried there, good or damaged, until `visit` returns false: not what an earlier use of a
// segment left, nor the frames before a range, which were copied along with their block.
Task<Expected<void>> walk_buried(World* world, BuriedFile* file, PieceVisitor visit);

}  // namespace ironbark::tools
