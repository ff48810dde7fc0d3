#pragma once
// Chooses the brokers of new partitions. Pure: the same state and seed give the same answer. No broker is chosen twice
// for a partition. Brokers that are alive are chosen; only if they are too few, the others fill the last places: they
// catch up when they are back. Of the living ones no rack gets a second replica of a partition while a rack without one
// exists (brokers that name no rack share one); replicas, and first places in the list, which lead, are spread evenly,
// and among brokers that are equal so far by what they have of existing partitions.

#include "broker/controller/metadata.h"

namespace ironbark::broker {

// That keep partitions, alive or not: all but those that are controllers only.
size_t brokers_with_partitions(const Metadata& metadata);
// invalid_replication_factor if there are fewer brokers than a partition is to have replicas, or none is alive.
Result<Assignment> place(const Metadata& metadata, int32_t partitions, int32_t replicas, uint64_t seed);

}  // namespace ironbark::broker
