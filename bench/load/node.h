#pragma once
// `ironbark-bench node`: what one node must reach, each point measured beside the limit of the machine that it is a
// ratio of, in turns: machine, node, machine, next world, next round. Every record written is read back and compared.
// Refuses to begin while other programs are busy, and repeats a round that they disturbed. Blocks; starts daemons,
// which end with it.

#include <string>
#include <vector>

namespace ironbark::bench {

struct NodeSettings {
    std::string daemon;               // path of ironbarkd
    std::string directory;            // scratch, on the disk to be measured
    std::vector<std::string> ios;     // worlds: "io_uring", "posix"
    std::vector<std::string> points;  // names; empty: all but `restart`
    int rounds = 5;
    double seconds = 5;                   // of one round of latencies; of a probe beside throughput a tenth of it
    unsigned megabytes = 2048;            // written and read where throughput is measured
    unsigned restart_megabytes = 20'000;  // of log, at the restart after a kill
    int kills = 20;                       // of the active controller, in a round
    bool is_busy_allowed = false;         // measure beside busy programs, too
    std::vector<std::string> flags;       // further ones for the daemon
    std::string json_path;
    std::string command_line;  // for the report
};

// Names of the groups of points that can be chosen.
std::vector<std::string> node_points();

void run_node(const NodeSettings& settings);

}  // namespace ironbark::bench
