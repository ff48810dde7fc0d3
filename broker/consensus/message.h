#pragma once
// What voters say to each other. Messages may be lost, repeated, delayed and reordered; nothing depends on their order.
// How they are encoded is the transport's affair, but for the limits, which `problem_of` holds them to.

#include <variant>
#include <vector>

#include "broker/consensus/settings.h"
#include "broker/consensus/types.h"

namespace ironbark::consensus {

struct VoteRequest {
    bool is_pre_vote = false;  // would you vote for me, in the term after mine? Changes nothing at the voter.
    bool is_transfer = false;  // the leader told me to: do not wait until you miss it
    LogIndex last_index;
    Term last_term;
};

struct VoteResponse {
    bool is_pre_vote = false;
    bool is_granted = false;
    Term campaign_term;  // that the vote is for
    int64_t silence_ms = 0;  // since it confirmed a leadership: by an answer to a leader, or its own
};

// Entries that follow `previous`. Without entries: a heartbeat, and with previous = 0 one that asks nothing of the log.
struct AppendRequest {
    LogIndex previous_index;
    Term previous_term;
    std::vector<Entry> entries{};
    LogIndex commit;     // the leader's
    uint64_t round = 0;  // counts the leader's rounds of heartbeats in its term; comes back in the response
};

struct AppendResponse {
    uint64_t round = 0;  // the newest that was seen in this term
    bool is_match = false;
    LogIndex match;     // if so: up to here the log is the leader's, and durable. What lies behind is not claimed (C2).
    LogIndex rejected;  // if not: this previous_index is not, or not with that term, in the log ...
    LogIndex hint_index;  // ... where the term that stands there begins, or where the log ends,
    Term hint_term;       // ... and that term; 0 where the log ends
};

struct SnapshotChunk {
    Snapshot snapshot;
    uint64_t position = 0;
    Payload bytes;  // filled in by who sends it
};

struct SnapshotResponse {
    Snapshot snapshot;  // as it was named, without its membership
    uint64_t next_position = 0;
};

// The leader hands over: be a candidate at once.
struct TimeoutNow {};

using MessageBody =
    std::variant<VoteRequest, VoteResponse, AppendRequest, AppendResponse, SnapshotChunk, SnapshotResponse, TimeoutNow>;

struct Message {
    Uuid cluster;
    Voter from;
    Voter to;
    Term term;                  // of the sender
    LogIndex membership_index;  // of the newest membership that the sender has; 0: none
    MessageBody body;

    template <typename Body>
    bool is() const {
        return std::holds_alternative<Body>(body);
    }
    bool is_request() const { return !is<VoteResponse>() && !is<AppendResponse>() && !is<SnapshotResponse>(); }
};

// Whether the entries are what the log may hold behind (index, term): dense, terms that never fall, kinds with what
// belongs to them, memberships of this cluster. `cluster` zero: of any.
bool are_well_formed(const std::vector<Entry>& entries, LogIndex index, Term term, const Uuid& cluster);
bool is_well_formed(const Snapshot& snapshot, const Limits& limits);

// What is wrong with a message by itself, in plain words; nullptr if nothing is. A peer is never trusted with a shape.
const char* problem_of(const Message& message, const Limits& limits);

}  // namespace ironbark::consensus
