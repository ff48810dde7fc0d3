#pragma once
// What comes next in a segment, read while the reader is still busy with what it has: so the disk, the network and the
// client work at the same time, and not in turns. One window for each sequential reader, and more while there is plenty
// of memory; when there is none, the window that has waited longest goes. Belongs to one executor; shared by the cursor
// that it was made for and the read that fills it. Only bytes that are in the file for good are read ahead.

#include <cstdint>
#include <deque>
#include <memory>

#include "runtime/io/world.h"
#include "runtime/task/sync.h"

namespace ironbark::log {

class ReadAhead;

// What the windows of all logs of a shard occupy. Outlives them.
struct ReadAheadBudget {
    uint64_t bytes = 0;
    std::deque<std::weak_ptr<ReadAhead>> windows{};  // oldest first
};

class ReadAhead {
  public:
    // A window for [begin, begin + size) of a file. Null if all memory is taken by windows that are being filled.
    static std::shared_ptr<ReadAhead> make(World& world, ReadAheadBudget& budget, uint64_t begin, size_t size);
    ReadAhead(World& world, ReadAheadBudget& budget, uint64_t begin, size_t size);
    ReadAhead(const ReadAhead&) = delete;
    ReadAhead& operator=(const ReadAhead&) = delete;
    ~ReadAhead() { drop(); }

    // Reads it. Called once; the file stays open meanwhile.
    Task<void> fill(File* file);
    // Instead of `fill`: whoever waits gets nothing.
    void abandon();
    // Suspends until it is filled, and hands the bytes over. Empty if they were not to be had: then the reader finds
    // out for itself why.
    Task<BufferSlice> take();
    uint64_t begin() const { return begin_; }
    bool holds(uint64_t position) const { return begin_ <= position && position < end_; }

  private:
    bool is_filling() const { return !done_.is_set(); }
    void drop();

    ReadAheadBudget& budget_;
    uint64_t begin_;
    uint64_t end_;
    BufferSlice bytes_;
    size_t counted_;
    Event done_;
};

}  // namespace ironbark::log
