#pragma once
// One voter of the controller quorum, alive: feeds the core with what disk, network, clock and callers do, and carries
// out what it wants done. Owned by one executor; `run` beside the callers, `close` before the store is closed.
//
// The state machine is told every committed command once, in the order of the log, on every voter alike. A snapshot of
// it is made when the commands since the last one are larger than that, and at least `snapshot_bytes_min`.

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "broker/consensus/core.h"
#include "broker/voter/store.h"
#include "runtime/task/scope.h"

namespace ironbark::consensus {

// What the quorum agrees on. Called on the driver's executor; does not call back.
class StateMachine {
  public:
    virtual ~StateMachine() = default;
    // A committed command, which nobody can refuse any more: what is senseless in it has no effect, everywhere alike.
    virtual void apply(LogIndex index, Bytes command) = 0;
    // The state after everything that was applied, as records for `restore`.
    virtual SnapshotRecords snapshot() const = 0;
    // `clear`, then each record of a snapshot in order. An error: the snapshot is not one of this state machine.
    virtual void clear() = 0;
    virtual Result<void> restore(Bytes record) = 0;
};

// Carries messages to other voters: at most a few times each, in any order, or never. Does not call back.
class Transport {
  public:
    virtual ~Transport() = default;
    virtual void send(Message message) = 0;
};

struct DriverSettings {
    Settings core;  // `self.directory` is the store's
    uint64_t snapshot_bytes_min = uint64_t{8} << 20;
    std::function<void(const RoleChanged&)> on_role;
    std::function<void(const Report&)> on_report;
    std::function<void(std::string)> on_notice;  // what people should know
};

struct ProposalResult {
    Outcome outcome = Outcome::unknown;  // written: applied here. unknown: it may still be, or not
    ErrorCode code = ErrorCode::none;    // why not
    LogIndex index;                      // if written
};

class Driver {
  public:
    // Restores the state machine and the core from the store. `problem` explains an error to people. All outlive the
    // driver; the store's events go to `take`.
    static Task<Result<std::unique_ptr<Driver>>> open(World* world,
                                                      Store* store,
                                                      StateMachine* machine,
                                                      Transport* transport,
                                                      DriverSettings settings,
                                                      std::string* problem);
    Driver(const Driver&) = delete;
    Driver& operator=(const Driver&) = delete;
    ~Driver();

    // The clock's part. Suspends until `close`.
    Task<void> run();
    // Whoever waits learns `closed`; nothing is taken any more. Suspends until nobody is left inside.
    Task<void> close();

    void take(Event event);  // of the store
    void receive(Message message) { step(MessageReceived{std::move(message)}); }
    void peer_process_died(const Voter& peer) { step(PeerProcessDied{peer}); }
    void form(Membership membership) { step(Form{std::move(membership)}); }

    // Suspends until it is applied here, certainly not written, or the deadline. `expected_term`: see Propose.
    Task<ProposalResult> propose(Term expected_term, Payload command, Instant deadline);
    Task<ProposalResult> replace_voter(Term expected_term, Voter incoming, Instant deadline);
    // Suspends until the state machine shows everything that was acknowledged before the call. Errors: not_leader_or_
    // follower, overloaded, timed_out, closed.
    Task<Result<void>> read_barrier(Instant deadline);
    // Suspends until somebody else leads (true), or has not taken over in an election timeout. False at once on a voter
    // that does not lead, and while another transfer is under way.
    Task<bool> transfer_leadership(std::optional<VoterId> to);

    Status status() const { return core_->status(); }
    // Suspends until the role, the term or the leader changes, or the deadline.
    Task<Wake> wait_for_change(Instant deadline) { return changed_.wait(deadline); }

  private:
    template <typename Answer>
    struct Waiting {
        using Given = Answer;
        explicit Waiting(Executor& executor) : done(executor) {}
        ironbark::Event done;
        std::optional<Answer> answer{};
    };
    template <typename Answer>
    using Waiters = std::map<uint64_t, Waiting<Answer>*>;

    Driver(World& world, Store& store, StateMachine& machine, Transport& transport, DriverSettings settings);
    Task<Result<void>> restore(std::string* problem);
    Task<Result<void>> restore_machine(Snapshot snapshot);
    Task<void> install(SnapshotInstalled installed);
    void step(Event event);
    template <typename Answer>
    Task<std::optional<Answer>> ask(Waiters<Answer>* waiters, uint64_t id, Event event, Instant deadline);
    Task<ProposalResult> resolve(ProposalId id, Event event, Instant deadline);
    bool is_over() const { return is_closing_ || role_ == Role::stopped; }
    void end_waiting();
    Moment moment() { return {now_ms(), world_.random.next()}; }
    int64_t now_ms() const;

    // Actions.
    void carry_out(SendMessage action) { transport_.send(std::move(action.message)); }
    void carry_out(SendSnapshotChunk action) { scope_.spawn(send_chunk(std::move(action))); }
    void carry_out(ApplyEntries action);
    void carry_out(const ProposalResolved& action);
    void carry_out(const ReadResolved& action);
    void carry_out(const TransferEnded& action);
    void carry_out(const RoleChanged& action);
    void carry_out(const Report& action) { settings_.on_report(action); }
    void carry_out(const FailStop& action);
    template <typename StorageAction>
    void carry_out(StorageAction action) {
        store_.take(std::move(action));
    }
    Task<void> send_chunk(SendSnapshotChunk action);
    void look_for_snapshot();
    Task<void> make_snapshot(Snapshot described, SnapshotRecords records);

    World& world_;
    Store& store_;
    StateMachine& machine_;
    Transport& transport_;
    DriverSettings settings_;
    std::optional<Core> core_;
    std::deque<Event> events_;
    bool is_stepping_ = false;
    bool is_closing_ = false;
    Role role_ = Role::follower;

    uint64_t ids_ = 0;
    Waiters<ProposalResult> proposals_;
    Waiters<ErrorCode> reads_;
    Waiters<bool> transfers_;  // at most one
    Gate callers_;

    uint64_t applied_bytes_ = 0;   // since the last snapshot
    uint64_t snapshot_bytes_ = 0;  // of that
    bool is_making_snapshot_ = false;
    Instant snapshot_not_before_{};

    ironbark::Event timer_changed_;
    ironbark::Event changed_;
    Scope scope_;
};

}  // namespace ironbark::consensus
