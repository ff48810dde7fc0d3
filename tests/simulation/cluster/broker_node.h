#pragma once
// A machine with a broker: the real one, on one to three simulated shards. Scripts start it, stop it in order, and end
// it in worse ways; the checker hears of each end at its instant.

#include <string>

#include "broker/broker.h"
#include "tests/simulation/cluster/stage.h"
#include "tests/simulation/node.h"

namespace ironbark::simulation {

class BrokerNode {
  public:
    BrokerNode(Stage& stage, std::string name);

    Node& node() { return node_; }
    // It serves.
    bool is_up() const { return is_up_ && node_.is_running(); }
    // Starts it, on another number of shards than before if chance has it; again and again until it serves. Fails the
    // run if it does not start though nothing is wrong.
    void start();
    // In order; or it dies on the way.
    void stop();
    void crash(Crash how);
    // To be called after time has passed: whether it died by itself (see SimulatedDisk::stop_after).
    void notice_death();
    // For the conditions of waits: ends them at the instant of a death.
    bool has_died() const { return is_up_ && !node_.is_running(); }

    uint64_t starts() const { return node_.starts(); }

  private:
    bool try_start();
    void ended(bool in_order, const std::string& how);

    Stage& stage_;
    RandomStream random_;
    Node& node_;
    std::unique_ptr<broker::Broker> make(const std::vector<World*>& worlds);
    broker::Broker* broker_ = nullptr;
    std::string problem_;
    bool is_up_ = false;
};

}  // namespace ironbark::simulation
