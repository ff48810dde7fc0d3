#pragma once
// What a shard knows of its partitions' logs beyond the logs themselves, in one journal per shard, so that a thousand
// changes are one synced write: durable floors (where recovery starts and below which nothing is ever cut), watermarks,
// log starts, epoch starts, and the mark of a clean stop.
//
// Owned by one executor. `set` is a change in memory; it is on disk after a `commit` that began later. What is read
// back is clamped by the log that uses it, never trusted blindly. Nothing may be set that relies on a sync that has not
// completed.

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "log/journal.h"
#include "runtime/base/ids.h"

namespace ironbark::log {

// The first offset of an epoch. Exclusive end of the epoch before.
struct EpochStart {
    Epoch epoch;
    Offset start;
    friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

// A place in a log that is on disk: the next frame expected at `position` of the segment `segment_base` has this offset
// and chain, and no lower epoch. Everything before it is promised.
struct Floor {
    Offset offset;
    Offset segment_base;
    uint64_t position = 0;
    uint64_t chain = 0;
    Epoch epoch{-1};
    friend bool operator==(const Floor&, const Floor&) = default;
};

// What was begun with a partition's files and is finished when its log is opened (log/unfinished.h). The marks say how
// the log is to be, the files may still be as they were.
enum class Unfinished : uint8_t { nothing, cut, restart };

struct PartitionMarks {
    PartitionIdentity identity;
    Offset log_start;
    Offset high_watermark;
    Offset durable_watermark;
    std::optional<Floor> floor;                   // none: nothing was ever promised
    std::vector<EpochStart> epoch_starts;         // ascending in both
    Unfinished unfinished = Unfinished::nothing;  // at the floor
    // Below it offsets were used in a history that was given up: files of the pool may hold it.
    Offset abandoned_end;
    friend bool operator==(const PartitionMarks&, const PartitionMarks&) = default;
};

struct MarksHealth {
    uint64_t commits_lost = 0;  // damaged parts that were skipped: floors may be older than they were
    bool ends_torn = false;
    bool head_damaged = false;
};

class Marks {
  public:
    // Opens or creates the journal file at `path`, which belongs to the data directory `owner`.
    static Task<Result<std::unique_ptr<Marks>>> open(World& world, std::string path, Uuid owner);
    // The marks that the records of a journal add up to; nothing if one of them is of a newer version.
    static std::optional<std::map<PartitionIdentity, PartitionMarks>> replay(World& world,
                                                                             const std::vector<JournalRecord>& records);

    MarksHealth health() const { return health_; }
    // Null if the partition has none. Valid until the next change.
    const PartitionMarks* find(const PartitionIdentity& identity) const;
    const std::map<PartitionIdentity, PartitionMarks>& all() const { return marks_; }

    void set(PartitionMarks marks);
    void remove(const PartitionIdentity& identity);
    // The incarnation that stopped cleanly, if the last thing that happened here was that.
    std::optional<Incarnation> clean_stop() const { return clean_stop_; }
    void set_clean_stop(std::optional<Incarnation> incarnation);

    // Suspends until everything set before is on disk. An error is final, except storage_full: a later commit says it
    // all.
    Task<Result<void>> commit();
    // Replaces the journal by what is live now.
    Task<Result<void>> rewrite();
    Task<void> close();
    uint64_t journal_bytes() const { return journal_->size(); }

  private:
    Marks(World& world, std::unique_ptr<Journal> journal)
        : journal_(std::move(journal)), not_rewriting_(world.executor) {
        not_rewriting_.set();
    }
    bool apply(const JournalRecord& record);
    void queue_changes();

    std::unique_ptr<Journal> journal_;
    MarksHealth health_;
    std::map<PartitionIdentity, PartitionMarks> marks_;
    std::set<PartitionIdentity> changed_;
    std::optional<Incarnation> clean_stop_;
    bool clean_stop_changed_ = false;
    Event not_rewriting_;      // set while the journal is not being replaced
    uint64_t live_bytes_ = 0;  // after the last rewrite
};

// One record of the journal, for the journal itself and for who reads it without a daemon.
JournalRecord encode_marks(const PartitionMarks& marks);
std::optional<PartitionMarks> decode_marks(Bytes record);

}  // namespace ironbark::log
