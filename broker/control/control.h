#pragma once
// What a daemon does besides serving clients, on a thread of its own: it listens to other daemons, votes in the
// controller quorum if it is a voter, and keeps this broker's session with the active controller. Built and taken apart
// by the broker; everything here belongs to the control thread's executor.
//
// The thread's world is posix even where shards use io_uring: the listener and the connections by which others see that
// this process lives are closed by the kernel the moment it dies, and a ring would hold them for longer.

#include <memory>
#include <string>
#include <vector>

#include "broker/control/broker_session.h"
#include "broker/control/controller_service.h"
#include "broker/control/producer_ids.h"
#include "log/data_directory.h"
#include "runtime/rpc/server.h"

namespace ironbark::broker {

// How a daemon stands in its cluster, for people and for /healthz.
struct ControlStatus {
    std::string problem;             // of the broker's session; empty: none
    std::string controller_problem;  // of this daemon's voter; empty: none, or it is no voter
    Incarnation incarnation{-1};
    bool has_lease = false;
    bool is_active_controller = false;
    uint64_t controller_term = 0;  // of this daemon's voter
    int64_t metadata_version = -1;  // that this broker knows
    Duration lease_left{};
    DurationHistogram heartbeats;  // that were answered, there and back
    bool is_voter = false;
    uint64_t activations = 0;  // how often this voter has become the active controller
    uint64_t controller_log_bytes = 0;
    uint64_t controller_commit = 0;
    DurationHistogram commits;  // of commands that it executed as the active controller
    // As the active controller has it; 0 elsewhere.
    size_t brokers_alive = 0;
    size_t brokers_gone = 0;
    size_t partitions_without_leader = 0;
};

class Control {
  public:
    Control(World& world, const Config* config, std::string version, std::vector<Executor*> shards);
    ~Control();

    Executor& executor() { return world_.executor; }
    Scope& scope() { return scope_; }  // where calls of other threads run

    // Opens the voter and the listener. `problem` explains an error to people.
    Task<Result<void>> open(std::string directory, log::DirectoryIdentity identity, std::string* problem);
    // Serves daemons, votes, and registers this broker, whose clients are told to connect to `advertise`. Suspends
    // until it is registered, which may take as long as a majority of the controllers is away, or until `interrupt`.
    // `replica_port`: where its shards serve followers, at the host that daemons use; 0: nowhere.
    Task<Result<void>> join(Address advertise, Incarnation stopped_cleanly, uint16_t replica_port);
    // Ends a `join` that waits: cancelled. Any thread.
    void interrupt();
    // Before a stop: commands of clients end if no controller is active, instead of waiting for one.
    void begin_stop();
    // Tells the controllers that this broker has stopped in order (`is_clean`), then stops everything. Also after a
    // failed `open`.
    Task<void> stop(bool is_clean);

    // The active controller's view of the quorum; without one, that of a voter that answers.
    Task<rpc::CallResult> describe_quorum(Instant deadline);
    BrokerSession& session() { return *session_; }
    ProducerIds& producer_ids() { return *producer_ids_; }
    ControllerClient& controllers() { return *controllers_; }
    Address cluster_address() const { return cluster_address_; }
    bool is_direct() const { return controller_ == nullptr || controller_->is_direct(); }
    ControlStatus status() const;

  private:
    Task<Result<void>> open_voter(std::string directory, log::DirectoryIdentity identity, std::string* problem);
    Task<Result<void>> bind(std::string* problem);
    Task<void> follow_cluster();

    World& world_;
    const Config& config_;
    std::string version_;
    std::vector<Executor*> shards_;
    peer::PeerIdentity self_;
    std::unique_ptr<peer::PeerGate> gate_;
    std::unique_ptr<peer::PeerLinks> links_;  // null: alone
    std::unique_ptr<Controller> controller_;  // null: no voter
    std::unique_ptr<ControllerService> service_;
    std::unique_ptr<ControllerClient> controllers_;
    std::unique_ptr<BrokerSession> session_;
    std::unique_ptr<ProducerIds> producer_ids_;
    std::unique_ptr<Listener> listener_;  // null: alone
    std::unique_ptr<rpc::Server> server_;
    Address cluster_address_;
    bool is_stopping_ = false;
    bool has_joined_ = false;
    Scope accepting_;
    Scope following_;
    Scope scope_;
};

}  // namespace ironbark::broker
