// How a core is made from what its disk holds. The table of the cases, with a snapshot up to i and entries from f to l:
//
//   f > i + 1                          a gap: refused
//   the log has i, with its term       it goes on behind i
//   f = i + 1                          it goes on, if its terms do
//   it ends before i, or has another   the snapshot came from a leader, and a crash before the log was reset: the log
//   is term at i                          reset now
#include <algorithm>

#include "broker/consensus/core.h"
#include "runtime/base/assert.h"

namespace ironbark::consensus {
namespace {

Error corrupt(const char* text) {
    return {ErrorCode::corrupt_data, text};
}

// The cluster that snapshot and entries belong to; zero if there are none.
Uuid cluster_of(const Restored& restored) {
    if (restored.snapshot) return restored.snapshot->membership->cluster;
    if (!restored.entries.empty()) return restored.entries.front().membership->cluster;
    return {};
}

Result<void> check(const Restored& restored, const Limits& limits) {
    if (restored.term > term_max) return corrupt("the stored term is one that nobody can have reached");
    if (restored.cluster.is_zero() && restored.term != Term())
        return corrupt("there is a stored term, but of no cluster");
    if (restored.vote && restored.term == Term()) return corrupt("there is a stored vote without a term");
    if (restored.snapshot && !is_well_formed(*restored.snapshot, limits)) return corrupt("the snapshot cannot be one");
    if (restored.entries.empty()) return {};
    const Entry& first = restored.entries.front();
    if (first.index < forming_index || first.index > index_max) return corrupt("the log begins where it cannot");
    LogIndex known = restored.snapshot ? restored.snapshot->last_index : LogIndex();
    if (first.index > known + 1) return corrupt("entries are missing between the snapshot and the log");
    if (!are_well_formed(restored.entries, first.index - 1, Term(), restored.cluster)) {
        return corrupt("the entries of the log cannot follow each other");
    }
    return {};
}

}  // namespace

Result<Core> Core::restore(const Settings& settings, Restored restored, const Moment& moment) {
    ASSERT(settings.election_timeout_ms > settings.heartbeat_interval_ms && settings.heartbeat_interval_ms > 0);
    ASSERT(settings.limits.command_size_max + Entry::entry_overhead <= settings.limits.append_bytes_max);
    Core core(settings);
    core.now_ms_ = moment.now_ms;
    core.random_ = moment.random;
    TRY_VOID(core.load(std::move(restored)));
    core.heard_ms_ = core.led_until_ms_ = moment.now_ms;
    core.reset_election_timer();
    core.announced_ = {Role::follower, core.term_, std::nullopt, false, 0};
    core.check_invariants();
    return core;
}

Result<void> Core::load(Restored restored) {
    TRY_VOID(check(restored, settings_.limits));
    const Uuid cluster = cluster_of(restored);
    // The log may have become durable before the first term, which brings the cluster with it.
    bool is_term_behind = restored.cluster != cluster && restored.cluster.is_zero();
    if (is_term_behind) restored.cluster = cluster;
    if (!cluster.is_zero() && cluster != restored.cluster) {
        return Error(ErrorCode::foreign_data, "term and vote, and the log, are of different clusters");
    }
    cluster_ = restored.cluster;
    term_ = restored.term;
    vote_ = restored.vote;
    if (restored.snapshot) {
        snapshot_ = std::move(restored.snapshot);
        log_ = EntryLog(snapshot_->last_index, snapshot_->last_term);
        memberships_.push_back({snapshot_->membership_index, snapshot_->membership});
        commit_ = applied_ = snapshot_->last_index;
    }
    TRY_VOID(load_entries(std::move(restored.entries)));
    // Or before a later term: no vote of that term can have left this voter. The term is written now.
    is_term_behind = is_term_behind || log_.last_term() > term_;
    if (is_term_behind) enter_term(std::max(term_, log_.last_term()), std::nullopt);
    return {};
}

Result<void> Core::load_entries(std::vector<Entry> entries) {
    if (entries.empty() && !snapshot_) return {};
    const LogIndex base = log_.base();
    size_t known = entries.empty() ? 0 : base + 1 - entries.front().index;
    bool has_base = known > 0 && known <= entries.size();
    bool goes_on = has_base ? entries[known - 1].term == log_.last_term() : known == 0 && !entries.empty();
    if (!goes_on) {
        actions_.push_back(ResetLog{log_.reset(base, log_.last_term()), base});
        return {};
    }
    entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(known));
    if (entries.empty()) return {};
    if (entries.front().term < log_.last_term())
        return corrupt("the log goes back to an earlier term than its snapshot");
    for (const Entry& entry : entries) {
        if (entry.kind != EntryKind::membership) continue;
        if (entry.membership->cluster != cluster_)
            return Error(ErrorCode::foreign_data, "an entry is of another cluster");
        memberships_.push_back({entry.index, entry.membership});
    }
    log_.load(std::move(entries));
    return {};
}

}  // namespace ironbark::consensus
