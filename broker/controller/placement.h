#pragma once
// Chooses the brokers of new partitions. Pure: the same state and seed give the same answer. Only brokers that are
// alive are chosen, none twice for a partition; no rack gets a second replica of a partition while a rack without one
// exists (brokers that name no rack share one); replicas, and first places in the list, which lead, are spread evenly,
// those of existing partitions counted.

#include "broker/controller/metadata.h"

namespace ironbark::broker {

// invalid_replication_factor if fewer brokers are alive than a partition is to have replicas.
Result<Assignment> place(const Metadata& metadata, int32_t partitions, int32_t replicas, uint64_t seed);

}  // namespace ironbark::broker
