#include "tests/broker/consensus/simulation/checker.h"

#include <algorithm>
#include <cstring>

namespace ironbark::consensus::simulation {
namespace {

uint64_t mix(uint64_t left, uint64_t right) {
    uint64_t value = (left ^ (right + 0x9e3779b97f4a7c15)) * 0xbf58476d1ce4e5b9;
    return value ^ (value >> 29);
}

std::string at(LogIndex index) {
    return " at index " + std::to_string(index.value);
}

std::string of(Term term) {
    return "term " + std::to_string(term.value);
}

uint64_t content_of(const Entry& entry) {
    uint64_t hash = mix(static_cast<uint64_t>(entry.kind), command_of(entry));
    if (!entry.membership) return hash;
    for (const Voter& voter : entry.membership->everybody())
        hash = mix(hash, load_le<uint64_t>(&voter.directory.bytes[0]));
    for (const Voter& voter : entry.membership->everybody())
        hash = mix(hash, load_le<uint64_t>(&voter.directory.bytes[8]));
    return hash;
}

}  // namespace

uint64_t command_of(const Entry& entry) {
    if (entry.kind != EntryKind::command) return 0;
    uint64_t command = 0;
    std::memcpy(&command, entry.command->data(), sizeof(command));
    return command;
}

Checker::Mirror Checker::started(const Voter& voter, const Restored& restored, LogIndex last) {
    if (auto known = durable_.find(voter); known != durable_.end()) {
        const auto& [term, vote] = known->second;
        // A vote that was not told to be durable may be all the same; one that was stays.
        bool has_kept = restored.term > term || (restored.term == term && (!vote || restored.vote == vote));
        if (!has_kept) fail("monotony: a term or a vote that was durable is not there any more");
    }
    Mirror mirror;
    if (restored.snapshot) reset(mirror, restored.snapshot->last_index);
    std::vector<Entry> entries;
    for (const Entry& entry : restored.entries) {
        if (entry.index > mirror.last() && entry.index <= last) entries.push_back(entry);
    }
    appended(mirror, entries);
    return mirror;
}

void Checker::appended(Mirror& mirror, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
        if (entry.index != mirror.last() + 1)
            return fail("log matching: an entry that does not follow" + at(entry.index));
        Mirror::Place place{entry.term, mix(mirror.log.back().chain, mix(entry.term.value, content_of(entry))),
                            command_of(entry)};
        mirror.log.push_back(place);
        if (places_.size() <= entry.index.value) places_.resize(entry.index.value + 1);
        auto& known = places_[entry.index.value];
        auto same_term = [&](const Mirror::Place& one) { return one.term == place.term; };
        auto found = std::find_if(known.begin(), known.end(), same_term);
        if (found == known.end()) {
            known.push_back(place);
        } else if (found->chain != place.chain) {
            fail("log matching: two logs differ up to an entry of one term" + at(entry.index));
        }
    }
}

void Checker::truncated(Mirror& mirror, LogIndex from, Term term) {
    if (from <= mirror.base || from > mirror.last()) return fail("a cut where there is nothing" + at(from));
    bool was_committed = from <= ledger_end() && mirror.log[from.value].chain == ledger_[from.value].chain;
    // For a voter that still is in an earlier term, a leader of that term may rightly cut what a later one commits.
    if (was_committed && committed_in_[from.value] <= term) {
        fail("leader completeness: a committed entry is cut away" + at(from));
    }
    mirror.log.resize(from.value);
}

void Checker::reset(Mirror& mirror, LogIndex base) {
    if (base > ledger_end()) return fail("state machine safety: a snapshot of what was never committed" + at(base));
    mirror.log.assign(ledger_.begin(), ledger_.begin() + static_cast<ptrdiff_t>(base.value) + 1);
    mirror.base = base;
}

void Checker::persisted(const Voter& voter, const Restored& durable) {
    durable_[voter] = {durable.term, durable.vote};
}

void Checker::vote(const Voter& voter, Term term, const Voter& candidate) {
    auto [known, is_first] = votes_.insert({{voter, term}, candidate});
    if (!is_first && known->second != candidate) {
        fail("election safety: a voter votes twice in term " + std::to_string(term.value));
    }
}

void Checker::sent(const Message& message, const MemoryDisk& disk, const Mirror& mirror) {
    const Restored& durable = disk.durable();
    if (durable.term < message.term) fail("promises: a message of a term that is not durable");
    auto check_vote = [&](const Voter& candidate) {
        if (durable.term == message.term && durable.vote != candidate) fail("promises: a vote that is not durable");
        vote(message.from, message.term, candidate);
    };
    if (const auto* request = std::get_if<VoteRequest>(&message.body); request && !request->is_pre_vote) {
        check_vote(message.from);
    }
    if (const auto* answer = std::get_if<VoteResponse>(&message.body); answer && !answer->is_pre_vote) {
        if (answer->is_granted) check_vote(message.to);
    }
    if (const auto* answer = std::get_if<AppendResponse>(&message.body); answer && answer->is_match) {
        const LogIndex match = answer->match;
        const Entry* entry = disk.find(match);
        bool is_in_log = entry && match <= mirror.last() && entry->term == mirror.log[match.value].term;
        bool is_there = match == LogIndex() || disk.is_in_snapshot(match) || is_in_log;
        if (!is_there) fail("promises: entries are acknowledged that are not durable" + at(answer->match));
    }
}

