#include "tests/broker/consensus/memory_disk.h"

#include <algorithm>

#include "runtime/base/assert.h"

namespace ironbark::consensus::testing {
namespace {

// Which write of the log an action is; nothing for a compaction, which is not answered.
std::optional<WriteId> write_of(const Action& action) {
    if (const auto* append = std::get_if<AppendEntries>(&action)) return append->write;
    if (const auto* cut = std::get_if<TruncateSuffix>(&action)) return cut->write;
    if (const auto* reset = std::get_if<ResetLog>(&action)) return reset->write;
    return std::nullopt;
}

}  // namespace

bool MemoryDisk::take(const Action& action) {
    if (const auto* term = std::get_if<PersistTermAndVote>(&action)) {
        term_writes_.push_back(*term);
    } else if (write_of(action)) {
        log_writes_.push_back(action);
    } else if (std::holds_alternative<CompactLog>(action)) {
        // Behind what it compacts, which is durable.
        if (log_writes_.empty()) {
            carry_out(action);
        } else {
            log_writes_.push_back(action);
        }
    } else if (std::holds_alternative<WriteSnapshotChunk>(action) || std::holds_alternative<InstallSnapshot>(action)) {
        snapshot_write_ = action;  // a newer one takes the place of one that nobody waits for any more
    } else {
        return false;
    }
    return true;
}

const Entry* MemoryDisk::find(LogIndex index) const {
    const std::vector<Entry>& entries = durable_.entries;
    if (entries.empty() || index < entries.front().index || index > entries.back().index) return nullptr;
    return &entries[index - entries.front().index];
}

void MemoryDisk::carry_out(const Action& write) {
    std::vector<Entry>& entries = durable_.entries;
    if (const auto* append = std::get_if<AppendEntries>(&write)) {
        ASSERT(append->entries.front().index == log_end_ + 1);
        log_end_ = append->entries.back().index;
        entries.insert(entries.end(), append->entries.begin(), append->entries.end());
    } else if (const auto* cut = std::get_if<TruncateSuffix>(&write)) {
        ASSERT(find(cut->from));
        log_end_ = cut->from - 1;
        entries.resize(cut->from - entries.front().index);
    } else if (const auto* reset = std::get_if<ResetLog>(&write)) {
        ASSERT(durable_.snapshot && durable_.snapshot->last_index >= reset->base);
        entries.clear();
        log_end_ = reset->base;
    } else if (const auto* compact = std::get_if<CompactLog>(&write)) {
        ASSERT(durable_.snapshot && compact->up_to <= durable_.snapshot->last_index);
        std::erase_if(entries, [&](const Entry& entry) { return entry.index <= compact->up_to; });
    }
}

Event MemoryDisk::complete_term_write() {
    PersistTermAndVote write = term_writes_.front();
    term_writes_.pop_front();
    ASSERT(write.term >= durable_.term);
    durable_.cluster = write.cluster;
    durable_.term = write.term;
    durable_.vote = write.vote;
    return TermAndVotePersisted{write.write};
}

Event MemoryDisk::complete_log_write() {
    while (true) {
        Action write = log_writes_.front();
        log_writes_.pop_front();
        carry_out(write);
        while (!log_writes_.empty() && !write_of(log_writes_.front())) {
            carry_out(log_writes_.front());
            log_writes_.pop_front();
        }
        if (auto id = write_of(write)) return LogPersisted{*id};
    }
}

Event MemoryDisk::complete_snapshot_write() {
    Action write = *std::exchange(snapshot_write_, std::nullopt);
    if (const auto* chunk = std::get_if<WriteSnapshotChunk>(&write)) {
        if (chunk->position == 0) incoming_.clear();
        ASSERT(incoming_.size() == chunk->position);
        incoming_.insert(incoming_.end(), chunk->bytes->begin(), chunk->bytes->end());
        return SnapshotChunkWritten{chunk->snapshot, incoming_.size()};
    }
    const Snapshot& snapshot = std::get<InstallSnapshot>(write).snapshot;
    bool is_damaged = std::exchange(is_next_install_damaged, false);
    if (is_damaged || incoming_.size() != snapshot.size_bytes || checksum(incoming_) != snapshot.checksum) {
        incoming_.clear();
        return SnapshotRefused{snapshot};
    }
    keep_snapshot(snapshot, std::make_shared<const std::vector<uint8_t>>(std::move(incoming_)));
    incoming_.clear();
    return SnapshotInstalled{snapshot};
}

void MemoryDisk::keep_snapshot(const Snapshot& snapshot, Payload bytes) {
    durable_.snapshot = snapshot;
    snapshot_bytes_ = std::move(bytes);
}

void MemoryDisk::crash(size_t term_writes, size_t log_writes, size_t entries) {
    for (size_t at = 0; at < term_writes && has_term_write(); ++at) complete_term_write();
    for (size_t at = 0; at < log_writes && !log_writes_.empty(); ++at) {
        carry_out(log_writes_.front());
        log_writes_.pop_front();
    }
    if (!log_writes_.empty()) {
        if (auto* append = std::get_if<AppendEntries>(&log_writes_.front())) {
            append->entries.resize(std::min(entries, append->entries.size()));
            if (!append->entries.empty()) carry_out(*append);
        }
    }
    term_writes_.clear();
    log_writes_.clear();
    snapshot_write_.reset();
    incoming_.clear();
}

uint64_t MemoryDisk::checksum(const std::vector<uint8_t>& bytes) {
    uint64_t sum = 0xcbf29ce484222325;  // FNV-1a
    for (uint8_t byte : bytes) sum = (sum ^ byte) * 0x100000001b3;
    return sum;
}

}  // namespace ironbark::consensus::testing
