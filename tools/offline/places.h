#pragma once
// What lies where: which partitions a directory holds, and which files a partition.

#include <optional>
#include <string>
#include <vector>

#include "ironbark/expected.h"
#include "log/segment.h"
#include "runtime/io/world.h"

namespace ironbark::tools {

// A partition's directory.
struct PartitionPlace {
    std::string path;
    PartitionIdentity identity;
};

struct PartitionFiles {
    std::vector<Offset> segments;  // base offsets of *.log, ascending, as the rest
    std::vector<Offset> indexes;
    std::vector<Offset> snapshots;
    std::vector<std::string> others;  // names that mean nothing here
};

// A data directory, or one partition's.
struct LogPlaces {
    std::string path;
    bool is_data_directory = false;
    std::vector<PartitionPlace> partitions;
    std::vector<std::string> strangers;  // names in partitions/ that are no partition's
};

// Failure: neither a data directory nor a partition's.
Task<Expected<LogPlaces>> find_places(World* world, std::string directory);
Task<Expected<PartitionFiles>> list_files(World* world, std::string directory);
std::string path_of(const PartitionPlace& partition, Offset base, const char* suffix);

// The partition that a segment file says it belongs to; its head was verified. Reads one block.
struct SegmentFile {
    PartitionIdentity identity;
    log::SegmentHead head;
};
Task<Expected<SegmentFile>> read_segment_head(World* world, std::string path);

// A failure of the disk, for people: what was to be done to which file, and why it was not.
Failure disk_failure(const std::string& what, const std::string& path, const Error& error);

}  // namespace ironbark::tools
