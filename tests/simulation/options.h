#pragma once
// What a simulation may do to those who live in it. The default is a healthy world with latencies. `swarm` derives a
// set of fault classes from a seed: each on or off with equal chance, and in a quarter of the seeds none at all,
// because some bugs show only where nothing goes wrong.

#include <cstdint>
#include <optional>
#include <string>

#include "runtime/base/time.h"

namespace ironbark::simulation {

struct Chance {
    uint64_t numerator = 0;
    uint64_t denominator = 1;
};
constexpr Chance one_in(uint64_t count) { return {1, count}; }

struct Latency {  // `least` plus an exponential of `mean`
    Duration least{};
    Duration mean{};
};

// Which of two events at the same instant comes first.
enum class Tie : uint8_t { first_in_first_out, last_in_first_out, random };

struct DiskOptions {
    Latency read{40us, 60us};
    Latency write{50us, 100us};
    Latency sync{150us, 250us};
    Latency directory{30us, 50us};  // everything about names and sizes
    uint64_t capacity_bytes = uint64_t{1} << 40;
    bool direct_io = true;  // false: as on tmpfs, files that ask for direct I/O get buffered

    // Fault classes. Rates are per operation.
    Chance stall;        // the operation takes seconds
    Chance short_read;   // fewer bytes than asked
    Chance short_write;  // fewer bytes than asked, nothing synced
    Chance write_error;  // EIO; some of the pages were written
    Chance sync_error;   // EIO once: what it should have covered looks written, later shows its old content
    Chance read_error;   // a page becomes unreadable until it is overwritten
    Chance rot;          // one bit of what is read has changed, for good
    Chance full;         // no room to grow, for a while
    bool torn_pages = false;    // a page lost with the power may be torn between its sectors
    bool torn_sectors = false;  // a device without atomic blocks: torn inside a sector, too
};

struct NetworkOptions {
    Latency latency{30us, 50us};
    uint64_t window_bytes = 256 << 10;  // of one direction of a connection: sent, and not yet received
    Duration retransmit = 200ms;        // how soon a connection attempt that met a cut is repeated

    // Fault classes.
    bool split = false;  // bytes arrive in arbitrary pieces
    Chance reset;        // per piece sent: the connection dies somewhere inside it
    Chance blackhole;    // per piece sent: the connection carries nothing from here on, and nobody is told
    Chance delay;        // per piece sent: it takes up to a second
};

struct Options {
    std::optional<Tie> tie;       // per seed unless given
    std::optional<bool> shuffle;  // whether ready coroutines run in random order; per seed unless given
    uint64_t events_max = 200'000'000;                // a run beyond it has no end
    uint64_t events_without_progress_max = 1'000'000;  // while time stands still: a loop that waits for nothing
    Latency message{200ns, 2us};                      // between the executors of one process
    DiskOptions disk;
    NetworkOptions network;

    static Options swarm(uint64_t seed);
    // Turns every fault class off.
    void end_faults();
    // Turns one off, by the word that to_string has for it; other words do nothing.
    void turn_off(const std::string& word);
    // The fault classes that are on, one word each, for the first line of a report.
    std::string to_string() const;
};

}  // namespace ironbark::simulation
