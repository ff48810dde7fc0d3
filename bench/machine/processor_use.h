// Who kept the processors busy: this program with the daemons it has started, or others. What was measured beside busy
// others is worth little, so a run asks. From /proc, any thread.
#pragma once

#include <optional>
#include <string>

#include "bench/machine/system.h"

namespace ironbark::bench {

// What /proc/PID/stat tells about a process.
struct ProcessTimes {
    int parent = 0;
    bool is_kernel_thread = false;
    double seconds = 0;         // of processor, user and system
    double waited_seconds = 0;  // of children that have ended and were waited for
};

// Nothing if the text is not of that file.
std::optional<ProcessTimes> parse_process_times(const std::string& text);
// Nothing if there is no such process.
std::optional<ProcessTimes> process_times(int id);

// Seconds of processor that were used until a point in time.
struct ProcessorTime {
    Nanoseconds at = 0;
    double busy = 0;    // by anybody; without interrupts
    double kernel = 0;  // by the kernel's own threads, which work for us too
    double own = 0;     // by this process and its children
};
ProcessorTime processor_time();

// How many processors others kept busy between two points in time, on average.
double cores_of_others(const ProcessorTime& before, const ProcessorTime& after);

}  // namespace ironbark::bench
