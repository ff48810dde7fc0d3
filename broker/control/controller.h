#pragma once
// The controller role of one daemon: a voter of the quorum with the metadata as its state machine, and while it is the
// active one, the judge of which brokers live and of who leads a partition. Owned by one executor, the control
// thread's.
//
// Active is the voter that leads and has applied everything that earlier leaders committed. What it answers from its
// own state is only as new as the quorum has confirmed it to be: `confirm` first where that matters.

#include <functional>
#include <memory>
#include <set>
#include <string>

#include "broker/config.h"
#include "broker/control/executed.h"
#include "broker/control/liveness.h"
#include "broker/control/metadata_machine.h"
#include "broker/controller/appointer.h"
#include "broker/metrics.h"
#include "broker/peer/forming.h"
#include "broker/peer/links.h"
#include "broker/voter/driver.h"
#include "broker/voter/store.h"

namespace ironbark::broker {

struct ControllerSettings {
    std::string directory;             // of the voter's files
    Uuid owner;                        // the data directory's UUID
    int32_t id = -1;                   // broker.id
    std::vector<VoterAddress> voters;  // this one included; empty: it is alone
    Duration session_timeout{};
    Duration election_timeout{};
    Duration appointment_wait{};
};

class Controller {
  public:
    // Opens what the voter has on disk. `links` reach the other voters and outlive the controller; null: there are
    // none. `problem` explains an error to people.
    static Task<Result<std::unique_ptr<Controller>>> open(World* world,
                                                          ControllerSettings settings,
                                                          peer::PeerLinks* links,
                                                          std::string* problem);
    ~Controller();
    // Votes, forms the cluster if there is none, leads if it is elected.
    void start();
    // Hands the lead to another voter first, if there is one to take it. Everything that waits learns that it is over.
    Task<void> stop();
    // To be awaited after `stop`, once the links are closed.
    Task<void> join();

    bool is_active() const { return role_.is_ready && !is_stopping_; }
    // Who leads, as far as this voter knows; -1: nobody.
    int32_t active() const { return role_.leader ? role_.leader->id.value : -1; }
    Uuid cluster() const { return driver_->status().cluster; }

    // Why this voter does not do what the active controller does. REQUIRES: !is_active()
    Error why_inactive() const;
    // Suspends until the command is committed and applied, certainly not, or the deadline. not_controller: `active` may
    // know who is. A refusal of the state machine comes with Outcome::not_written.
    Task<Executed> execute(Command command, Instant deadline);
    // Suspends until a majority has confirmed, after this call began, that this voter is the active controller.
    Task<Result<void>> confirm(Instant deadline) { return driver_->read_barrier(deadline); }
    // The voter with this id now has this directory: suspends until it is settled.
    Task<Executed> replace_voter(consensus::Voter incoming, Instant deadline);
    // Suspends until the metadata or the role changes, or the deadline. Spurious wake-ups happen.
    Task<Wake> wait_for_change(Instant deadline) { return changed_.wait(deadline); }

    MetadataMachine& machine() { return machine_; }
    consensus::Driver& driver() { return *driver_; }
    bool is_direct() const { return store_->is_direct(); }
    consensus::Voter self() const { return self_; }
    const ControllerSettings& settings() const { return settings_; }
    // By which brokers are judged and leases granted: the metadata's, once a controller has put it there.
    Duration session_timeout() const;
    // How often this voter has become the active controller, and how long its commands took until they were applied.
    uint64_t activations() const { return activations_; }
    const DurationHistogram& commit_times() const { return commit_times_; }
    // What keeps this voter from working; empty: nothing that is known.
    const std::string& notice() const { return notice_; }

    // What other voters say and ask.
    rpc::Response take_message(const rpc::Session& session, const rpc::Request& request);
    rpc::Response voter_state() const;
    rpc::Response form_cluster(const rpc::Session& session, const rpc::Request& request);
    void process_died(consensus::VoterId voter);

    // News of brokers, for the active controller; harmless otherwise.
    void broker_heard(BrokerId broker, Incarnation incarnation) { liveness_.heard(broker, incarnation, now()); }
    // All that a broker holds of partitions without a leader.
    void take_reports(BrokerId broker, Incarnation incarnation, const std::vector<ReplicaReport>& reports);
    // A person's word on a partition that nobody leads: appoints who may by right, or any living replica if nobody may
    // and `unclean` permits it. `validate_only` says who it would be.
    struct Appointed {
        Executed executed;
        BrokerId leader{-1};
        Offset log_end{-1};
        std::string loss;  // what may be lost by it, for people
    };
    Task<Appointed> appoint(PartitionIdentity identity, bool unclean, bool validate_only, Instant deadline);
    // A connection of this node has ended. If its port refuses now, its process is gone, and is given up at once.
    void connection_ended(int32_t node);

  private:
    class Alone;  // the transport of a voter that is alone
    Controller(World& world, ControllerSettings settings);
    Task<Result<void>> prepare(peer::PeerLinks* links, std::string* problem);
    Result<void> check_membership(std::string* problem) const;
    consensus::DriverSettings driver_settings();
    void note(std::string text);
    void report(const consensus::Report& report);
    Task<void> watch_brokers();
    Task<void> become_active();
    Task<void> watch_disk();
    Task<void> watch_partitions();
    Task<void> watch_moves();
    void propose(const std::vector<Appointment>& appointments) const;
    Task<void> end_silent(Instant now);
    Task<void> probe(BrokerId broker);
    Task<void> probe_once(BrokerId broker);
    Task<void> end_broker(BrokerId broker, Incarnation incarnation, EndReason reason);
    Instant now() const { return world_.executor.now(); }

    World& world_;
    ControllerSettings settings_;
    consensus::Voter self_;
    MetadataMachine machine_;
    std::unique_ptr<consensus::Store> store_;
    std::unique_ptr<Alone> alone_;
    std::unique_ptr<consensus::Driver> driver_;
    std::unique_ptr<peer::Forming> forming_;  // null: alone
    consensus::RoleChanged role_;
    uint64_t activations_ = 0;
    DurationHistogram commit_times_;
    consensus::Term activated_;  // the last term in which this voter became active
    Liveness liveness_;
    Appointer appointer_;
    std::map<BrokerId, bool> probed_;  // at present; whether another connection was lost meanwhile
    std::string notice_;
    Event changed_;
    bool is_stopping_ = false;
    Scope scope_;
};

}  // namespace ironbark::broker
