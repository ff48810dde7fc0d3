#include "runtime/base/checksum.h"

#include <array>

#define XXH_INLINE_ALL
#include <xxhash.h>

#if defined(__SSE4_2__)
#include <nmmintrin.h>
#endif

namespace ironbark {

uint64_t xxh3(Bytes bytes, uint64_t seed) {
    return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

namespace {

constexpr uint32_t polynomial = 0x82f63b78;  // reflected Castagnoli polynomial

constexpr uint32_t multiply(uint32_t left, uint32_t right) {
    uint32_t product = 0;
    for (int bit = 31; bit >= 0; --bit) {
        product ^= (left >> bit & 1) != 0 ? right : 0;
        right = (right >> 1) ^ ((right & 1) != 0 ? polynomial : 0);
    }
    return product;
}

constexpr std::array<uint32_t, 64> make_squares() {
    std::array<uint32_t, 64> squares{};
    uint32_t square = uint32_t{1} << 30;  // x^1
    for (uint32_t& entry : squares) {
        entry = square;
        square = multiply(square, square);
    }
    return squares;
}
constexpr std::array<uint32_t, 64> squares = make_squares();  // x^(2^n)

constexpr uint32_t power_of_x(uint64_t bits) {
    uint32_t result = uint32_t{1} << 31;  // x^0
    for (size_t index = 0; bits != 0; bits >>= 1, ++index) {
        if ((bits & 1) != 0) result = multiply(result, squares[index]);
    }
    return result;
}

}  // namespace

uint32_t crc32c_of_both(uint32_t first, uint32_t second, size_t second_size) {
    return multiply(power_of_x(8 * second_size), first) ^ second;
}

#if defined(__SSE4_2__)
namespace {

// The crc32 instruction has a latency of three cycles and a throughput of one, so three independent lanes run at once
// and are joined by moving a lane's CRC over the bytes behind it ("shift": a multiplication by x^(8n), tabulated).
// Long lanes are joined seldom, short ones serve single records.
constexpr size_t long_lane = 1024;
constexpr size_t short_lane = 128;

using ShiftTable = std::array<std::array<uint32_t, 256>, 4>;

constexpr ShiftTable make_shift_table(size_t byte_count) {
    ShiftTable table{};
    uint32_t factor = power_of_x(8 * byte_count);
    for (size_t place = 0; place < 4; ++place) {
        for (uint32_t value = 0; value < 256; ++value) {
            table[place][value] = multiply(factor, value << (8 * place));
        }
    }
    return table;
}

template <size_t lane_size>
struct Lanes {
    static inline const ShiftTable one = make_shift_table(lane_size);
    static inline const ShiftTable two = make_shift_table(2 * lane_size);
};

uint32_t shift(const ShiftTable& table, uint32_t crc) {
    return table[0][crc & 255] ^ table[1][crc >> 8 & 255] ^ table[2][crc >> 16 & 255] ^ table[3][crc >> 24];
}

uint64_t step(uint64_t crc, const uint8_t* at) {
    return _mm_crc32_u64(crc, load_le<uint64_t>(at));
}

// Takes as many whole triples of lanes from the front of `bytes` as there are.
template <size_t lane_size>
uint64_t take_lanes(Bytes& bytes, uint64_t crc) {
    for (; bytes.size() >= 3 * lane_size; bytes = bytes.subspan(3 * lane_size)) {
        const uint8_t* at = bytes.data();
        uint64_t second = 0;
        uint64_t third = 0;
        for (size_t position = 0; position < lane_size; position += 8) {
            crc = step(crc, at + position);
            second = step(second, at + lane_size + position);
            third = step(third, at + 2 * lane_size + position);
        }
        crc = shift(Lanes<lane_size>::two, static_cast<uint32_t>(crc)) ^
              shift(Lanes<lane_size>::one, static_cast<uint32_t>(second)) ^ third;
    }
    return crc;
}

}  // namespace

uint32_t crc32c(Bytes bytes, uint32_t previous) {
    uint64_t crc = ~previous & 0xffffffff;
    crc = take_lanes<long_lane>(bytes, crc);
    crc = take_lanes<short_lane>(bytes, crc);
    const uint8_t* at = bytes.data();
    size_t left = bytes.size();
    for (; left >= 8; left -= 8, at += 8) crc = step(crc, at);
    for (; left > 0; --left, ++at) crc = _mm_crc32_u8(static_cast<uint32_t>(crc), *at);
    return ~static_cast<uint32_t>(crc);
}
#else
namespace {

constexpr std::array<uint32_t, 256> make_table() {
    std::array<uint32_t, 256> table{};
    for (uint32_t value = 0; value < 256; ++value) {
        uint32_t crc = value;
        for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? polynomial : 0);
        table[value] = crc;
    }
    return table;
}
constexpr std::array<uint32_t, 256> table = make_table();

}  // namespace

uint32_t crc32c(Bytes bytes, uint32_t previous) {
    uint32_t crc = ~previous;
    for (uint8_t byte : bytes) crc = table[(crc ^ byte) & 255] ^ (crc >> 8);
    return ~crc;
}
#endif

}  // namespace ironbark
