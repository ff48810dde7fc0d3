#pragma once
// What the logs of one shard share: the world, the directory, the marks, the pool of segments, the budget of memory,
// and the counters. Owned by the LogStore, borrowed by its logs. One executor.

#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <string>
#include <utility>

#include "log/marks.h"
#include "log/read_ahead.h"
#include "log/segment_pool.h"
#include "runtime/io/world.h"
#include "runtime/task/sync.h"

namespace ironbark::log {

class Log;

struct LogCounters {
    uint64_t appended_frames = 0;
    uint64_t appended_bytes = 0;
    uint64_t rounds = 0;         // writes of frames
    uint64_t rounds_synced = 0;  // of them, those that were synced
    uint64_t written_bytes = 0;  // pads included
    uint64_t pad_bytes = 0;
    uint64_t reads_memory_bytes = 0;
    uint64_t reads_disk_bytes = 0;
    uint64_t segments_created = 0;
    uint64_t segments_reused = 0;
    uint64_t segments_removed = 0;
    uint64_t corrupt_reads = 0;      // reads that met bytes which fail their checksum
    uint64_t torn_recoveries = 0;
    uint64_t cut_records = 0;
    uint64_t logs_failed = 0;
};

// A duration of a round, reported to whoever keeps histograms.
struct RoundTimes {
    Duration write{};
    Duration sync{};
    bool synced = false;
    Instant syncing_since{};  // the sync; or the write, where it is one operation with its sync
};

struct LogContext {
    World& world;
    std::string directory;  // the data directory
    Marks& marks;
    SegmentPool& pool;
    Semaphore& unwritten;        // bytes appended and not yet written, of all logs: appends wait for it
    uint64_t tail_bytes_max = 0;  // memory for the tails of all logs
    uint64_t tail_bytes = 0;
    std::list<Log*> tails{};  // logs that hold memory, the longest untouched first
    ReadAheadBudget read_ahead{};
    uint64_t zeroing_bytes = 0;  // zeros being written ahead of synced rounds, in all logs
    // Appends are refused since then: the reserve is touched, or the file system says "full" to a log, which it also
    // does to who has used up a quota. `never`: neither.
    Instant full_since = never;
    bool is_reserve_touched = false;
    uint64_t space_due_at = UINT64_MAX;  // appended bytes at which the disk is to be looked at before its time comes
    Event* space_due = nullptr;
    size_t logs_without_room = 0;
    std::function<void(bool is_full)> on_storage_full{};  // it has changed; may be empty
    LogCounters counters{};
    std::function<void(const RoundTimes&)> on_round{};  // may be empty
    std::map<PartitionIdentity, Log*> dirty{};          // logs whose floor has moved since it was marked
    std::function<void(Log&)> on_moved{};  // a log's durable end has moved, it failed or is damaged; may be empty
    Event* marks_wanted = nullptr;         // set when the first becomes dirty

    void note_dirty(Log& log);
    void look_at_space_in_time() {
        if (counters.appended_bytes >= space_due_at && space_due != nullptr) space_due->set();
    }
    bool is_storage_full() const { return full_since != never; }
    // After a change of what it follows from.
    void judge_storage() {
        const bool is_full = is_reserve_touched || logs_without_room > 0;
        if (is_full == is_storage_full()) return;
        full_since = is_full ? world.executor.now() : never;
        if (on_storage_full) on_storage_full(is_full);
    }
};

}  // namespace ironbark::log
