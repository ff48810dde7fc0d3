#pragma once
// What the records of a voter's journal come to, one after the other: who it is, its term and vote, and its entries.
// Pure. The same code takes records that are about to be written and records that were read, so that what is written
// can be read, and what cannot have been written is refused: a gap, a term that falls, a vote that changes, a second
// cluster. Entries are shared with the core, not copied.

#include <deque>
#include <optional>
#include <vector>

#include "broker/voter/records.h"

namespace ironbark::consensus {

class StoredLog {
  public:
    // Takes the next record, or says why it cannot follow (corrupt_data; nothing has changed).
    Result<void> apply(const StoredRecord& record);
    // Entries up to here are not written again. Nothing happens if they are gone already.
    void forget(LogIndex up_to);

    const std::optional<StoredVoter>& voter() const { return voter_; }
    const std::optional<StoredTerm>& term() const { return term_; }
    LogIndex base() const { return base_; }  // the entry before the first
    LogIndex last() const { return base_ + entries_.size(); }
    const std::deque<Entry>& entries() const { return entries_; }
    std::optional<Term> term_at(LogIndex index) const;  // of an entry that is here
    uint64_t bytes_up_to(LogIndex index) const;

    // Records that come to the same, and what they take in the journal.
    std::vector<std::vector<uint8_t>> records() const;
    uint64_t bytes() const { return bytes_; }

  private:
    Result<void> take(const StoredVoter& voter);
    Result<void> take(const StoredTerm& term);
    Result<void> take(const Entry& entry);
    Result<void> take(const StoredTruncation& truncation);
    Result<void> take(const StoredReset& reset);

    std::optional<StoredVoter> voter_;
    std::optional<StoredTerm> term_;
    LogIndex base_;
    std::deque<Entry> entries_;
    uint64_t bytes_ = 0;  // of the entries
};

}  // namespace ironbark::consensus
