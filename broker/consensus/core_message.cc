// Which messages count, and what their term does. Everything that a peer says passes through here first.
#include "broker/consensus/core.h"

namespace ironbark::consensus {

void Core::on(MessageReceived received) {
    const Message& message = received.message;
    if (!is_acceptable(message) || !enter_term_of(message)) return;
    std::visit([&](const auto& body) { handle(message, body); }, message.body);
}

// A message counts if it is of this cluster, for this directory, and from a voter that this voter's log knows. A
// request also counts from a voter that it does not know yet, if that one has a later membership, which names this
// voter (or why would it ask?): the vote and the log of a voter that lags behind a replacement must not be lost. A
// wiped directory has no membership, and a replaced one an earlier one, so they count for nothing.
bool Core::is_acceptable(const Message& message) {
    if (const char* problem = problem_of(message, settings_.limits)) {
        report(ReportKind::malformed_message, message.from, problem);
        return false;
    }
    if (!cluster_.is_zero() && message.cluster != cluster_) {
        report(ReportKind::wrong_cluster, message.from, "a message of another cluster");
        return false;
    }
    if (message.to != settings_.self) {
        report(ReportKind::wrong_addressee, message.from, "a message for another directory than this voter's");
        return false;
    }
    if (is_known(message.from)) return true;
    if (message.is_request() && message.membership_index > membership_index()) return true;
    report(ReportKind::unknown_sender, message.from, "a message of a directory that has no vote in this cluster");
    return false;
}

// By the newest membership that is committed, or by a later one: a leader that leaves leads until that is committed.
bool Core::is_known(const Voter& voter) const {
    for (auto one = memberships_.rbegin(); one != memberships_.rend(); ++one) {
        if (one->membership->contains(voter)) return true;
        if (one->index <= commit_) break;
    }
    return false;
}

// False if nothing more is to be done about the message.
bool Core::enter_term_of(const Message& message) {
    const auto* vote = std::get_if<VoteRequest>(&message.body);
    if (vote && vote->is_pre_vote) return true;
    if (message.term > term_) {
        // Who was away and comes back as a candidate does not depose a leader that the others hear from.
        if (vote && !vote->is_transfer && leader_is_alive()) return false;
        if (cluster_.is_zero()) cluster_ = message.cluster;
        become_follower(std::nullopt);
        enter_term(message.term, std::nullopt);
        return true;
    }
    if (message.term == term_) return true;
    const auto* answer = std::get_if<VoteResponse>(&message.body);
    if (answer && answer->is_pre_vote) return true;  // a voter of an earlier term may be willing
    if (message.is_request()) answer_stale(message);
    return false;
}

// The sender of a request of an earlier term learns from the answer's term that it is over.
void Core::answer_stale(const Message& message) {
    if (message.is<VoteRequest>()) return send(message.from, VoteResponse{false, false, message.term});
    send(message.from, AppendResponse{});
}

Message Core::message_to(const Voter& peer, MessageBody body) const {
    return {cluster_, settings_.self, peer, term_, membership_index(), std::move(body)};
}

void Core::send(const Voter& peer, MessageBody body) {
    Message message = message_to(peer, std::move(body));
    if (term_durable_ == term_write_) {
        actions_.push_back(SendMessage{std::move(message)});
    } else if (held_.size() < settings_.limits.held_messages_max) {
        held_.push_back(std::move(message));
    }
}

void Core::release_held() {
    for (Message& message : held_) actions_.push_back(SendMessage{std::move(message)});
    held_.clear();
}

}  // namespace ironbark::consensus
