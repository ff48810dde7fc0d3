#pragma once
// Tells what a run of `ironbark-bench cluster` has found.

#include "bench/load/cluster_run.h"

namespace ironbark::bench {

void print_report(const ClusterSettings& settings, const ClusterResult& result, const std::string& noise);
void write_report(const ClusterSettings& settings, const ClusterResult& result, const std::string& noise);

}  // namespace ironbark::bench
