#include "bench/machine/processor_use.h"

#include <algorithm>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <unistd.h>

namespace ironbark::bench {

namespace {

constexpr unsigned long kernel_thread_flag = 0x00200000;  // PF_KTHREAD

double seconds_of(double ticks) {
    return ticks / static_cast<double>(::sysconf(_SC_CLK_TCK));
}

// First line of /proc/stat: user nice system idle ...
double busy_seconds() {
    std::ifstream file("/proc/stat");
    std::string name;
    double user = 0;
    double nice = 0;
    double system = 0;
    file >> name >> user >> nice >> system;
    return seconds_of(user + nice + system);
}

}  // namespace

// The second field is the name, in parentheses, and may hold anything, parentheses too.
std::optional<ProcessTimes> parse_process_times(const std::string& text) {
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream fields(text.substr(name_end + 1));
    ProcessTimes times;
    std::string skipped;
    unsigned long flags = 0;
    double user = 0, system = 0, waited_user = 0, waited_system = 0;
    fields >> skipped >> times.parent;                            // fields 3 and 4
    for (int field = 5; field < 9; ++field) fields >> skipped;    // group, session, terminal
    fields >> flags;                                              // field 9
    for (int field = 10; field < 14; ++field) fields >> skipped;  // page faults
    fields >> user >> system >> waited_user >> waited_system;     // fields 14 to 17
    if (!fields) return std::nullopt;
    times.is_kernel_thread = (flags & kernel_thread_flag) != 0;
    times.seconds = seconds_of(user + system);
    times.waited_seconds = seconds_of(waited_user + waited_system);
    return times;
}

std::optional<ProcessTimes> process_times(int id) {
    std::ifstream file("/proc/" + std::to_string(id) + "/stat");
    return parse_process_times({std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()});
}

ProcessorTime processor_time() {
    ProcessorTime time;
    time.at = now();
    time.busy = busy_seconds();
    const int self = ::getpid();
    for (const auto& entry : std::filesystem::directory_iterator("/proc")) {
        const std::string name = entry.path().filename();
        int id = 0;
        const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), id);
        if (error != std::errc() || end != name.data() + name.size()) continue;
        const std::optional<ProcessTimes> times = process_times(id);
        if (!times) continue;  // it has ended meanwhile
        if (times->is_kernel_thread) time.kernel += times->seconds;
        if (id == self || times->parent == self) time.own += times->seconds + times->waited_seconds;
    }
    return time;
}

double cores_of_others(const ProcessorTime& before, const ProcessorTime& after) {
    if (after.at <= before.at) return 0;
    const double others = (after.busy - before.busy) - (after.kernel - before.kernel) - (after.own - before.own);
    return std::max(others, 0.0) / to_seconds(after.at - before.at);
}

}  // namespace ironbark::bench
