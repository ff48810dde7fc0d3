#pragma once
// One voter of the controller quorum: Raft as a pure function of its past. `step` takes an event and returns what is to
// be done about it; no clock, socket, file, thread or randomness in here. Whoever drives it owns it, on one thread,
// carries out the actions in their order, and reports completions as events. `restore` makes it from what is durable.
//
//   - Nothing leaves this voter before what it depends on is durable: messages wait for the term and the vote, an
//     acknowledgement of entries for the entries, a vote of one's own is counted when it is durable, and a leader
//     counts its own entries when they are. Only entries themselves are sent to followers before that.
//   - Only an entry of the leader's own term is committed by counting; everything before it comes with it (C1).
//   - A storage failure stops the core for good (C3). What a peer says never does: it is refused and reported.
//   - Followers that hear from a leader refuse pre-votes and votes until the election timeout, or until they have seen
//     the leader's process die. A leader that hears from no majority for an election timeout steps down.
//   - Memory is bounded by `Limits`, as long as snapshots are made.

#include <memory>
#include <optional>
#include <vector>

#include "broker/consensus/action.h"
#include "broker/consensus/entry_log.h"
#include "broker/consensus/progress.h"
#include "broker/consensus/reads.h"
#include "runtime/base/result.h"

namespace ironbark::consensus {

// What the disk of a voter holds. Everything empty: a blank voter. Only a directory that was made together with its
// UUID, and never promised anything, may be taken for blank.
struct Restored {
    Uuid cluster;
    Term term;
    std::optional<Voter> vote;
    std::optional<Snapshot> snapshot;  // the state machine has been restored from it
    std::vector<Entry> entries;        // may begin before the snapshot's end, and stop short of it
};

struct FollowerStatus {
    Voter voter;
    LogIndex match;        // the log up to here is known to be on its disk
    int64_t heard_ms = 0;  // when it was heard last, by this machine's clock; or when this term began
};

struct Status {
    Role role = Role::follower;
    Uuid cluster;  // zero: a blank voter
    Term term;
    std::optional<Voter> leader;
    LogIndex last, durable, commit, applied, snapshot;
    uint64_t log_bytes = 0;                        // when to make a snapshot
    bool is_installing = false;                    // a snapshot: the state machine is not to be read
    std::shared_ptr<const Membership> membership;  // null: a blank voter
    LogIndex membership_index;                     // settled once this is committed, and nobody leaves
    std::vector<FollowerStatus> followers;         // of a leader
};

class Core {
  public:
    // Errors: corrupt_data, foreign_data, with a text; nothing that does not add up is made to fit.
    static Result<Core> restore(const Settings& settings, Restored restored, const Moment& moment);

    Actions step(const Moment& moment, Event event);

    // When TimerExpired is to come, unless another event changes it.
    int64_t timer_ms() const;
    Status status() const;
    // The name of a snapshot of the state machine after this entry, without size and checksum. REQUIRES: this was the
    // last applied entry, or one since the last snapshot
    Snapshot describe(LogIndex applied) const;
    // Whether a follower that answers is being sent the snapshot: a new one would begin that anew.
    bool is_sending_snapshot() const;

  private:
    struct MembershipAt {
        LogIndex index;
        std::shared_ptr<const Membership> membership;
    };
    struct Proposal {
        ProposalId id;
        LogIndex index;
    };

    explicit Core(const Settings& settings) : settings_(settings) {}
    Result<void> load(Restored restored);
    Result<void> load_entries(std::vector<Entry> entries);

    // Events.
    void on(TimerExpired);
    void on(MessageReceived received);
    void on(Form form);
    void on(Propose propose);
    void on(ReplaceVoter replace);
    void on(ReadBarrier barrier);
    void on(TransferLeadership transfer);
    void on(TermAndVotePersisted persisted);
    void on(LogPersisted persisted);
    void on(SnapshotMade made);
    void on(SnapshotChunkWritten written);
    void on(SnapshotInstalled installed);
    void on(SnapshotRefused refused);
    void on(PeerProcessDied died);
    void on(StorageFailed);

    // Messages (core_message.cc decides whether they count, and in which term).
    bool is_acceptable(const Message& message);
    bool is_known(const Voter& voter) const;
    bool enter_term_of(const Message& message);
    void answer_stale(const Message& message);
    void handle(const Message& message, const VoteRequest& request);
    void handle(const Message& message, const VoteResponse& response);
    void handle(const Message& message, const AppendRequest& request);
    void handle(const Message& message, const AppendResponse& response);
    void handle(const Message& message, const SnapshotChunk& chunk);
    void handle(const Message& message, const SnapshotResponse& response);
    void handle(const Message& message, const TimeoutNow&);
    Message message_to(const Voter& peer, MessageBody body) const;
    void send(const Voter& peer, MessageBody body);
    void release_held();

