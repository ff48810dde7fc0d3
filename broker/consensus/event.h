#pragma once
// What happens to a core. Each event comes with a `Moment`: the machine's monotonic clock, and a random number drawn
// anew, which the core uses for election timeouts. Where an event completes something, it names it, so that a stale
// completion is told from a current one.

#include <optional>
#include <variant>

#include "broker/consensus/message.h"
#include "runtime/base/error.h"

namespace ironbark::consensus {

struct Moment {
    int64_t now_ms = 0;
    uint64_t random = 0;
};

using ProposalId = Id<struct ProposalIdTag, uint64_t>;  // chosen by who proposes; comes back in ProposalResolved
using ReadId = Id<struct ReadIdTag, uint64_t>;          // the same for ReadResolved
// Counts the writes of one stream (term and vote, or log) in the life of a core.
using WriteId = Id<struct WriteIdTag, uint64_t>;

struct TimerExpired {};  // Core::timer_ms has passed; too early does nothing

struct MessageReceived {
    Message message;
};

// Begins a cluster, on a voter that has no log: every voter gets the same cluster id and voters, and is asked only when
// all of them are reachable and empty.
struct Form {
    Membership membership;
};

struct Propose {
    ProposalId id;
    Term expected_term;  // in which the command was decided: it commits in this term or never
    Payload command;
};

struct ReplaceVoter {  // the voter with this id now has this directory
    ProposalId id;
    Term expected_term;
    Voter incoming;
};

struct ReadBarrier {
    ReadId id;
};

struct TransferLeadership {
    std::optional<VoterId> to;  // empty: to the voter that has most of the log
};

// This write of the term and the vote is durable, and all before it.
struct TermAndVotePersisted {
    WriteId write;
};
// This write of the log (append, truncation or reset) is durable, and all before it.
struct LogPersisted {
    WriteId write;
};
// A durable snapshot of this voter's own state machine, named by Core::describe and the bytes that were written.
struct SnapshotMade {
    Snapshot snapshot;
};
struct SnapshotChunkWritten {
    Snapshot snapshot;
    uint64_t end_position = 0;
};
// It is durable, verified, and the state machine has been restored from it.
struct SnapshotInstalled {
    Snapshot snapshot;
};
// What was received is not what its name says. It has been thrown away.
struct SnapshotRefused {
    Snapshot snapshot;
};

// The process of a peer is gone: its connections are closed and its port refuses. Late news do no harm.
struct PeerProcessDied {
    Voter peer;
};

// A write or a sync failed. What is on the disk is not known any more; the core stops for good.
struct StorageFailed {};

using Event = std::variant<TimerExpired,
                           MessageReceived,
                           Form,
                           Propose,
                           ReplaceVoter,
                           ReadBarrier,
                           TransferLeadership,
                           TermAndVotePersisted,
                           LogPersisted,
                           SnapshotMade,
                           SnapshotChunkWritten,
                           SnapshotInstalled,
                           SnapshotRefused,
                           PeerProcessDied,
                           StorageFailed>;

}  // namespace ironbark::consensus
