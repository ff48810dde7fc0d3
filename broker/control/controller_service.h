#pragma once
// What daemons ask of each other, on a listener of their own: who they are, the quorum's messages, and what brokers
// want of the active controller. One handler per daemon, on the control thread. This daemon's own broker calls it
// without a connection, in a session that nobody has authenticated.

#include <map>
#include <memory>
#include <vector>

#include "broker/control/controller.h"
#include "broker/peer/authentication.h"
#include "runtime/rpc/service.h"
#include "wire/controller_generated.h"

namespace ironbark::broker {

class ControllerService final : public rpc::Handler {
  public:
    // `controller` and `links` may be null: a daemon without a vote, a cluster of one. All outlive the service.
    ControllerService(World& world, peer::PeerGate* gate, peer::PeerLinks* links, Controller* controller)
        : world_(world), gate_(gate), links_(links), controller_(controller) {}

    Task<rpc::Response> handle(rpc::Session& session, rpc::Request request) override;
    void ended(rpc::Session& session) override;

  private:
    Task<rpc::Response> dispatch(rpc::Session* session, rpc::Request request);
    Task<rpc::Response> register_broker(const rpc::Session* session, rpc::Request request);
    Task<rpc::Response> heartbeat(const rpc::Session* session, rpc::Request request);
    rpc::Response report_replicas(const rpc::Session& session, const rpc::Request& request);
    Task<rpc::Response> follow_metadata(const rpc::Session* session, rpc::Request request);
    Task<rpc::Response> execute_command(const rpc::Session* session, rpc::Request request);
    Task<rpc::Response> appoint_leader(rpc::Request request);
    Task<rpc::Response> admit_voter(rpc::Request request);
    rpc::Response describe_quorum();
    rpc::Response refuse_inactive() const;
    rpc::Response refuse(const Executed& executed) const;
    rpc::Response give_commands(const std::vector<SharedCommand>& commands) const;
    rpc::Response give_snapshot(const wire::FollowMetadataRequest& request);
    std::string problem_with(const wire::RegisterBrokerRequest& request) const;
    bool is_current(BrokerId broker, Incarnation incarnation) const;

    // What brokers that begin anew are given in parts. Others that begin meanwhile are given the same one: what has
    // happened since, they are told as commands.
    struct Snapshot {
        int64_t version = -1;
        std::vector<SharedCommand> parts;
    };
    std::shared_ptr<const Snapshot> snapshot_for(int32_t broker);

    World& world_;
    peer::PeerGate* gate_;
    peer::PeerLinks* links_;
    Controller* controller_;
    std::weak_ptr<const Snapshot> newest_;                      // while somebody is in the middle of it
    std::map<int32_t, std::shared_ptr<const Snapshot>> given_;  // by broker
};

}  // namespace ironbark::broker
