#pragma once
// The file beside a log that holds its producers as they were at a durable place: recovery starts reading there. Named
// by the place's offset. Checksummed under the partition's identity.

#include <vector>

#include "log/marks.h"
#include "log/producers.h"

namespace ironbark::log {

struct ProducersSnapshot {
    Floor place;
    Timestamp last_append_time;  // of the log at that place: append times never go back
    Producers producers;
};

std::vector<uint8_t> encode_snapshot(const PartitionIdentity& identity, const Floor& place,
                                     Timestamp last_append_time, const std::vector<uint8_t>& producers);
// Errors: corrupt_data; an older snapshot, or the whole log, is read instead.
Result<ProducersSnapshot> decode_snapshot(Bytes bytes, const PartitionIdentity& identity);
Task<Result<ProducersSnapshot>> read_snapshot(World* world, std::string path, PartitionIdentity identity);

}  // namespace ironbark::log
