#include "tests/simulation/options.h"

#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {
namespace {

struct FaultClass {
    const char* name;
    void (*turn_on)(Options&);
    bool (*is_on)(const Options&);
    void (*turn_off)(Options&);
};

// In the order in which the swarm draws them: new ones go to the end. Sectors torn inside are not among them: that is a
// device that breaks what the log format relies on, and a class that a test turns on by itself.
constexpr FaultClass fault_classes[] = {
    {"disk-stall", [](Options& options) { options.disk.stall = one_in(2000); },
     [](const Options& options) { return options.disk.stall.numerator != 0; },
     [](Options& options) { options.disk.stall = Chance{}; }},
    {"short-read", [](Options& options) { options.disk.short_read = one_in(50); },
     [](const Options& options) { return options.disk.short_read.numerator != 0; },
     [](Options& options) { options.disk.short_read = Chance{}; }},
    {"short-write", [](Options& options) { options.disk.short_write = one_in(50); },
     [](const Options& options) { return options.disk.short_write.numerator != 0; },
     [](Options& options) { options.disk.short_write = Chance{}; }},
    {"write-error", [](Options& options) { options.disk.write_error = one_in(5000); },
     [](const Options& options) { return options.disk.write_error.numerator != 0; },
     [](Options& options) { options.disk.write_error = Chance{}; }},
    {"sync-error", [](Options& options) { options.disk.sync_error = one_in(5000); },
     [](const Options& options) { return options.disk.sync_error.numerator != 0; },
     [](Options& options) { options.disk.sync_error = Chance{}; }},
    {"read-error", [](Options& options) { options.disk.read_error = one_in(5000); },
     [](const Options& options) { return options.disk.read_error.numerator != 0; },
     [](Options& options) { options.disk.read_error = Chance{}; }},
    {"rot", [](Options& options) { options.disk.rot = one_in(5000); },
     [](const Options& options) { return options.disk.rot.numerator != 0; },
     [](Options& options) { options.disk.rot = Chance{}; }},
    {"full-disk", [](Options& options) { options.disk.full = one_in(5000); },
     [](const Options& options) { return options.disk.full.numerator != 0; },
     [](Options& options) { options.disk.full = Chance{}; }},
    {"torn-pages", [](Options& options) { options.disk.torn_pages = true; },
     [](const Options& options) { return options.disk.torn_pages; },
     [](Options& options) { options.disk.torn_pages = false; }},
    {"split", [](Options& options) { options.network.split = true; },
     [](const Options& options) { return options.network.split; },
     [](Options& options) { options.network.split = false; }},
    {"reset", [](Options& options) { options.network.reset = one_in(2000); },
     [](const Options& options) { return options.network.reset.numerator != 0; },
     [](Options& options) { options.network.reset = Chance{}; }},
    {"blackhole", [](Options& options) { options.network.blackhole = one_in(5000); },
     [](const Options& options) { return options.network.blackhole.numerator != 0; },
     [](Options& options) { options.network.blackhole = Chance{}; }},
    {"delay", [](Options& options) { options.network.delay = one_in(500); },
     [](const Options& options) { return options.network.delay.numerator != 0; },
     [](Options& options) { options.network.delay = Chance{}; }},
};

const char* name(Tie tie) {
    switch (tie) {
        case Tie::first_in_first_out: return "fifo";
        case Tie::last_in_first_out: return "lifo";
        case Tie::random: return "random";
    }
    return "";
}

}  // namespace

Options Options::swarm(uint64_t seed) {
    Options options;
    RandomStream random(seed, "swarm");
    bool is_healthy = random.chance(one_in(4));
    for (const FaultClass& fault : fault_classes) {
        if (random.chance(one_in(2)) && !is_healthy) fault.turn_on(options);
    }
    return options;
}

void Options::end_faults() {
    const DiskOptions good_disk;
    const NetworkOptions good_network;
    disk.stall = good_disk.stall;
    disk.short_read = good_disk.short_read;
    disk.short_write = good_disk.short_write;
    disk.write_error = good_disk.write_error;
    disk.sync_error = good_disk.sync_error;
    disk.read_error = good_disk.read_error;
    disk.rot = good_disk.rot;
    disk.full = good_disk.full;
    disk.torn_pages = disk.torn_sectors = false;
    network.split = false;
    network.reset = good_network.reset;
    network.blackhole = good_network.blackhole;
    network.delay = good_network.delay;
}

void Options::turn_off(const std::string& word) {
    for (const FaultClass& fault : fault_classes) {
        if (word == fault.name) fault.turn_off(*this);
    }
}

std::string Options::to_string() const {
    std::string text = "faults:";
    for (const FaultClass& fault : fault_classes) {
        if (fault.is_on(*this)) text += std::string(" ") + fault.name;
    }
    if (disk.torn_sectors) text += " torn-sectors";
    if (tie) text += std::string(" tie=") + name(*tie);
    if (shuffle) text += *shuffle ? " shuffled" : " in-order";
    return text;
}

}  // namespace ironbark::simulation
