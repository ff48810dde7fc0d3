#include "tests/simulation/cluster/atlas.h"

#include <algorithm>
#include <iterator>

namespace ironbark::simulation {
namespace {

// In the order of Path.
constexpr const char* path_names[] = {
    "kill",
    "power loss",
    "power loss of all",
    "death between operations",
    "stop",
    "stop completed",
    "stop interrupted",
    "start clean",
    "start unclean",
    "start refused",
    "restart of sick",
    "pause short",
    "pause long",
    "clock skew",
    "isolation",
    "cut clients to broker",
    "cut broker to clients",
    "cut followers",
    "cut followers one way",
    "cut controllers",
    "cut controllers one way",
    "cut all planes",
    "slow link",
    "disk hang",
    "disk full",
    "write failed",
    "sync failed",
    "rot",
    "wiped",
    "session silent",
    "session gone",
    "session stopped",
    "session replaced",
    "controller changed",
    "leader of clean tier",
    "leader without last",
    "leader of durable tier",
    "leader of durable floor",
    "leader of only replica",
    "leader by hand",
    "leader moved",
    "leader again",
    "leadership ended",
    "in sync shrunk",
    "in sync grown",
    "in sync alone",
    "below min in sync",
    "log cut",
    "log begun anew",
    "damage met by a read",
    "damage met at start",
    "damage met as follower",
    "replica damaged",
    "replica emptied",
    "replica replaced",
    "replica added",
    "replica added again",
    "replica let go",
    "replicas moved",
    "move done",
    "move failed",
    "balance",
    "replica move planned",
    "replica move taken back",
    "replica move failed",
    "elect done",
    "elect failed",
    "failover manual",
    "failover automatic",
    "voter replaced",
    "receipt none",
    "receipt leader",
    "receipt leader durable",
    "receipt isr",
    "receipt isr durable",
    "receipt duplicate",
    "not written",
    "unknown",
    "loss",
    "loss fatal",
    "read durable",
    "read replicated",
    "gap truncated",
    "gap deleted",
    "claim undone",
};
static_assert(std::size(path_names) == paths);

}  // namespace

const char* name(Path path) {
    return path_names[static_cast<size_t>(path)];
}

std::string Atlas::to_string() const {
    std::string text;
    for (size_t index = 0; index < paths; ++index) {
        std::string number = counts[index] == 0 ? "never" : std::to_string(counts[index]);
        text += std::string(12 - std::min<size_t>(number.size(), 11), ' ') + number + "  " + path_names[index] + "\n";
    }
    return text;
}

}  // namespace ironbark::simulation
