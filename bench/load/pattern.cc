#include "bench/load/pattern.h"

#include <cstring>
#include <random>

namespace ironbark::bench {

namespace {

constexpr uint64_t noise_seed = 0x1701;  // any: the noise only must not compress, nor repeat within a block

}  // namespace

Pattern::Pattern(size_t record_size) : bytes_(record_size, '\0') {
    std::mt19937_64 noise(noise_seed);
    for (char& byte : bytes_) byte = static_cast<char>(noise());
}

std::string_view Pattern::record(int64_t number) {
    std::memcpy(bytes_.data(), &number, sizeof number);
    return bytes_;
}

bool Pattern::is_record(std::string_view value, int64_t number) {
    return value == record(number);
}

}  // namespace ironbark::bench
