#pragma once
// What must hold after every step, whatever happened (C7 and C13 of the catalogue of invariants). It keeps books of its
// own: the log of each voter as a chain of hashes, what was ever committed, what clients were told. It shares no code
// with the core but the types, and asks the disks, not the core, what is durable.
//
//   election safety      one leader in a term; one vote of each voter in a term
//   promises             nothing leaves a voter before its term, its vote, or the entries it acknowledges are durable
//   log matching         entries of one index and term stand behind the same log everywhere
//   leader completeness  a new leader has everything that was committed in earlier terms than its own
//   state machine safety one entry at one index, applied once and in order, snapshots included
//   durability           what is committed is durable at a majority, at the moment when it is
//   monotony             terms do not go back, nor does a vote change, also over restarts
//   proposals            written: there it stands; not written: nowhere, ever; and nothing stands twice
//   disturbance          no pre-vote is granted by who leads, or heard from a leader that it has not seen to die
//   reads                see everything that was acknowledged, or read, before they were asked for
//   silence              nothing that was asked of an earlier leader within the time that a new one names was confirmed

#include <map>
#include <optional>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "runtime/base/bytes.h"
#include "tests/broker/consensus/memory_disk.h"

namespace ironbark::consensus::simulation {

using testing::MemoryDisk;

class Checker {
  public:
    // A voter's log in memory, as its actions made it; index 0 is the place before the first entry.
    struct Mirror {
        struct Place {
            Term term;
            uint64_t chain = 0;  // hash of everything up to here
            uint64_t command = 0;
        };
        std::vector<Place> log{Place{}};
        LogIndex base;  // below, places may be unknown
        LogIndex last() const { return LogIndex(log.size() - 1); }
    };

    bool is_broken() const { return broken_.has_value(); }
    const std::string& broken() const { return *broken_; }
    void fail(const std::string& what) {
        if (!broken_) broken_ = what;
    }

    // A process starts from this disk, and takes its log up to `last`.
    Mirror started(const Voter& voter, const Restored& restored, LogIndex last);
    void appended(Mirror& mirror, const std::vector<Entry>& entries);
    void truncated(Mirror& mirror, LogIndex from, Term term);
    void reset(Mirror& mirror, LogIndex base);
    void persisted(const Voter& voter, const Restored& durable);
    void sent(const Message& message, const MemoryDisk& disk, const Mirror& mirror);
    void leads(const Voter& voter, Term term, const Mirror& mirror);
    void committed(LogIndex commit, Term term, const Mirror& mirror);
    // The leader's commit has risen; `holds` says whether a voter's disk holds the entry.
    template <typename Holds>
    void committed_by_leader(const Membership& membership, Holds holds) {
        if (!majority_value(membership, holds)) fail("durability: committed, and not durable at a majority");
    }
    bool disk_holds(const MemoryDisk& disk, LogIndex index) const;
    void applied(LogIndex applied_before, const std::vector<Entry>& entries);
    // The state after this entry: what a snapshot of it must be.
    uint64_t state_at(LogIndex index) const { return ledger_[index.value].chain; }

    void proposed(uint64_t command, Term expected_term) { proposals_[command] = {expected_term, false, {}}; }
    void resolved(uint64_t command, ironbark::Outcome outcome, LogIndex index);
    struct Read {
        LogIndex visible;
        int64_t asked_us = 0;
    };
    Read read_begins(int64_t now_us) const { return {visible_, now_us}; }
    void read_ends(const Read& read, LogIndex applied, Term term);
    void elected(Term term, int64_t now_us, int64_t silence_ms);

    LogIndex ledger_end() const { return LogIndex(ledger_.size() - 1); }
    uint64_t written() const { return written_; }
    uint64_t elections() const { return leaders_.size(); }

  private:
    struct Proposal {
        Term expected_term;
        bool is_not_written = false;
        LogIndex index;
    };
    void extend(const Mirror::Place& place, Term committed_in);
    void vote(const Voter& voter, Term term, const Voter& candidate);

    std::optional<std::string> broken_;
    std::map<Term, Voter> leaders_;
    std::map<std::pair<Voter, Term>, Voter> votes_;
    std::map<Voter, std::pair<Term, std::optional<Voter>>> durable_;
    std::vector<std::vector<Mirror::Place>> places_;  // of each index, one for each term
    std::vector<Mirror::Place> ledger_{Mirror::Place{}};
    std::vector<Term> committed_in_{Term()};  // of each in the ledger: the term of the leader that committed it
    std::unordered_map<uint64_t, Proposal> proposals_;
    LogIndex visible_;  // acknowledged, or shown by a read
    std::map<Term, int64_t> last_asked_us_;    // of the reads that this leader answered
    std::map<Term, int64_t> silent_since_us_;  // what was asked of earlier ones after that, nobody may have confirmed
    uint64_t written_ = 0;
};

uint64_t command_of(const Entry& entry);  // 0 if it is none

}  // namespace ironbark::consensus::simulation
