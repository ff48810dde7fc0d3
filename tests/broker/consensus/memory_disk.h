#pragma once
// The disk of a voter, in memory: it carries out a core's writes in the order of their stream, when it is told to, and
// keeps at a crash only what was carried out. Holds the core to its contract: a write that does not fit what is there
// ends the test.

#include <deque>
#include <optional>
#include <vector>

#include "broker/consensus/core.h"

namespace ironbark::consensus::testing {

class MemoryDisk {
  public:
    // Takes a write; false for other actions.
    bool take(const Action& action);
    bool has_term_write() const { return !term_writes_.empty(); }
    bool has_log_write() const { return !log_writes_.empty(); }
    bool has_snapshot_write() const { return snapshot_write_.has_value(); }
    // Carries out the next write of the stream, and says so. REQUIRES: there is one
    Event complete_term_write();
    Event complete_log_write();
    Event complete_snapshot_write();
    // The snapshot of this voter's state machine.
    void keep_snapshot(const Snapshot& snapshot, Payload bytes);

    // The process dies: of what was not completed, these many writes were carried out all the same, and of the next
    // append these many entries.
    void crash(size_t term_writes, size_t log_writes, size_t entries);
    size_t term_writes() const { return term_writes_.size(); }
    size_t log_writes() const { return log_writes_.size(); }

    const Restored& durable() const { return durable_; }
    const Payload& snapshot_bytes() const { return snapshot_bytes_; }
    // Whether entry `index` is durable, in the log or in a snapshot that stands for it.
    bool holds(LogIndex index) const { return is_in_snapshot(index) || find(index) != nullptr; }
    bool is_in_snapshot(LogIndex index) const { return durable_.snapshot && index <= durable_.snapshot->last_index; }
    const Entry* find(LogIndex index) const;  // in the log, also beside a snapshot that has replaced it

    static uint64_t checksum(const std::vector<uint8_t>& bytes);
    // Whether the next snapshot that is installed turns out to be damaged.
    bool is_next_install_damaged = false;

  private:
    void carry_out(const Action& write);

    Restored durable_;
    Payload snapshot_bytes_;
    LogIndex log_end_;
    std::deque<PersistTermAndVote> term_writes_;
    std::deque<Action> log_writes_;
    std::optional<Action> snapshot_write_;
    std::vector<uint8_t> incoming_;
};

}  // namespace ironbark::consensus::testing
