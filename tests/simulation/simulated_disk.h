#pragma once
// The disk of one node: an image that outlives processes, operations in flight, and the faults of the run. What the
// program sees of it is in disk_door.h; this part is for the door, and for scripts that inspect, damage or copy.
//
// An operation takes effect at one instant between submission and completion; operations complete in any order. When
// the process dies, each page of a write in flight is a coin flip.

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "runtime/io/world.h"
#include "tests/simulation/disk_image.h"
#include "tests/simulation/options.h"
#include "tests/simulation/random_stream.h"
#include "tests/simulation/trace.h"

namespace ironbark::simulation {

class Node;
class Simulation;

enum class Crash : uint8_t { none, kill, power_loss };

struct DiskOperation {
    Latency latency;
    bool is_change = true;  // counts for `stop_after`
    InodeId inode = 0;      // with the range: what the operation reads or writes
    uint64_t begin = 0;
    uint64_t end = 0;
    std::function<void()> complete;   // takes effect and answers
    std::function<void()> interrupt;  // the process died meanwhile; may be empty
};

struct WriteRequest {
    InodeId inode;
    uint64_t position;
    std::vector<BufferSlice> slices;
    Sync sync;
    bool is_direct;
    uint64_t hash = 0;  // of the bytes at submission
};

class SimulatedDisk {
  public:
    SimulatedDisk(Simulation& simulation, Node& node);

    // Inspection. Paths as in DiskImage; a path that is not there fails the test.
    std::vector<std::string> files(View view = View::visible) const { return image_.files(view); }
    bool exists(const std::string& path, View view = View::visible) const { return image_.find(path, view).ok(); }
    uint64_t size(const std::string& path, View view = View::visible) const;
    std::vector<uint8_t> read(const std::string& path, View view = View::visible) const;

    // Damage, at once and for good, in what is visible and in what is durable.
    void rot(const std::string& path, uint64_t position, uint32_t bit = 0);  // flips one bit
    void fail_reads(const std::string& path, uint64_t position);             // of that page, until it is overwritten
    void truncate(const std::string& path, uint64_t size);
    void replace(const std::string& path, Bytes bytes);  // made if missing
    void remove(const std::string& path);

    // Faults of the next operation on a file.
    void lose_next_write(const std::string& path);  // acknowledged, and the old bytes stay
    void misdirect_next_write(const std::string& path, const std::string& target, uint64_t position);
    void fail_next_write(const std::string& path);
    void fail_next_sync(const std::string& path);  // or the next write with Sync::data
    // Makes what is visible only because of a failed sync disappear now.
    void evict() { image_.evict(); }

    // Nothing that is submitted from now on is completed before that time has passed.
    void hang(Duration time);
    void set_capacity(uint64_t bytes) { capacity_bytes_ = bytes; }
    uint64_t capacity_bytes() const { return capacity_bytes_; }
    uint64_t used_bytes() const { return image_.used_bytes(); }

    // How many operations that change something were submitted so far (writes, syncs, sizes, names).
    uint64_t changes() const { return changes_; }
    // The n-th such operation from now on does not happen: the process is killed, or the power lost, in its place.
    void stop_after(uint64_t count, Crash how);
    void stop_never() { stop_at_.reset(); }
    size_t in_flight() const { return in_flight_.size(); }

    // The whole disk as it is now, and back. REQUIRES of restore: the node is not running.
    DiskImage snapshot() const { return image_; }
    void restore(DiskImage image);

    // For the door.
    DiskImage& image() { return image_; }
    const DiskOptions& options() const;
    void submit(DiskOperation operation);
    Result<size_t> finish_read(InodeId inode, uint64_t position, BufferSlice into, bool is_direct);
    Result<size_t> finish_write(const WriteRequest& request);
    void interrupt_write(const WriteRequest& request);
    Result<void> finish_sync(InodeId inode, Sequence covered);
    Result<void> finish_sync_directory(InodeId inode, Sequence covered);
    Result<void> finish_resize(InodeId inode, uint64_t size);
    Result<void> finish_allocate(InodeId inode, uint64_t end);
    Result<InodeId> finish_open(const std::string& path, OpenMode mode);
    void interrupt_open(const std::string& path);
    Result<InodeId> finish_lock(const std::string& path);
    Result<DiskSpace> space(const std::string& path) const;
    bool has_room(uint64_t old_size, uint64_t new_size);
    void unlock(InodeId inode) { locks_.erase(inode); }
    bool coin() { return crashes_.chance(one_in(2)); }
    void record(TraceKind kind, uint64_t first, uint64_t second);
    [[noreturn]] void fail(const std::string& what) const;

    // For the node.
    void process_died(Crash how);
    void process_ended();

  private:
    struct Scripted {
        bool lose_write = false;
        bool fail_write = false;
        bool fail_sync = false;
        std::optional<std::pair<InodeId, uint64_t>> misdirect_write;
    };
    InodeId file_at(const std::string& path) const;
    void check_overlap(const DiskOperation& operation) const;
    void complete(uint64_t operation);
    size_t written_length(const WriteRequest& request, size_t length);
    bool take(bool Scripted::*fault, InodeId inode);
    void forget(InodeId inode);

    Simulation& simulation_;
    Node& node_;
    RandomStream latencies_;
    RandomStream faults_;
    RandomStream crashes_;
    DiskImage image_;
    std::map<uint64_t, DiskOperation> in_flight_;
    std::map<InodeId, Scripted> scripted_;
    std::set<InodeId> locks_;
    uint64_t submitted_ = 0;
    uint64_t changes_ = 0;
    Instant hangs_until_{};
    std::optional<uint64_t> stop_at_;
    Crash stop_how_ = Crash::none;
    uint64_t capacity_bytes_;
    Instant full_until_{};
};

}  // namespace ironbark::simulation
