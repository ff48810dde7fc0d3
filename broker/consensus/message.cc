#include "broker/consensus/message.h"

namespace ironbark::consensus {
namespace {

bool is_whole(const Entry& entry, const Uuid& cluster) {
    bool has_command = entry.command != nullptr;
    bool has_membership = entry.membership != nullptr;
    switch (entry.kind) {
        case EntryKind::no_op: return !has_command && !has_membership;
        case EntryKind::command: return has_command && !has_membership;
        case EntryKind::membership:
            return !has_command && has_membership && entry.membership->is_valid() &&
                   (cluster.is_zero() || entry.membership->cluster == cluster);
    }
    return false;
}

const char* problem_of_body(const VoteRequest& request, const Message& message, const Limits&) {
    return request.last_term > message.term ? "a vote request for a log that is newer than its owner's term" : nullptr;
}

const char* problem_of_body(const VoteResponse& response, const Message& message, const Limits&) {
    if (response.campaign_term == Term(0)) return "a vote in no term";
    if (response.silence_ms < 0) return "a vote after a silence of no length";
    bool is_promise = response.is_granted && !response.is_pre_vote;
    if (is_promise && response.campaign_term > message.term) return "a vote in a term that the voter has not reached";
    return nullptr;
}

const char* problem_of_body(const AppendRequest& request, const Message& message, const Limits& limits) {
    if (request.entries.size() > limits.append_entries_max) return "more entries than a message may carry";
    uint64_t size = 0;
    for (const Entry& entry : request.entries) size += entry.size();
    if (size > limits.append_bytes_max) return "more bytes of entries than a message may carry";
    if (request.previous_index > index_max) return "a log index that nothing can have";
    if (!are_well_formed(request.entries, request.previous_index, request.previous_term, message.cluster)) {
        return "entries that cannot follow each other";
    }
    Term last = request.entries.empty() ? request.previous_term : request.entries.back().term;
    return last > message.term ? "entries of a later term than their sender's" : nullptr;
}

const char* problem_of_body(const AppendResponse& response, const Message&, const Limits&) {
    if (response.is_match) return nullptr;
    if (response.hint_index > response.rejected + 1) return "a hint that points forward";
    return nullptr;
}

const char* problem_of_body(const SnapshotChunk& chunk, const Message& message, const Limits& limits) {
    if (!is_well_formed(chunk.snapshot, limits)) return "a snapshot that cannot be one";
    if (chunk.snapshot.last_term > message.term) return "a snapshot of a later term than its sender's";
    if (chunk.snapshot.membership->cluster != message.cluster) return "a snapshot of another cluster";
    if (!chunk.bytes || chunk.bytes->empty()) return "a part of a snapshot without bytes";
    if (chunk.bytes->size() > limits.snapshot_chunk_size) return "a part of a snapshot that is too large";
    if (chunk.position >= chunk.snapshot.size_bytes) return "a part beyond the end of its snapshot";
    if (chunk.bytes->size() > chunk.snapshot.size_bytes - chunk.position) return "a part longer than its snapshot";
    return nullptr;
}

const char* problem_of_body(const SnapshotResponse& response, const Message&, const Limits&) {
    bool is_inside = response.next_position <= response.snapshot.size_bytes;
    return is_inside ? nullptr : "a position beyond the end of the snapshot";
}

const char* problem_of_body(const TimeoutNow&, const Message&, const Limits&) {
    return nullptr;
}

}  // namespace

bool are_well_formed(const std::vector<Entry>& entries, LogIndex index, Term term, const Uuid& cluster) {
    for (const Entry& entry : entries) {
        if (entry.index != index + 1 || entry.index > index_max) return false;
        if (entry.term < term || entry.term == Term(0) || entry.term > term_max) return false;
        if (!is_whole(entry, cluster)) return false;
        // The first entry of all says who votes; without it the others have no meaning.
        if (entry.index == forming_index && entry.kind != EntryKind::membership) return false;
        index = entry.index;
        term = entry.term;
    }
    return true;
}

bool is_well_formed(const Snapshot& snapshot, const Limits& limits) {
    return snapshot.last_index >= forming_index && snapshot.last_index <= index_max &&
           snapshot.last_term >= forming_term && snapshot.last_term <= term_max && snapshot.membership != nullptr &&
           snapshot.membership->is_valid() && snapshot.membership_index >= forming_index &&
           snapshot.membership_index <= snapshot.last_index && snapshot.size_bytes > 0 &&
           snapshot.size_bytes <= limits.snapshot_size_max;
}

const char* problem_of(const Message& message, const Limits& limits) {
    if (message.cluster.is_zero()) return "a message of no cluster";
    if (message.from == message.to) return "a message from this voter itself";
    if (message.from.directory.is_zero()) return "a message of a voter without a directory";
    // A blank voter, in term 0, answers a pre-vote; whatever else it says, it says in a term.
    if (message.term > term_max) return "a term that nobody can have reached";
    if (message.term == Term(0) && !message.is<VoteResponse>()) return "a message of no term";
    return std::visit([&](const auto& body) { return problem_of_body(body, message, limits); }, message.body);
}

}  // namespace ironbark::consensus
