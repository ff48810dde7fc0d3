// Terms, votes and elections.
#include <algorithm>

#include "broker/consensus/core.h"
#include "runtime/base/assert.h"

namespace ironbark::consensus {

bool Core::leader_is_alive() const {
    if (is_leader()) return true;
    return !is_leader_seen_dead_ && now_ms_ - heard_ms_ < settings_.election_timeout_ms;
}

bool Core::may_campaign() const {
    return membership() && membership()->contains(settings_.self) && !is_installing() && term_ < term_max;
}

bool Core::is_alone() const {
    return membership() && membership()->everybody() == std::vector<Voter>{settings_.self};
}

int64_t Core::chance_ms(int64_t within) const {
    return static_cast<int64_t>(random_ % static_cast<uint64_t>(std::max<int64_t>(1, within)));
}

// How long from now on nothing may be heard. After a leader the others are candidates one after the other, within three
// tenths of the timeout. Where that came to nothing, or nobody is known to lead, chance keeps them apart.
int64_t Core::election_patience_ms() const {
    const int64_t timeout = settings_.election_timeout_ms;
    const bool has_a_turn =
        role_ == Role::follower && leader_ && membership() && membership()->contains(settings_.self);
    return timeout + (has_a_turn ? turn_ms(timeout * 3 / 10) : chance_ms(timeout));
}

// When, `within` a time from now, this one is a candidate after the leader that it knows: the first leads before the
// second would be in its way, and who cannot win holds up the rest for one turn only. Nobody begins in the second half
// of a turn: it is left for the votes.
int64_t Core::turn_ms(int64_t within) const {
    ASSERT(leader_ && membership());
    int64_t before = 0;
    int64_t others = 0;
    for (const Voter& voter : membership()->everybody()) {
        if (voter == *leader_) continue;
        ++others;
        before += voter < settings_.self ? 1 : 0;
    }
    const int64_t turn = within / std::max<int64_t>(1, others);
    return before * turn + chance_ms(turn / 2);
}

void Core::reset_election_timer() {
    election_due_ms_ = now_ms_ + election_patience_ms();
    // Nobody could be disturbed by the only voter there is. It waits for the write under way, and not for the clock.
    if (is_alone() && role_ == Role::follower && term_durable_ == term_write_) election_due_ms_ = now_ms_;
}

void Core::enter_term(Term term, std::optional<Voter> vote) {
    ASSERT(!is_leader() && (term > term_ || (term == term_ && !vote_)));
    if (term > term_) {
        held_.clear();
        leader_.reset();
        proven_ = LogIndex();
        round_seen_ = 0;
    }
    term_ = term;
    vote_ = vote;
    // A term and the vote in it, of one event, are one write.
    auto* last = actions_.empty() ? nullptr : std::get_if<PersistTermAndVote>(&actions_.back());
    if (!last) {
        term_write_ = WriteId(term_write_.value + 1);
        last = &std::get<PersistTermAndVote>(actions_.emplace_back(PersistTermAndVote{}));
    }
    *last = {term_write_, cluster_, term_, vote_};
}

void Core::become_follower(std::optional<Voter> leader) {
    leave_leadership();
    role_ = Role::follower;
    votes_.clear();
    leader_ = leader;
}

void Core::leave_leadership() {
    if (!is_leader()) return;
    if (replacement_) proposals_.push_back({*replacement_, LogIndex()});
    replacement_.reset();
    for (const Proposal& proposal : proposals_) {
        actions_.push_back(ProposalResolved{proposal.id, Outcome::unknown, ErrorCode::not_leader_or_follower, {}});
    }
    proposals_.clear();
    while (auto read = reads_.pop()) actions_.push_back(ReadResolved{*read, ErrorCode::not_leader_or_follower});
    if (transfer_) actions_.push_back(TransferEnded{true});
    transfer_.reset();
    progress_.clear();
    led_until_ms_ = now_ms_;
    role_ = Role::follower;
    leader_.reset();
    reset_election_timer();
}

// Asks whether an election would succeed, before it raises a term that others would have to follow.
void Core::campaign() {
    bool is_writing = term_durable_ != term_write_;
    if (is_writing || !may_campaign()) return reset_election_timer();
    role_ = Role::pre_candidate;
    leader_.reset();
    votes_.clear();
    reset_election_timer();
    request_votes({true, false, log_.last(), log_.last_term()});
    count_vote(settings_.self);
}

void Core::start_election(bool is_transfer) {
    role_ = Role::candidate;
    votes_.clear();
    silence_ms_ = silence_ms();
    enter_term(term_after(term_), settings_.self);
    reset_election_timer();
    // These leave when the vote for oneself is durable, and then it is counted.
    request_votes({false, is_transfer, log_.last(), log_.last_term()});
}

void Core::request_votes(const VoteRequest& request) {
    for (const Voter& voter : membership()->everybody()) {
        if (voter != settings_.self) send(voter, request);
    }
}

void Core::count_vote(const Voter& voter) {
    auto has_voted = [this](const Voter& one) { return std::find(votes_.begin(), votes_.end(), one) != votes_.end(); };
    if (!has_voted(voter)) votes_.push_back(voter);
    if (!majority_value(*membership(), has_voted)) return;
    if (role_ == Role::pre_candidate) return start_election(false);
    become_leader();
}

void Core::become_leader() {
    ASSERT(role_ == Role::candidate && term_durable_ == term_write_ && vote_ == settings_.self);
    role_ = Role::leader;
    leader_ = settings_.self;
    votes_.clear();
    term_start_ = log_.last() + 1;
    round_ = 0;
    heartbeat_due_ms_ = now_ms_ + settings_.heartbeat_interval_ms;
    follow_membership();
    append_as_leader(EntryKind::no_op, nullptr, nullptr);
}

void Core::handle(const Message& message, const VoteRequest& request) {
    bool is_log_recent = request.last_term > log_.last_term() ||
                         (request.last_term == log_.last_term() && request.last_index >= log_.last());
    bool is_willing = is_log_recent && !is_installing();
    Term campaign_term = request.is_pre_vote ? term_after(message.term) : message.term;
    if (request.is_pre_vote) {
        is_willing = is_willing && campaign_term > term_ && !leader_is_alive();
        Message answer = message_to(message.from, VoteResponse{true, is_willing, campaign_term});
        answer.cluster = message.cluster;  // a blank voter has none yet
        if (term_durable_ == term_write_) actions_.push_back(SendMessage{std::move(answer)});
        return;
    }
    is_willing = is_willing && !leader_ && (!vote_ || vote_ == message.from);
    if (is_willing) {
        if (!vote_) enter_term(term_, message.from);
        reset_election_timer();
    }
    send(message.from, VoteResponse{false, is_willing, campaign_term, silence_ms()});
}

void Core::handle(const Message& message, const VoteResponse& response) {
    if (!response.is_granted) return;
    Role asking = response.is_pre_vote ? Role::pre_candidate : Role::candidate;
    Term asked = response.is_pre_vote ? term_after(term_) : term_;
    if (role_ != asking || response.campaign_term != asked) return;
    silence_ms_ = std::min(silence_ms_, response.silence_ms);
    count_vote(message.from);
}

void Core::handle(const Message& message, const TimeoutNow&) {
    if (leader_ && leader_ != message.from) {
        return report(ReportKind::two_leaders, message.from, "who does not lead hands over the lead");
    }
    if (role_ == Role::follower && may_campaign()) start_election(true);
}

}  // namespace ironbark::consensus
