// What every probe needs from the system: a clock, and one way to give up.
//
// A probe that cannot open its file or its socket has nothing to report, so failures end the
// program with a message instead of travelling up as values. Any thread.
#pragma once

#include <cstdint>

namespace ironbark::bench {

using Nanoseconds = std::int64_t;

constexpr Nanoseconds nanoseconds_per_second = 1'000'000'000;

// Monotonic time.
Nanoseconds now();

constexpr Nanoseconds from_seconds(double seconds) {
    return static_cast<Nanoseconds>(seconds * static_cast<double>(nanoseconds_per_second));
}

constexpr double to_seconds(Nanoseconds span) {
    return static_cast<double>(span) / static_cast<double>(nanoseconds_per_second);
}

constexpr double to_microseconds(Nanoseconds span) { return static_cast<double>(span) / 1e3; }

// MB/s, decimal, as disks and networks are quoted.
constexpr double to_megabytes_per_second(std::uint64_t bytes, Nanoseconds span) {
    return static_cast<double>(bytes) / 1e6 / to_seconds(span);
}

[[noreturn]] void fail(const char* what, int error_number);

// For calls that return -1 and set errno; gives the result back.
long check(long result, const char* what);

// For io_uring results, which are negative error numbers.
int check_ring(int result, const char* what);

}  // namespace ironbark::bench
