#include "broker/consensus/core.h"

#include <algorithm>
#include <utility>

#include "runtime/base/assert.h"

namespace ironbark::consensus {

const char* name(Role role) {
    switch (role) {
        case Role::follower: return "follower";
        case Role::pre_candidate: return "pre_candidate";
        case Role::candidate: return "candidate";
        case Role::leader: return "leader";
        case Role::stopped: return "stopped";
    }
    UNREACHABLE();
}

Actions Core::step(const Moment& moment, Event event) {
    if (role_ == Role::stopped) return {};
    now_ms_ = std::max(now_ms_, moment.now_ms);
    random_ = moment.random;
    std::visit([this](auto& one) { on(std::move(one)); }, event);
    if (role_ != Role::stopped) {
        advance_commit();
        apply();
        settle_membership();
        pass_reads();
        check_invariants();
    }
    announce();
    return std::exchange(actions_, {});
}

void Core::on(TimerExpired) {
    if (is_leader()) return leader_timer();
    if (now_ms_ >= election_due_ms_) campaign();
}

void Core::on(Form form) {
    bool is_empty = log_.last() == LogIndex() && !vote_ && term_ <= forming_term;
    if (!is_empty) return ignore("a cluster can only be formed by a voter that has no log and promised nothing");
    const Membership& wanted = form.membership;
    bool is_ours = wanted.is_valid() && !wanted.leaving && wanted.contains(settings_.self);
    if (!is_ours) return ignore("a cluster needs 1, 3 or 5 different voters, this one among them");
    if (!cluster_.is_zero() && cluster_ != wanted.cluster) {
        return ignore("this voter has begun to form another cluster");
    }
    cluster_ = wanted.cluster;
    enter_term(forming_term, std::nullopt);
    auto membership = std::make_shared<const Membership>(std::move(form.membership));
    append_entries({{forming_index, forming_term, EntryKind::membership, nullptr, membership}});
    reset_election_timer();
}

void Core::on(TermAndVotePersisted persisted) {
    if (persisted.write > term_write_) return ignore("a completion of a term that was never written");
    term_durable_ = std::max(term_durable_, persisted.write);
    if (persisted.write != term_write_) return;
    release_held();
    if (role_ == Role::follower && is_alone()) reset_election_timer();
    if (role_ == Role::candidate) count_vote(settings_.self);
}

void Core::on(LogPersisted persisted) {
    if (!log_.persisted(persisted.write)) return;
    acknowledge();
}

void Core::on(StorageFailed) {
    leave_leadership();
    held_.clear();
    leader_.reset();
    role_ = Role::stopped;
    actions_.push_back(FailStop{"storage failed: neither votes nor leads until restarted"});
}

void Core::on(PeerProcessDied died) {
    if (Progress* progress = find_progress(died.peer)) {
        progress->connection_lost();
        return;
    }
    if (is_leader() || heard_from_ != died.peer) return;
    is_leader_seen_dead_ = true;
    const int64_t within = settings_.election_timeout_ms / 6;
    const bool has_a_turn = leader_ && membership();
    election_due_ms_ = std::min(election_due_ms_, now_ms_ + (has_a_turn ? turn_ms(within) : chance_ms(within)));
}

int64_t Core::timer_ms() const {
    if (role_ == Role::stopped) return INT64_MAX;
    if (!is_leader()) return election_due_ms_;
    return transfer_ ? std::min(heartbeat_due_ms_, transfer_->due_ms) : heartbeat_due_ms_;
}

Status Core::status() const {
    Status status;
    status.role = role_;
    status.cluster = cluster_;
    status.term = term_;
    status.leader = leader_;
    status.last = log_.last();
    status.durable = log_.durable();
    status.commit = commit_;
    status.applied = applied_;
    if (snapshot_) status.snapshot = snapshot_->last_index;
    status.log_bytes = log_.bytes();
    status.is_installing = is_installing();
    if (membership()) status.membership = memberships_.back().membership;
    status.membership_index = membership_index();
    if (is_leader()) {
        for (const Progress& each : progress_) {
            status.followers.push_back({each.voter(), each.match(), each.heard_ms()});
        }
    }
    return status;
}

void Core::append_entries(std::vector<Entry> entries) {
    for (const Entry& entry : entries) {
        if (entry.kind == EntryKind::membership) memberships_.push_back({entry.index, entry.membership});
    }
    WriteId write = log_.append(entries);
    actions_.push_back(AppendEntries{write, std::move(entries)});
}

void Core::apply() {
    // While a snapshot takes the place of the state machine, nothing is applied to it.
    LogIndex end = std::min(commit_, log_.durable());
    if (is_installing() || end <= applied_) return;
    std::vector<Entry> entries;
    for (LogIndex index = applied_ + 1; index <= end; index = index + 1) entries.push_back(log_.at(index));
    applied_ = end;
    actions_.push_back(ApplyEntries{std::move(entries)});
    while (!proposals_.empty() && proposals_.front().index <= applied_) {
        const Proposal& proposal = proposals_.front();
        actions_.push_back(ProposalResolved{proposal.id, Outcome::written, ErrorCode::none, proposal.index});
        proposals_.pop_front();
    }
}

void Core::announce() {
    RoleChanged now{role_, term_, leader_, is_ready(), is_leader() ? silence_ms_ : 0};
    bool is_news = now.role != announced_.role || now.term != announced_.term || now.leader != announced_.leader ||
                   now.is_ready != announced_.is_ready;
    if (!is_news) return;
    announced_ = now;
    actions_.push_back(now);
}

void Core::report(ReportKind kind, const Voter& peer, const char* text) {
    actions_.push_back(Report{kind, peer, text});
}

void Core::check_invariants() const {
    ASSERT(applied_ <= commit_ && commit_ <= log_.last());
    ASSERT(applied_ <= log_.durable() && log_.durable() <= log_.last());
    ASSERT(log_.base() <= applied_ && proven_ <= log_.last());
    ASSERT(!snapshot_ || log_.base() <= snapshot_->last_index);
    ASSERT(log_.base() == LogIndex() || snapshot_);
    ASSERT(log_.last_term() <= term_);
    ASSERT(memberships_.empty() || membership_index() <= log_.last());
    if (is_leader()) {
        ASSERT(vote_ == settings_.self && leader_ == settings_.self && term_durable_ == term_write_);
        ASSERT(term_start_ <= log_.last() && held_.empty());
    } else {
        ASSERT(proposals_.empty() && reads_.size() == 0 && progress_.empty() && !transfer_ && !replacement_);
    }
}

}  // namespace ironbark::consensus
