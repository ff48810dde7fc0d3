#pragma once
// The directory of a local cluster: whether it is one of ours, and what is made in it.

#include "tools/local_cluster/layout.h"

namespace ironbark::tools::local_cluster {

// What was asked for; 0: whatever is there, or the default.
struct Wish {
    std::string directory;  // absolute
    int32_t nodes = 0;
    int32_t port_base = 0;

    // Of a new cluster.
    Layout layout() const {
        return {directory, nodes != 0 ? nodes : default_nodes, port_base != 0 ? port_base : default_port_base};
    }
};

// Makes a cluster there, or takes the one that is there, if it is the one that was asked for; nothing is made in a
// directory that holds anything else. Files that are missing are made. REQUIRES: the directory is locked.
Expected<Layout> make_or_open(const Wish& wish);

}  // namespace ironbark::tools::local_cluster