void Checker::leads(const Voter& voter, Term term, const Mirror& mirror) {
    auto [known, is_first] = leaders_.insert({term, voter});
    if (known->second != voter) fail("election safety: two leaders in term " + std::to_string(term.value));
    if (!is_first) return;
    // Who was elected in an earlier term may learn so late.
    auto later = std::lower_bound(committed_in_.begin(), committed_in_.end(), term);
    const LogIndex end(static_cast<uint64_t>(later - committed_in_.begin()) - 1);
    bool is_complete = mirror.last() >= end && mirror.log[end.value].chain == ledger_[end.value].chain;
    if (!is_complete) fail("leader completeness: elected without a committed entry" + at(end));
}

void Checker::extend(const Mirror::Place& place, Term committed_in) {
    if (committed_in < committed_in_.back()) fail("leader completeness: committed by a leader of an earlier term");
    committed_in_.push_back(committed_in);
    const LogIndex index = ledger_end() + 1;
    ledger_.push_back(place);
    auto proposal = proposals_.find(place.command);
    if (place.command == 0 || proposal == proposals_.end()) return;
    if (proposal->second.is_not_written) fail("proposals: what was not written is committed" + at(index));
    if (proposal->second.index != LogIndex()) fail("proposals: one is committed twice" + at(index));
    if (proposal->second.expected_term != place.term) fail("proposals: committed in another term" + at(index));
    proposal->second.index = index;
}

void Checker::committed(LogIndex commit, Term term, const Mirror& mirror) {
    if (commit > mirror.last()) return fail("state machine safety: more is committed than there is" + at(commit));
    const LogIndex known = std::min(commit, ledger_end());
    if (mirror.log[known.value].chain != ledger_[known.value].chain) {
        return fail("state machine safety: two entries are committed" + at(known));
    }
    for (LogIndex index = known + 1; index <= commit; index = index + 1) extend(mirror.log[index.value], term);
}

bool Checker::disk_holds(const MemoryDisk& disk, LogIndex index) const {
    const Entry* entry = disk.find(index);
    return disk.is_in_snapshot(index) || (entry && entry->term == ledger_[index.value].term);
}

void Checker::applied(LogIndex applied_before, const std::vector<Entry>& entries) {
    for (const Entry& entry : entries) {
        applied_before = applied_before + 1;
        if (entry.index != applied_before) return fail("state machine safety: applied out of order" + at(entry.index));
        if (entry.index > ledger_end() || ledger_[entry.index.value].term != entry.term ||
            ledger_[entry.index.value].command != command_of(entry)) {
            return fail("state machine safety: another entry is applied than was committed" + at(entry.index));
        }
    }
}

void Checker::resolved(uint64_t command, ironbark::Outcome outcome, LogIndex index) {
    Proposal& proposal = proposals_[command];
    if (outcome == ironbark::Outcome::not_written) {
        proposal.is_not_written = true;
        if (proposal.index != LogIndex()) fail("proposals: what is committed is told to be not written" + at(index));
    } else if (outcome == ironbark::Outcome::written) {
        if (index > ledger_end() || ledger_[index.value].command != command) {
            return fail("proposals: what is told to be written is not there" + at(index));
        }
        visible_ = std::max(visible_, index);
        ++written_;
    }
}

void Checker::read_ends(const Read& read, LogIndex applied, Term term) {
    if (applied < read.visible) {
        fail("reads: a read does not see what was acknowledged before it" + at(read.visible));
    }
    visible_ = std::max(visible_, applied);
    int64_t& last = last_asked_us_.try_emplace(term, read.asked_us).first->second;
    last = std::max(last, read.asked_us);
    for (auto next = silent_since_us_.upper_bound(term); next != silent_since_us_.end(); ++next) {
        if (read.asked_us > next->second) fail("silence: a read in " + of(term) + " against " + of(next->first));
    }
}

// A clock may be as much as a twentieth fast, and counts whole milliseconds.
void Checker::elected(Term term, int64_t now_us, int64_t silence_ms) {
    const int64_t since_us = now_us - std::max<int64_t>(0, silence_ms - 1) * 1000 * 100 / 105;
    if (!silent_since_us_.emplace(term, since_us).second) return;
    for (auto last = last_asked_us_.begin(); last != last_asked_us_.end() && last->first < term; ++last) {
        if (last->second > since_us) fail("silence: a read in " + of(last->first) + " against " + of(term));
    }
}

}  // namespace ironbark::consensus::simulation
