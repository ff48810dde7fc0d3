#pragma once
// What followers ask of this broker, on a listener of its own: who they are, and the records of the partitions that it
// leads. One handler per shard; a request for another shard's partitions goes there in one message.

#include <vector>

#include "broker/peer/authentication.h"
#include "broker/shard.h"
#include "runtime/rpc/service.h"

namespace ironbark::broker {

class ReplicaService final : public rpc::Handler {
  public:
    // `self` outlives it.
    ReplicaService(Shard& shard, std::vector<Shard*> shards, const peer::PeerIdentity* self, std::string secret)
        : shard_(shard), shards_(std::move(shards)), gate_(shard.world(), self, std::move(secret)) {}

    Task<rpc::Response> handle(rpc::Session& session, rpc::Request request) override;

  private:
    Task<rpc::Response> dispatch(rpc::Session* session, rpc::Request request);
    Task<rpc::Response> replicate(int32_t follower, rpc::Request request);
    Task<rpc::Response> take_acks(int32_t follower, rpc::Request request);

    Shard& shard_;
    std::vector<Shard*> shards_;
    peer::PeerGate gate_;
};

}  // namespace ironbark::broker
