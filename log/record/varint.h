#pragma once
// The numbers inside records: zigzag variable-length integers (Protocol Buffers' sint32 and sint64), and a cursor that
// reads them from bytes that nobody has verified.

#include <bit>
#include <cstdint>
#include <optional>

#include "runtime/base/bytes.h"

namespace ironbark::record {

constexpr size_t varint_size_max = 10;  // of a 64-bit number

constexpr uint64_t zigzag(int64_t number) {
    return (static_cast<uint64_t>(number) << 1) ^ static_cast<uint64_t>(number >> 63);
}
constexpr int64_t unzigzag(uint64_t number) {
    return static_cast<int64_t>((number >> 1) ^ (~(number & 1) + 1));
}

// How many bytes write_varint will take: 1 to varint_size_max.
constexpr size_t varint_size(int64_t number) {
    return (static_cast<size_t>(std::bit_width(zigzag(number) | 1)) + 6) / 7;
}

// Writes the number and returns where the next byte goes. REQUIRES: varint_size(number) bytes of room.
inline uint8_t* write_varint(uint8_t* to, int64_t number) {
    uint64_t rest = zigzag(number);
    for (; rest >= 0x80; rest >>= 7) *to++ = static_cast<uint8_t>(rest | 0x80);
    *to++ = static_cast<uint8_t>(rest);
    return to;
}

// Never reads beyond its bytes. A read that is not possible makes the cursor fail for good: it and every later read
// give zero or nothing, so that a decoder looks at ok() once, at its end, before it believes what it has read.
class Cursor {
  public:
    explicit Cursor(Bytes bytes) : at_(bytes.data()), end_(bytes.data() + bytes.size()) {}

    bool ok() const { return !failed_; }
    size_t left() const { return static_cast<size_t>(end_ - at_); }
    Bytes rest() const { return {at_, left()}; }

    uint8_t byte() {
        if (at_ == end_) return static_cast<uint8_t>(fail());
        return *at_++;
    }
    int64_t varlong() {
        if (at_ != end_ && *at_ < 0x80) return unzigzag(*at_++);  // most numbers in a record are this small
        return long_varlong();
    }
    // Fails on a number that does not fit into 32 bits.
    int32_t varint() {
        int64_t number = varlong();
        auto narrow = static_cast<int32_t>(number);
        return narrow == number ? narrow : static_cast<int32_t>(fail());
    }
    // Fails if size is negative or more than is left.
    Bytes take(int64_t size) {
        if (size < 0 || static_cast<uint64_t>(size) > left()) {
            fail();
            return {};
        }
        Bytes taken(at_, static_cast<size_t>(size));
        at_ += size;
        return taken;
    }
    // A length, -1 for none, and as many bytes.
    std::optional<Bytes> nullable() {
        int32_t size = varint();
        if (size == -1) return std::nullopt;
        return take(size);
    }

  private:
    int64_t long_varlong();
    int64_t fail();

    const uint8_t* at_;
    const uint8_t* end_;
    bool failed_ = false;
};

}  // namespace ironbark::record
