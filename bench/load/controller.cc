#include "bench/load/controller.h"

#include "bench/load/measurement.h"

namespace ironbark::bench {

namespace {

const std::vector<Measurement> controller_measurements{
    {"commit", false, false, measure_commit},
    {"failover", false, false, measure_failover},
    {"partitions", false, false, measure_partitions},
    {"idle", false, false, measure_quorum_idle},
};

}  // namespace

std::vector<std::string> controller_points() {
    return names_of(controller_measurements);
}

void run_controller(const NodeSettings& settings) {
    run_measurements(controller_measurements, settings, "three daemons on loopback");
}

}  // namespace ironbark::bench
