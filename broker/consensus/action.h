#pragma once
// What a core wants done, in this order. Writes are carried out in the order in which they are given, within each of
// two streams that do not wait for each other: the term and the vote; and the log (append, truncate, reset, compact).
// Messages may be sent at once: the core holds them back itself until what they depend on is durable. No action may
// fail but by `StorageFailed`; a message may be lost.

#include <variant>
#include <vector>

#include "broker/consensus/event.h"

namespace ironbark::consensus {

struct PersistTermAndVote {
    WriteId write;
    Uuid cluster;
    Term term;
    std::optional<Voter> vote;
};

struct AppendEntries {
    WriteId write;
    std::vector<Entry> entries;
};
struct TruncateSuffix {  // this entry and all behind it
    WriteId write;
    LogIndex from;
};
// All of it: it holds what a snapshot has replaced. What comes next begins behind `base`.
struct ResetLog {
    WriteId write;
    LogIndex base;
};
// Entries up to here are not needed any more: the snapshot stands for them. Whenever convenient; not answered.
struct CompactLog {
    LogIndex up_to;
};

struct SendMessage {
    Message message;
};
// The same for a part of the snapshot: `message.body` is a SnapshotChunk whose bytes are to be read from its position.
struct SendSnapshotChunk {
    Message message;
    uint64_t size = 0;
};

// Answered by SnapshotChunkWritten. At position 0 it replaces whatever was received before. Need not be durable.
struct WriteSnapshotChunk {
    Snapshot snapshot;
    uint64_t position = 0;
    Payload bytes;
};
// All of it is there: verify it, make it durable with its name, restore the state machine from it. Answered by
// SnapshotInstalled, upon which the log is reset, or by SnapshotRefused. If a crash comes in between, the old log
// stands beside the new snapshot, and is reset when the core is restored.
struct InstallSnapshot {
    Snapshot snapshot;
};

// Committed, and durable here: for the state machine, which cannot refuse. Every index once, in order, in the life of
// a core; what is no command is applied by skipping it.
struct ApplyEntries {
    std::vector<Entry> entries;
};

struct ProposalResolved {
    ProposalId id;
    Outcome outcome = Outcome::unknown;  // written: committed and applied. unknown: this voter lost the lead
    ErrorCode code = ErrorCode::none;    // why not
    LogIndex index;                      // if written
};
// none: the state machine now shows everything that was acknowledged before the barrier was asked for.
struct ReadResolved {
    ReadId id;
    ErrorCode code = ErrorCode::none;
};
struct TransferEnded {
    bool is_done = false;  // somebody else has been elected, or will be: this voter does not lead any more
};

enum class Role : uint8_t { follower, pre_candidate, candidate, leader, stopped };
const char* name(Role role);

struct RoleChanged {
    Role role = Role::follower;
    Term term;
    std::optional<Voter> leader;
    bool is_ready = false;  // leads, and has applied everything that earlier leaders committed
    int64_t silence_ms = 0;  // leads, and nobody of those who elected it had confirmed another for so long
};

enum class ReportKind : uint8_t {
    malformed_message,
    wrong_cluster,
    wrong_addressee,      // meant for another directory than this voter's
    unknown_sender,       // no voter, as far as this voter's log says
    two_leaders,          // somebody else claims to lead in this leader's term
    contradicts_commit,   // a peer's log differs from what is committed, or from what it said before
    impossible_progress,  // a peer acknowledges what it was never sent
    snapshot_refused,
    event_ignored,  // a request or a completion that has no meaning in this state; the text says which
};

// Something that a person should know, and that changed nothing. Repeats with its cause: show it sparingly.
struct Report {
    ReportKind kind = ReportKind::event_ignored;
    Voter peer;             // if a peer is the cause
    const char* text = "";  // static
};
// This voter neither votes nor leads until it is started again from what its disk really holds.
struct FailStop {
    const char* text = "";
};

using Action = std::variant<PersistTermAndVote,
                            AppendEntries,
                            TruncateSuffix,
                            ResetLog,
                            CompactLog,
                            SendMessage,
                            SendSnapshotChunk,
                            WriteSnapshotChunk,
                            InstallSnapshot,
                            ApplyEntries,
                            ProposalResolved,
                            ReadResolved,
                            TransferEnded,
                            RoleChanged,
                            Report,
                            FailStop>;
using Actions = std::vector<Action>;

}  // namespace ironbark::consensus
