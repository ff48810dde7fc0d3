#include "tests/simulation/random_stream.h"

#include <bit>

#include "runtime/base/checksum.h"

namespace ironbark::simulation {
namespace {

uint64_t split_mix(uint64_t& state) {
    state += 0x9e3779b97f4a7c15;
    uint64_t value = state;
    value = (value ^ (value >> 30)) * 0xbf58476d1ce4e5b9;
    value = (value ^ (value >> 27)) * 0x94d049bb133111eb;
    return value ^ (value >> 31);
}

// -log2(random / 2^64) with 16 fractional bits; the fraction by repeated squaring.
uint64_t negative_log2(uint64_t random) {
    random |= 1;
    int zeros = std::countl_zero(random);
    uint64_t mantissa = (random << zeros) >> 32;  // in [1, 2), 31 fractional bits
    uint64_t fraction = 0;
    for (int bit = 15; bit >= 0; --bit) {
        mantissa = (mantissa * mantissa) >> 31;
        if (mantissa >= uint64_t{1} << 32) {
            mantissa >>= 1;
            fraction |= uint64_t{1} << bit;
        }
    }
    return (static_cast<uint64_t>(zeros + 1) << 16) - fraction;
}

constexpr uint64_t ln2_16 = 45426;  // ln 2 with 16 fractional bits

}  // namespace

RandomStream::RandomStream(uint64_t root_seed, std::string_view name) {
    uint64_t state = xxh3(as_bytes(name), root_seed);
    for (uint64_t& word : state_) word = split_mix(state);
}

uint64_t RandomStream::next() {
    uint64_t result = std::rotl(state_[1] * 5, 7) * 9;
    uint64_t shifted = state_[1] << 17;
    state_[2] ^= state_[0];
    state_[3] ^= state_[1];
    state_[1] ^= state_[2];
    state_[0] ^= state_[3];
    state_[2] ^= shifted;
    state_[3] = std::rotl(state_[3], 45);
    return result;
}

uint64_t RandomStream::exponential(uint64_t mean) {
    return static_cast<uint64_t>((static_cast<unsigned __int128>(mean) * negative_log2(next()) * ln2_16) >> 32);
}

Duration RandomStream::duration(Latency latency) {
    return latency.least + Duration(exponential(static_cast<uint64_t>(latency.mean.count())));
}

}  // namespace ironbark::simulation
