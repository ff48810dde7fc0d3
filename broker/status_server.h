#pragma once
// Answers GET /metrics (Prometheus text, docs/METRICS.md) and GET /healthz over HTTP/1.1, one request per connection,
// on the first shard's thread. For people and machines that watch; loopback by default.

#include <memory>
#include <string>

#include "broker/control/control.h"
#include "broker/service/service.h"
#include "broker/shard_status.h"

namespace ironbark::broker {

class StatusServer {
  public:
    StatusServer(World& world, const BrokerFacts* facts, std::unique_ptr<Listener> listener);
    ~StatusServer();

    Address address() const { return listener_->local_address(); }
    void start();
    Task<void> stop();

  private:
    Task<void> accept_loop();
    Task<void> serve(std::unique_ptr<Socket> socket);
    Task<std::string> respond(std::string request_line);
    Task<ShardStatus> gather();
    Task<ControlStatus> look_at_control();

    World& world_;
    const BrokerFacts& facts_;
    std::unique_ptr<Listener> listener_;
    std::set<Socket*> sockets_;
    Scope scope_;
};

// The metrics as Prometheus text.
std::string metrics_text(const BrokerFacts& facts,
                         const ShardStatus& shards,
                         const ControlStatus& control,
                         int64_t now_ms);

}  // namespace ironbark::broker