    // Terms and elections (core_election.cc).
    bool leader_is_alive() const;
    // Since it confirmed a leadership: by an answer to a leader, or its own. (What it did before it started it forgot.)
    int64_t silence_ms() const { return now_ms_ - std::max(heard_ms_, led_until_ms_); }
    bool may_campaign() const;
    bool is_alone() const;
    int64_t election_patience_ms() const;
    int64_t turn_ms(int64_t within) const;
    int64_t chance_ms(int64_t within) const;
    void reset_election_timer();
    void enter_term(Term term, std::optional<Voter> vote);
    void become_follower(std::optional<Voter> leader);
    void leave_leadership();
    void campaign();
    void start_election(bool is_transfer);
    void request_votes(const VoteRequest& request);
    void count_vote(const Voter& voter);
    void become_leader();

    // A leader's entries (core_leader.cc).
    ErrorCode problem_with_proposal(Term expected_term, uint64_t size) const;
    LogIndex append_as_leader(EntryKind kind, Payload command, std::shared_ptr<const Membership> membership);
    uint64_t value_of_progress(const Voter& voter, uint64_t own, uint64_t (*value)(const Progress&)) const;
    void settle_membership();
    void advance_commit();
    bool leads_settled() const;
    bool hears_a_majority() const;
    void leader_timer();
    void try_transfer();

    // To followers (core_replication.cc).
    Progress* find_progress(const Voter& voter);
    void follow_membership();
    void send_entries(Progress& progress);
    void send_entries_to_all();
    void send_heartbeat(Progress& progress);
    void begin_round();
    uint64_t confirmed_round() const;
    void send_snapshot(Progress& progress);
    void begin_snapshot(Progress& progress);

    // As a follower (core_follower.cc, core_snapshot.cc).
    bool follow(const Message& message);
    void acknowledge();
    void refuse(const AppendRequest& request);
    bool take_entries(const AppendRequest& request);
    void take_commit(LogIndex commit);
    void cut_behind(LogIndex last);
    bool is_held_already(const Snapshot& snapshot);
    void compact();

    // After every event.
    void apply();
    void pass_reads();
    void announce();
    void check_invariants() const;
    void report(ReportKind kind, const Voter& peer, const char* text);
    void ignore(const char* text) { report(ReportKind::event_ignored, settings_.self, text); }

    bool is_leader() const { return role_ == Role::leader; }
    bool is_ready() const { return is_leader() && applied_ >= term_start_; }
    bool is_installing() const { return incoming_ && incoming_->is_installing; }
    const Membership* membership() const {
        return memberships_.empty() ? nullptr : memberships_.back().membership.get();
    }
    LogIndex membership_index() const { return memberships_.empty() ? LogIndex() : memberships_.back().index; }
    void append_entries(std::vector<Entry> entries);

    const Settings settings_;
    int64_t now_ms_ = 0;
    uint64_t random_ = 0;
    Actions actions_;

    // Durable, or on the way to it.
    Uuid cluster_;
    Term term_;
    std::optional<Voter> vote_;
    WriteId term_write_;    // the newest
    WriteId term_durable_;  // the newest that is durable
    EntryLog log_;
    std::vector<MembershipAt> memberships_;  // of the log; the first may lie before its base
    std::optional<Snapshot> snapshot_;

    Role role_ = Role::follower;
    std::optional<Voter> leader_;  // of this term
    LogIndex commit_;
    LogIndex applied_;
    std::vector<Message> held_;  // until the term and the vote are durable

    // Follower and candidate.
    LogIndex proven_;          // up to here the log is that of this term's leader
    uint64_t round_seen_ = 0;  // of this term's leader
    std::optional<Voter> heard_from_;
    int64_t heard_ms_ = 0;
    bool is_leader_seen_dead_ = false;
    int64_t election_due_ms_ = 0;
    std::vector<Voter> votes_;
    int64_t silence_ms_ = 0;  // the shortest of those who have voted
    struct Incoming {
        Snapshot snapshot;
        uint64_t position = 0;  // received and written
        uint64_t writing = 0;   // bytes of the part that is being written
        bool is_installing = false;
    };
    std::optional<Incoming> incoming_;

    // Leader.
    int64_t led_until_ms_ = 0;
    LogIndex term_start_;  // its first entry
    std::vector<Progress> progress_;
    uint64_t round_ = 0;  // the newest that was begun
    int64_t heartbeat_due_ms_ = 0;
    Reads reads_;
    std::deque<Proposal> proposals_;
    std::optional<ProposalId> replacement_;  // its joint membership is not committed yet
    struct Transfer {
        Voter to;
        int64_t due_ms;
        bool is_sent = false;
    };
    std::optional<Transfer> transfer_;

    RoleChanged announced_{};
};

}  // namespace ironbark::consensus
