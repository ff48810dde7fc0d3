#pragma once
// Which process a number stands for. Numbers are reused; a number, the time at which its process started, and the boot
// of the machine in which it did are not.

#include <cstdint>
#include <optional>
#include <string>
#include <sys/types.h>

namespace ironbark::tools::local_cluster {

struct ProcessIdentity {
    pid_t pid = -1;
    uint64_t start_ticks = 0;  // since the boot
    std::string boot;          // its id
    friend bool operator==(const ProcessIdentity&, const ProcessIdentity&) = default;
};

// "PID START BOOT\n", and back; empty if it is none.
std::string to_text(const ProcessIdentity& identity);
std::optional<ProcessIdentity> parse_identity(const std::string& text);

// What /proc/PID/stat says: when the process started, and whether it still runs (it may have ended, and nobody has
// asked for its exit code). The name in it may hold spaces and brackets.
struct ProcessStat {
    char state = '\0';
    uint64_t start_ticks = 0;
    bool is_running() const { return state != 'Z' && state != 'X'; }
};
std::optional<ProcessStat> parse_stat(const std::string& text);

// Of a process that runs now; empty if there is none of this number.
std::optional<ProcessIdentity> identity_of(pid_t pid);
// Whether exactly this process runs.
bool is_running(const ProcessIdentity& identity);

}  // namespace ironbark::tools::local_cluster
