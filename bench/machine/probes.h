// The limits of the machine, as structs: what later measurements are ratios of. Each probe blocks
// its caller for about `seconds`, uses raw system calls and none of Ironbark's own code, and leaves
// nothing behind. `directory` must lie on the disk to be measured.
//
// Run them beside what they are compared with, not once a day: on a shared machine the same probe
// moves by a factor of two to five between minutes.
//
// The loopback probes fork; call them before the program has threads of its own, or accept that
// the child is a copy of one thread only (it does nothing but socket calls).
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "bench/machine/direct_file.h"
#include "bench/machine/samples.h"

namespace ironbark::bench {

// A really written file that the disk probes write into; made once (it costs a second or two) and
// reused by all of them.
class ProbeFile {
  public:
    static constexpr std::uint64_t size = 512 << 20;

    explicit ProbeFile(const std::string& directory);
    const DirectFile& file() const { return file_; }
    Cursor& cursor() { return cursor_; }

  private:
    DirectFile file_;
    Cursor cursor_;
};

struct SyncedWriteResult {
    Latency latency;
    double writes_per_second = 0;
    double megabytes_per_second = 0;
};

struct BandwidthResult {
    double megabytes_per_second = 0;
};

struct PingResult {
    Latency latency;  // of a round trip
};

// RAW: one synced direct write (RWF_DSYNC, blocking) at a time into a reused file; 4 KiB for RAW.
SyncedWriteResult probe_synced_write(ProbeFile& file, std::size_t size, double seconds);

// RAW3: the same into three files at once, by three threads that do not wait for each other; of each write.
Latency probe_three_synced_writes(const std::string& directory, std::size_t size, double seconds);
// Three such writes handed to threads together, until the slowest is done and all threads have said so.
Latency probe_slowest_of_three(const std::string& directory, std::size_t size, double seconds);

// Sequential direct I/O in pieces of 1 MiB, eight in flight.
BandwidthResult probe_disk_write(ProbeFile& file, double seconds);
BandwidthResult probe_disk_read(ProbeFile& file, double seconds);

// PING: 64 bytes there and back between two processes over loopback TCP, both blocking.
PingResult probe_ping(double seconds);

// One stream over loopback TCP from another process, in pieces of 1 MiB, received and dropped.
BandwidthResult probe_loopback(double seconds);

// SKELETON: one thread receives pieces of 1 MiB from a loopback socket, hashes each, and writes it
// directly into a reused file, unsynced, four writes in flight. The sender is another process.
enum class SkeletonHash { none, xxh3, crc32c, both };
BandwidthResult probe_skeleton(ProbeFile& file,
                               double seconds,
                               SkeletonHash hash = SkeletonHash::xxh3);

}  // namespace ironbark::bench
