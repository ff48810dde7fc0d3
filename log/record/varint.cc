#include "log/record/varint.h"

namespace ironbark::record {

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
