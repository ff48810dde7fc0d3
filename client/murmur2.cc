#include "client/murmur2.h"

namespace ironbark::client {

uint32_t murmur2(Bytes key) {
    constexpr uint32_t seed = 0x9747b28c;
    constexpr uint32_t factor = 0x5bd1e995;
    uint32_t hash = seed ^ static_cast<uint32_t>(key.size());
    size_t position = 0;
    for (; position + 4 <= key.size(); position += 4) {
        uint32_t word = load_le<uint32_t>(key.data() + position) * factor;
        word = (word ^ (word >> 24)) * factor;
        hash = (hash * factor) ^ word;
    }
    size_t left = key.size() - position;
    if (left >= 3) hash ^= uint32_t{key[position + 2]} << 16;
    if (left >= 2) hash ^= uint32_t{key[position + 1]} << 8;
    if (left >= 1) hash = (hash ^ key[position]) * factor;
    hash = (hash ^ (hash >> 13)) * factor;
    return hash ^ (hash >> 15);
}

int32_t partition_of_key(Bytes key, int32_t partitions) {
    return static_cast<int32_t>(murmur2(key) & 0x7fffffff) % partitions;
}

}  // namespace ironbark::client
