#pragma once
// MurmurHash2 (Austin Appleby, 32 bits) with the seed of Kafka's Java client, so that a key lands in the same partition
// whoever produces it: partition = (murmur2(key) & 0x7fffffff) % partitions.

#include <cstdint>

#include "runtime/base/bytes.h"

namespace ironbark::client {

uint32_t murmur2(Bytes key);
// REQUIRES: partitions > 0
int32_t partition_of_key(Bytes key, int32_t partitions);

}  // namespace ironbark::client
