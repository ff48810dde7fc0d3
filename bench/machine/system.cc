#include "bench/machine/system.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>

namespace ironbark::bench {

Nanoseconds now() {
    timespec time{};
    ::clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec * nanoseconds_per_second + time.tv_nsec;
}

void fail(const char* what, int error_number) {
    std::fprintf(stderr, "ironbark-bench: %s: %s\n", what, std::strerror(error_number));
    std::exit(1);
}

long check(long result, const char* what) {
    if (result == -1) fail(what, errno);
    return result;
}

int check_ring(int result, const char* what) {
    if (result < 0) fail(what, -result);
    return result;
}

}  // namespace ironbark::bench
