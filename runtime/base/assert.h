#pragma once
// Broken invariants of our own logic end the process, in release builds too: running on a wrong state would write it
// to disk. Never assert on bytes that came from a disk or a network: those are `ErrorCode::corrupt_*`, a value.

namespace ironbark {

[[noreturn]] void assertion_failed(const char* condition, const char* file, int line);

}  // namespace ironbark

#define ASSERT(condition)                                                        \
    do {                                                                         \
        if (!(condition)) [[unlikely]]                                           \
            ::ironbark::assertion_failed(#condition, __FILE__, __LINE__);        \
    } while (false)

#define UNREACHABLE() ::ironbark::assertion_failed("unreachable", __FILE__, __LINE__)
