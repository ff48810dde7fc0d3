// XXH3-64 twice: as the packaged library offers it, built for every x86-64, and compiled here from
// the same package's header for the processors that Ironbark is built for.
#pragma once

#include <cstddef>
#include <cstdint>

namespace ironbark::bench {

std::uint64_t xxh3_from_library(const void* data, std::size_t size);
std::uint64_t xxh3_compiled_here(const void* data, std::size_t size);

}  // namespace ironbark::bench
