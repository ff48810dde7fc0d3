#pragma once
// Removing the files of partitions that no log is open for: of deleted topics whose deletion a crash interrupted, and
// of logs that could not be opened.

#include <string>
#include <vector>

#include "broker/controller/metadata.h"
#include "log/store.h"

namespace ironbark::broker {

// Partitions that have a directory in this data directory and belong to this shard.
Task<Result<std::vector<PartitionIdentity>>> list_partitions(World* world,
                                                             const log::DataDirectory* directory,
                                                             size_t shard,
                                                             size_t shard_count);

// Removes the partition's directory with everything in it, and its marks. What an error leaves is for the next start.
// REQUIRES: no log of it is open
Task<Result<void>> remove_partition_files(World* world,
                                          const log::DataDirectory* directory,
                                          log::Marks* marks,
                                          PartitionIdentity identity);

}  // namespace ironbark::broker
