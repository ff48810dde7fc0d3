// What a follower takes from its leader.
#include <algorithm>

#include "broker/consensus/core.h"
#include "runtime/base/assert.h"

namespace ironbark::consensus {

// The sender leads in this term. False if somebody else does.
bool Core::follow(const Message& message) {
    if (leader_ && leader_ != message.from) {
        report(ReportKind::two_leaders, message.from, "claims to lead in a term that has another leader");
        return false;
    }
    become_follower(message.from);
    heard_from_ = message.from;
    heard_ms_ = now_ms_;
    is_leader_seen_dead_ = false;
    reset_election_timer();
    return true;
}

void Core::handle(const Message& message, const AppendRequest& request) {
    if (!follow(message)) return;
    round_seen_ = std::max(round_seen_, request.round);
    // A snapshot is about to take the place of the log: it grows again behind that.
    if (is_installing()) return acknowledge();
    bool is_known = request.previous_index <= log_.last();
    if (is_known && request.previous_index >= log_.base()) {
        is_known = log_.term_at(request.previous_index) == request.previous_term;
    }
    if (!is_known) return refuse(request);
    if (!take_entries(request)) return;
    take_commit(request.commit);
    if (request.entries.empty() || log_.durable() >= proven_) acknowledge();
}

void Core::refuse(const AppendRequest& request) {
    AppendResponse response{round_seen_, false, {}, request.previous_index, log_.last() + 1, Term()};
    if (request.previous_index <= log_.last()) {
        if (request.previous_index <= std::max(commit_, proven_)) {
            return report(ReportKind::contradicts_commit, *leader_, "the leader denies what is committed");
        }
        response.hint_index = log_.first_of_term(request.previous_index);
        response.hint_term = log_.at(request.previous_index).term;
    }
    send(*leader_, response);
}

// False if they contradict what is certain. What is there already is not written again: a message that was delayed may
// know less than one that came before it.
bool Core::take_entries(const AppendRequest& request) {
    LogIndex end = request.previous_index + request.entries.size();
    auto is_new = [this](const Entry& entry) {
        return entry.index > log_.base() && log_.term_at(entry.index) != entry.term;
    };
    auto first = std::find_if(request.entries.begin(), request.entries.end(), is_new);
    if (first != request.entries.end()) {
        if (first->index <= std::max(commit_, proven_)) {
            report(ReportKind::contradicts_commit, *leader_, "the leader would overwrite what is committed");
            return false;
        }
        if (first->index <= log_.last()) cut_behind(first->index - 1);
        std::vector<Entry> entries;
        uint64_t bytes = log_.bytes();
        for (auto entry = first; entry != request.entries.end(); ++entry) {
            bytes += entry->size();
            if (bytes > settings_.limits.log_bytes_max) break;  // the rest when there is room again
            entries.push_back(*entry);
        }
        end = first->index + entries.size() - 1;
        if (!entries.empty()) append_entries(std::move(entries));
    }
    proven_ = std::max(proven_, end);
    return true;
}

void Core::take_commit(LogIndex commit) {
    commit_ = std::max(commit_, std::min(commit, proven_));
}

void Core::cut_behind(LogIndex last) {
    ASSERT(last >= commit_ && last >= proven_ && !is_leader());
    // A membership takes effect when it is appended, and none when it is cut away.
    while (membership_index() > last) memberships_.pop_back();
    WriteId write = log_.truncate(last + 1);
    actions_.push_back(TruncateSuffix{write, last + 1});
}

// Claims what this leader has proven and the disk holds; never the rest of the log, which may be an earlier leader's.
void Core::acknowledge() {
    if (role_ != Role::follower || !leader_) return;
    send(*leader_, AppendResponse{round_seen_, true, std::min(proven_, log_.durable()), {}, {}, {}});
}

}  // namespace ironbark::consensus
