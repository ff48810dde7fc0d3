// CRC-32C (Castagnoli) by the processor's instruction, which yields one step every three cycles:
// one lane waits for itself, three lanes keep it busy. x86-64 with SSE4.2.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ironbark::bench {

std::uint32_t crc32c_one_lane(const void* data, std::size_t size);
std::uint32_t crc32c_three_lanes(const void* data, std::size_t size);

}  // namespace ironbark::bench
