#include "log/record/varint.h"

#include <limits>

namespace ironbark::record {

int32_t Cursor::varint() {
    int64_t number = varlong();
    if (number < std::numeric_limits<int32_t>::min() || number > std::numeric_limits<int32_t>::max()) {
        return static_cast<int32_t>(fail());
    }
    return static_cast<int32_t>(number);
}

Bytes Cursor::take(int64_t size) {
    if (size < 0 || static_cast<uint64_t>(size) > left()) {
        fail();
        return {};
    }
    Bytes taken(at_, static_cast<size_t>(size));
    at_ += size;
    return taken;
}

std::optional<Bytes> Cursor::nullable() {
    int32_t size = varint();
    if (size == -1) return std::nullopt;
    return take(size);
}

int64_t Cursor::long_varlong() {
    uint64_t number = 0;
    for (int shift = 0; shift < 70 && at_ != end_; shift += 7) {
        uint64_t bits = *at_++;
        if (shift == 63 && bits > 1) break;  // the tenth byte has room for one bit
        number |= (bits & 0x7f) << shift;
        if (bits < 0x80) return unzigzag(number);
    }
    return fail();
}

int64_t Cursor::fail() {
    failed_ = true;
    at_ = end_;
    return 0;
}

}  // namespace ironbark::record
