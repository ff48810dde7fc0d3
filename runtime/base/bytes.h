#pragma once
// Views of raw bytes, and loads and stores of fixed-size numbers in either byte order at any alignment.

#include <bit>
#include <cstdint>
#include <cstring>
#include <span>
#include <string_view>
#include <type_traits>

namespace ironbark {

using Bytes = std::span<const uint8_t>;  // borrowed, read only
using MutableBytes = std::span<uint8_t>;

template <typename Number>
constexpr Number byte_swap(Number number) {
    if constexpr (sizeof(Number) == 1) return number;
    if constexpr (sizeof(Number) == 2) return static_cast<Number>(__builtin_bswap16(static_cast<uint16_t>(number)));
    if constexpr (sizeof(Number) == 4) return static_cast<Number>(__builtin_bswap32(static_cast<uint32_t>(number)));
    if constexpr (sizeof(Number) == 8) return static_cast<Number>(__builtin_bswap64(static_cast<uint64_t>(number)));
}

static_assert(std::endian::native == std::endian::little, "the formats are written for little-endian machines");

template <typename Number>
Number load_le(const uint8_t* from) {
    static_assert(std::is_integral_v<Number>);
    Number number;
    std::memcpy(&number, from, sizeof(number));
    return number;
}
template <typename Number>
void store_le(uint8_t* to, Number number) {
    static_assert(std::is_integral_v<Number>);
    std::memcpy(to, &number, sizeof(number));
}
template <typename Number>
Number load_be(const uint8_t* from) {
    return byte_swap(load_le<Number>(from));
}
template <typename Number>
void store_be(uint8_t* to, Number number) {
    store_le(to, byte_swap(number));
}

inline Bytes as_bytes(std::string_view text) {
    return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}
inline Bytes as_bytes(Bytes bytes) { return bytes; }
inline std::string_view as_text(Bytes bytes) {
    return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

// At the speed of memcmp: each byte is compared with the one before.
inline bool is_zero(Bytes bytes) {
    return bytes.empty() || (bytes[0] == 0 && std::memcmp(bytes.data(), bytes.data() + 1, bytes.size() - 1) == 0);
}

constexpr uint64_t round_up(uint64_t number, uint64_t multiple) {
    return (number + multiple - 1) / multiple * multiple;
}
constexpr uint64_t round_down(uint64_t number, uint64_t multiple) { return number / multiple * multiple; }

}  // namespace ironbark
