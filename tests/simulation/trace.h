#pragma once
// A hash over everything that happened, and the last of it in readable form. Two runs of one seed have equal hashes,
// under every compiler and sanitizer; where they differ, something read a clock, a pointer or uninitialised memory.

#include <cstdint>
#include <deque>
#include <string>

#include "runtime/base/time.h"

namespace ironbark::simulation {

enum class TraceKind : uint32_t {  // and what its two numbers are
    resumed,         // executor, number of ready coroutines
    message,         // to executor, from executor
    script,          // -
    node_started,    // number of the start
    node_ended,      // how (Crash)
    disk_open,       // hash of the path, inode or 0
    disk_read,       // position, hash of the bytes
    disk_write,      // position, hash of the bytes
    disk_sync,       // inode, sequence number that it covers
    disk_resize,     // inode, size
    disk_directory,  // hash of the path, error code
    disk_fault,      // which, where
    connected,       // connection, to node
    refused,         // by node, port
    sent,            // connection, bytes
    arrived,         // connection, hash of the bytes
    stream_ended,    // connection, 0 closed, 1 reset
    link_changed,    // to node, 1 cut
    told,            // hash of a line about what a client did or was told
};
const char* name(TraceKind kind);

class Trace {
  public:
    void add(Instant at, TraceKind kind, uint64_t node, uint64_t first = 0, uint64_t second = 0);

    uint64_t hash() const { return hash_; }
    // One line for each of the last events, oldest first.
    std::string tail() const;

  private:
    struct Entry {
        Instant at;
        TraceKind kind;
        uint64_t node;
        uint64_t first;
        uint64_t second;
    };
    static constexpr size_t tail_max = 100;  // what a person reads of a failed run

    uint64_t hash_ = 0;
    std::deque<Entry> tail_;
};

}  // namespace ironbark::simulation
