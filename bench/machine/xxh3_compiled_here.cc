#define XXH_INLINE_ALL
#include <xxhash.h>

#include "bench/machine/xxh3.h"

namespace ironbark::bench {

std::uint64_t xxh3_compiled_here(const void* data, std::size_t size) {
    return XXH3_64bits(data, size);
}

}  // namespace ironbark::bench
