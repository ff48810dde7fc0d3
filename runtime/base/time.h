#pragma once
// Time as types. `Instant` is monotonic and has meaning only on the machine that read it; it comes from an Executor,
// never from a clock of the standard library, so that a simulation can own it.

#include <chrono>
#include <cstdint>

namespace ironbark {

struct MonotonicClock {  // a tag: it has no now()
    using rep = int64_t;
    using period = std::nano;
    using duration = std::chrono::nanoseconds;
    using time_point = std::chrono::time_point<MonotonicClock>;
    static constexpr bool is_steady = true;
};

using Duration = std::chrono::nanoseconds;
using Instant = MonotonicClock::time_point;
constexpr Instant never = Instant::max();

using std::chrono_literals::operator""ms;
using std::chrono_literals::operator""us;
using std::chrono_literals::operator""ns;
using std::chrono_literals::operator""s;

}  // namespace ironbark
