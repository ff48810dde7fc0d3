// `ironbark-bench machine`: runs the probes and prints them, or writes them as one JSON value.
#pragma once

#include <string>

namespace ironbark::bench {

struct MachineSettings {
    std::string directory = ".";
    std::string json_path;  // empty: print only
    double seconds = 1;
    bool skeleton = false;
};

void report_machine(const MachineSettings& settings);

}  // namespace ironbark::bench
