// What a leader takes up, commits, and gives up.
#include <algorithm>

#include "broker/consensus/core.h"
#include "runtime/base/assert.h"

namespace ironbark::consensus {

ErrorCode Core::problem_with_proposal(Term expected_term, uint64_t size) const {
    const Limits& limits = settings_.limits;
    // While the lead is handed over nothing is added that the next leader would have to wait for.
    if (!is_leader() || expected_term != term_ || transfer_) return ErrorCode::not_leader_or_follower;
    if (size > limits.command_size_max) return ErrorCode::message_too_large;
    bool is_full = proposals_.size() >= limits.proposals_max || log_.bytes() + size > limits.log_bytes_max ||
                   log_.bytes_behind(commit_) + size > limits.uncommitted_bytes_max;
    return is_full ? ErrorCode::overloaded : ErrorCode::none;
}

void Core::on(Propose propose) {
    ASSERT(propose.command);
    ErrorCode problem = problem_with_proposal(propose.expected_term, propose.command->size());
    if (problem != ErrorCode::none) {
        actions_.push_back(ProposalResolved{propose.id, Outcome::not_written, problem, {}});
        return;
    }
    LogIndex index = append_as_leader(EntryKind::command, std::move(propose.command), nullptr);
    proposals_.push_back({propose.id, index});
}

// One at a time, from a settled and committed membership, and only once a leader has committed in its own term: an
// earlier one's change might otherwise be cut away beside it (RedisRaft 17; the correction of Raft's own membership
// change).
void Core::on(ReplaceVoter replace) {
    ErrorCode problem = problem_with_proposal(replace.expected_term, 0);
    if (problem == ErrorCode::none && replace.incoming.id == settings_.self.id) problem = ErrorCode::invalid_request;
    bool is_settled = is_leader() && membership_index() <= commit_ && term_start_ <= commit_ && !membership()->leaving;
    if (problem == ErrorCode::none && !is_settled) problem = ErrorCode::overloaded;
    std::optional<Membership> next;
    if (problem == ErrorCode::none) {
        next = membership()->replacing(replace.incoming);
        if (!next) problem = ErrorCode::invalid_request;
    }
    if (problem != ErrorCode::none) {
        actions_.push_back(ProposalResolved{replace.id, Outcome::not_written, problem, {}});
        return;
    }
    ASSERT(!replacement_);
    replacement_ = replace.id;
    append_as_leader(EntryKind::membership, nullptr, std::make_shared<const Membership>(*std::move(next)));
}

LogIndex Core::append_as_leader(EntryKind kind, Payload command, std::shared_ptr<const Membership> membership) {
    ASSERT(is_leader());
    LogIndex index = log_.last() + 1;
    append_entries({{index, term_, kind, std::move(command), std::move(membership)}});
    if (kind == EntryKind::membership) follow_membership();
    for (Progress& progress : progress_) send_entries(progress);
    return index;
}

// What the voter has reached: this one from `own`, another by its progress.
uint64_t Core::value_of_progress(const Voter& voter, uint64_t own, uint64_t (*value)(const Progress&)) const {
    if (voter == settings_.self) return own;
    for (const Progress& progress : progress_) {
        if (progress.voter() == voter) return value(progress);
    }
    UNREACHABLE();
}

// Only an entry of this leader's own term is committed by counting: an earlier one that a majority has may still be
// overwritten by a leader that was elected without it (figure 8 of the Raft paper).
void Core::advance_commit() {
    if (!is_leader()) return;
    LogIndex index(majority_value(*membership(), [this](const Voter& voter) {
        return value_of_progress(voter, log_.durable().value, [](const Progress& one) { return one.match().value; });
    }));
    if (index <= commit_ || log_.term_at(index) != term_) return;
    commit_ = index;
}

// The second entry of a replacement, by whichever leader finds the first one committed.
void Core::settle_membership() {
    if (!is_leader() || membership_index() > commit_ || term_start_ > commit_) return;
    if (membership()->leaving) {
        auto settled = std::make_shared<const Membership>(membership()->settled());
        LogIndex index = append_as_leader(EntryKind::membership, nullptr, std::move(settled));
        if (replacement_) proposals_.push_back({*replacement_, index});
        replacement_.reset();
    } else if (!membership()->contains(settings_.self)) {
        become_follower(std::nullopt);
    }
}

bool Core::hears_a_majority() const {
    auto is_heard = [this](const Voter& voter) {
        return voter == settings_.self || std::any_of(progress_.begin(), progress_.end(), [&](const Progress& one) {
                   return one.voter() == voter && now_ms_ - one.heard_ms() < settings_.election_timeout_ms;
               });
    };
    return majority_value(*membership(), is_heard);
}

void Core::leader_timer() {
    if (!hears_a_majority()) return become_follower(std::nullopt);
    if (transfer_ && now_ms_ >= transfer_->due_ms) {
        transfer_.reset();
        actions_.push_back(TransferEnded{false});
    }
    if (now_ms_ >= heartbeat_due_ms_) begin_round();
}

void Core::on(ReadBarrier barrier) {
    if (!is_leader() || reads_.size() >= settings_.limits.reads_max) {
        ErrorCode code = is_leader() ? ErrorCode::overloaded : ErrorCode::not_leader_or_follower;
        actions_.push_back(ReadResolved{barrier.id, code});
        return;
    }
    // What earlier leaders acknowledged lies before this leader's first entry.
    reads_.add(barrier.id, std::max(commit_, term_start_), round_ + 1);
}

void Core::pass_reads() {
    if (!is_leader()) return;
    if (reads_.wants_round_after(round_) && confirmed_round() == round_) begin_round();
    while (auto read = reads_.pop_passed(confirmed_round(), applied_)) {
        actions_.push_back(ReadResolved{*read, ErrorCode::none});
    }
}

void Core::on(TransferLeadership transfer) {
    const Progress* best = nullptr;
    for (const Progress& progress : progress_) {
        bool is_meant = !transfer.to || progress.voter().id == *transfer.to;
        bool is_staying = membership()->leaving != progress.voter();
        if (is_meant && is_staying && (!best || progress.match() > best->match())) best = &progress;
    }
    if (!best || transfer_) {
        actions_.push_back(TransferEnded{false});
        return ignore("only a leader hands over, once at a time, and to another voter");
    }
    transfer_ = {best->voter(), now_ms_ + settings_.election_timeout_ms, false};
    try_transfer();
}

// The other one must have everything, or nobody would vote for it.
void Core::try_transfer() {
    if (!transfer_ || transfer_->is_sent) return;
    Progress* progress = find_progress(transfer_->to);
    if (!progress || progress->match() < log_.last()) return;
    transfer_->is_sent = true;
    send(transfer_->to, TimeoutNow{});
}

}  // namespace ironbark::consensus
