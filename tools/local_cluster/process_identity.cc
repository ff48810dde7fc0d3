#include "tools/local_cluster/process_identity.h"

#include <fmt/format.h>
#include <sstream>

#include "tools/local_cluster/files.h"

namespace ironbark::tools::local_cluster {

std::string to_text(const ProcessIdentity& identity) {
    return fmt::format("{} {} {}\n", identity.pid, identity.start_ticks, identity.boot);
}

std::optional<ProcessIdentity> parse_identity(const std::string& text) {
    std::istringstream in(text);
    ProcessIdentity identity;
    std::string more;
    if (!(in >> identity.pid >> identity.start_ticks >> identity.boot) || in >> more) return std::nullopt;
    // 0 and negative numbers stand for many processes.
    if (identity.pid <= 0) return std::nullopt;
    return identity;
}

std::optional<ProcessStat> parse_stat(const std::string& text) {
    constexpr int fields_between = 18;  // from the state, field 3, to the start, field 22: proc(5)
    const size_t name_end = text.rfind(')');
    if (name_end == std::string::npos) return std::nullopt;
    std::istringstream in(text.substr(name_end + 1));
    ProcessStat stat;
    std::string skipped;
    in >> stat.state;
    for (int field = 0; field < fields_between; ++field) in >> skipped;
    if (!(in >> stat.start_ticks)) return std::nullopt;
    return stat;
}

std::optional<ProcessIdentity> identity_of(pid_t pid) {
    const std::optional<ProcessStat> stat = parse_stat(read_file(fmt::format("/proc/{}/stat", pid)));
    if (!stat || !stat->is_running()) return std::nullopt;
    std::string boot = read_file("/proc/sys/kernel/random/boot_id");
    while (!boot.empty() && boot.back() == '\n') boot.pop_back();
    if (boot.empty()) boot.push_back('-');
    return ProcessIdentity{pid, stat->start_ticks, std::move(boot)};
}

bool is_running(const ProcessIdentity& identity) {
    return identity_of(identity.pid) == identity;
}

}  // namespace ironbark::tools::local_cluster
