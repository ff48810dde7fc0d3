#include "bench/machine/crc32c.h"

#include <nmmintrin.h>

#include <array>
#include <cstring>

namespace ironbark::bench {

namespace {

// Long enough that joining the lanes (about 20 table look-ups) does not show.
constexpr std::size_t lane_size = 1344;

std::uint64_t word_at(const std::uint8_t* bytes) {
    std::uint64_t word = 0;
    std::memcpy(&word, bytes, sizeof word);
    return word;
}

// The state after `size` more zero bytes is a linear function of the state: one table per byte of
// the state, made by running every single bit through the zeros.
class Zeros {
  public:
    explicit Zeros(std::size_t size) {
        std::array<std::uint32_t, 32> of_bit{};
        for (unsigned bit = 0; bit < 32; ++bit) {
            std::uint64_t state = std::uint64_t{1} << bit;
            for (std::size_t i = 0; i < size; ++i) {
                state = _mm_crc32_u8(static_cast<std::uint32_t>(state), 0);
            }
            of_bit[bit] = static_cast<std::uint32_t>(state);
        }
        for (unsigned byte = 0; byte < 4; ++byte) {
            for (unsigned value = 0; value < 256; ++value) {
                std::uint32_t state = 0;
                for (unsigned bit = 0; bit < 8; ++bit) {
                    if ((value >> bit & 1U) != 0) state ^= of_bit[8 * byte + bit];
                }
                tables_[byte][value] = state;
            }
        }
    }

    std::uint32_t append_to(std::uint32_t state) const {
        return tables_[0][state & 255] ^ tables_[1][state >> 8 & 255] ^
               tables_[2][state >> 16 & 255] ^ tables_[3][state >> 24];
    }

  private:
    std::array<std::array<std::uint32_t, 256>, 4> tables_{};
};

std::uint32_t extend(std::uint32_t state, const std::uint8_t* bytes, std::size_t size) {
    std::uint64_t wide = state;
    for (; size >= 8; size -= 8, bytes += 8) wide = _mm_crc32_u64(wide, word_at(bytes));
    auto narrow = static_cast<std::uint32_t>(wide);
    for (; size > 0; --size, ++bytes) narrow = _mm_crc32_u8(narrow, *bytes);
    return narrow;
}

}  // namespace

std::uint32_t crc32c_one_lane(const void* data, std::size_t size) {
    return ~extend(~0U, static_cast<const std::uint8_t*>(data), size);
}

std::uint32_t crc32c_three_lanes(const void* data, std::size_t size) {
    static const Zeros one_lane(lane_size);
    const auto* bytes = static_cast<const std::uint8_t*>(data);
    std::uint32_t state = ~0U;
    for (; size >= 3 * lane_size; size -= 3 * lane_size, bytes += 3 * lane_size) {
        std::uint64_t first = state;
        std::uint64_t second = 0;
        std::uint64_t third = 0;
        for (std::size_t i = 0; i < lane_size; i += 8) {
            first = _mm_crc32_u64(first, word_at(bytes + i));
            second = _mm_crc32_u64(second, word_at(bytes + lane_size + i));
            third = _mm_crc32_u64(third, word_at(bytes + 2 * lane_size + i));
        }
        state = one_lane.append_to(static_cast<std::uint32_t>(first)) ^
                static_cast<std::uint32_t>(second);
        state = one_lane.append_to(state) ^ static_cast<std::uint32_t>(third);
    }
    return ~extend(state, bytes, size);
}

}  // namespace ironbark::bench
