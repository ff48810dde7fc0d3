#pragma once
// XXH3-64 (xxHash) protects everything of ours; CRC-32C (Castagnoli, RFC 3720 B.4) stands in the Kafka record batch.
// Both detect accidents only; neither is a message authentication code.

#include <cstdint>

#include "runtime/base/bytes.h"

namespace ironbark {

uint64_t xxh3(Bytes bytes, uint64_t seed);

// CRC-32C of the bytes, continued from `previous` (0 at the start): crc32c(b, crc32c(a)) == crc32c(ab).
uint32_t crc32c(Bytes bytes, uint32_t previous = 0);
// The same from the CRCs of both parts: crc32c_of_both(crc32c(a), crc32c(b), b.size()) == crc32c(ab).
uint32_t crc32c_of_both(uint32_t first, uint32_t second, size_t second_size);

}  // namespace ironbark
