#pragma once
// The entries behind the last snapshot, in memory, and what is known of their durability. Owned by the core; decides
// nothing. Every change of the stored log is a numbered write; writes complete in order, and a write that was cut away
// before it completed makes nothing durable beyond the cut.

#include <deque>
#include <optional>
#include <vector>

#include "broker/consensus/event.h"

namespace ironbark::consensus {

class EntryLog {
  public:
    EntryLog() = default;
    // Begins empty behind this place.
    EntryLog(LogIndex base, Term base_term) : base_(base), base_term_(base_term), durable_(base) {}

    LogIndex base() const { return base_; }  // the last that is not held
    LogIndex last() const { return base_ + entries_.size(); }
    Term last_term() const { return entries_.empty() ? base_term_ : entries_.back().term; }
    LogIndex durable() const { return durable_; }
    uint64_t bytes() const { return bytes_; }
    uint64_t bytes_behind(LogIndex index) const;

    // Empty for what is not known: behind the end, or before the base.
    std::optional<Term> term_at(LogIndex index) const;
    // REQUIRES: base < index <= last
    const Entry& at(LogIndex index) const;
    // Where the run of entries of one term that ends at `index` begins, as far as it is held. REQUIRES: as at()
    LogIndex first_of_term(LogIndex index) const;
    // The last entry of this term or an earlier one; the base if there is none.
    LogIndex last_up_to_term(Term term) const;
    // Entries from `first` on, in one message's limits; at least one if there is one.
    std::vector<Entry> slice(LogIndex first, const Limits& limits) const;

    // Behind the end. Returns the write that will make them durable. REQUIRES: dense, terms that do not fall
    WriteId append(std::vector<Entry> entries);
    // Removes this entry and all behind it. REQUIRES: base < from <= last
    WriteId truncate(LogIndex from);
    // Takes what recovery read: durable already.
    void load(std::vector<Entry> entries);
    // Whether the write was waited for; false for a stale completion.
    bool persisted(WriteId write);
    // Forgets entries up to here. REQUIRES: base <= up_to <= durable
    void compact(LogIndex up_to);
    // Forgets everything, and begins behind this place, which is durable. Writes under way mean nothing any more.
    WriteId reset(LogIndex base, Term base_term);

  private:
    struct Write {
        WriteId id;
        LogIndex durable;  // once it has completed
    };
    void push(Entry entry);
    WriteId begin_write(LogIndex durable);

    LogIndex base_;
    Term base_term_;
    std::deque<Entry> entries_;
    uint64_t bytes_ = 0;
    LogIndex durable_;
    WriteId last_write_;
    std::deque<Write> writes_;
};

}  // namespace ironbark::consensus
