#include "bench/machine/noise.h"

#include <fstream>

namespace ironbark::bench {

Noise::Noise() : start_(read()) {}

// First line of /proc/stat: user nice system idle iowait irq softirq steal ...
Noise::Ticks Noise::read() {
    std::ifstream file("/proc/stat");
    std::string name;
    file >> name;
    Ticks ticks;
    std::uint64_t value = 0;
    for (int field = 0; field < 8 && file >> value; ++field) {
        const bool idle = field == 3 || field == 4;
        const bool stolen = field == 7;
        if (stolen) ticks.stolen = value;
        if (!idle && !stolen) ticks.busy += value;
        ticks.total += value;
    }
    return ticks;
}

std::string Noise::report() const {
    const Ticks end = read();
    const std::uint64_t total = end.total - start_.total;
    if (total == 0) return "steal unknown";
    const auto percent = [total](std::uint64_t part) {
        return std::to_string(100 * part / total) + " %";
    };
    return "steal " + percent(end.stolen - start_.stolen) + ", processors busy " +
           percent(end.busy - start_.busy);
}

}  // namespace ironbark::bench
