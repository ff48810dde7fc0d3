#include "broker/consensus/membership.h"

namespace ironbark::consensus {

bool Membership::is_valid() const {
    if (cluster.is_zero()) return false;
    if (voters.size() != 1 && voters.size() != 3 && voters.size() != 5) return false;
    std::vector<Voter> all = everybody();
    for (size_t at = 0; at < all.size(); ++at) {
        if (all[at].id.value < 0 || all[at].directory.is_zero()) return false;
        for (size_t other = 0; other < at; ++other) {
            if (all[at].directory == all[other].directory) return false;
        }
    }
    for (size_t at = 1; at < voters.size(); ++at) {
        if (voters[at].id <= voters[at - 1].id) return false;
    }
    if (!leaving) return true;
    return std::any_of(voters.begin(), voters.end(), [this](const Voter& voter) { return voter.id == leaving->id; });
}

bool Membership::contains(const Voter& voter) const {
    return leaving == voter || std::find(voters.begin(), voters.end(), voter) != voters.end();
}

std::vector<Voter> Membership::voters_before() const {
    std::vector<Voter> before = voters;
    for (Voter& voter : before) {
        if (leaving && leaving->id == voter.id) voter = *leaving;
    }
    return before;
}

std::vector<Voter> Membership::everybody() const {
    std::vector<Voter> all = voters;
    if (leaving) all.push_back(*leaving);
    return all;
}

std::optional<Membership> Membership::replacing(const Voter& incoming) const {
    if (leaving) return std::nullopt;
    Membership next = *this;
    for (Voter& voter : next.voters) {
        if (voter.id != incoming.id) continue;
        next.leaving = voter;
        voter = incoming;
    }
    if (!next.leaving || !next.is_valid()) return std::nullopt;
    return next;
}

}  // namespace ironbark::consensus
