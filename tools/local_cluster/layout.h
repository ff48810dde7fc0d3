#pragma once
// Where the pieces of a local cluster are: directories, ports, and what is in the nodes' configuration files. Pure.
//
//     DIR/local-cluster.json      how many nodes, and the first port: what makes the directory one of ours
//     DIR/secret                  what the nodes prove to each other (not with one node, which has no others)
//     DIR/node-N/ironbarkd.toml   configuration, for people too: ironbarkd --config that file
//     DIR/node-N/ironbarkd.log    what it says, of all its starts
//     DIR/node-N/ironbarkd.pid    which process it is
//     DIR/node-N/data
//
// Node N listens for clients on the first port + 10 * (N - 1), for metrics on the next one, for other nodes on the one
// after that; all on 127.0.0.1.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ironbark/expected.h"

namespace ironbark::tools::local_cluster {

constexpr int32_t default_nodes = 3;
constexpr int32_t default_port_base = 9400;
constexpr int32_t ports_per_node = 10;  // room, and numbers that people can remember
constexpr int32_t port_base_min = 1024;
constexpr int32_t nodes_max = 5;
constexpr int32_t port_base_max = 65535 - nodes_max * ports_per_node;

struct Layout {
    std::string directory;  // absolute
    int32_t nodes = default_nodes;
    int32_t port_base = default_port_base;

    std::string manifest_file() const { return directory + "/local-cluster.json"; }
    std::string secret_file() const { return directory + "/secret"; }
    std::string bootstrap() const;  // HOST:PORT,...
};

// One node. Numbers are from 1.
struct NodePlace {
    NodePlace(const Layout& layout, int32_t number);

    int32_t number;
    std::string directory;
    std::string clients;  // HOST:PORT
    std::string metrics;
    std::string others;

    std::string config_file() const { return directory + "/ironbarkd.toml"; }
    std::string log_file() const { return directory + "/ironbarkd.log"; }
    std::string pid_file() const { return directory + "/ironbarkd.pid"; }
    std::string data_directory() const { return directory + "/data"; }
};
std::vector<NodePlace> places_of(const Layout& layout);

// 1, 3 or 5 nodes, and ports that exist; wrong usage otherwise.
Expected<void> check(const Layout& layout);

// The text of a node's configuration file.
std::string config_text(const Layout& layout, const NodePlace& place);

// The text of the manifest, and back; a failure if it is none. The directory is not part of it.
std::string manifest_text(const Layout& layout);
Expected<Layout> parse_manifest(const std::string& text, const std::string& directory);

// The line of a daemon's log that says that it serves; empty if there is none yet.
std::string ready_line(const std::string& said);
// The last lines of a text, for people.
std::string last_lines(const std::string& text, size_t count);

}  // namespace ironbark::tools::local_cluster
