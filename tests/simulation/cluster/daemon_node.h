#pragma once
// A machine of a cluster with a whole daemon, broker and controller. It starts and stops beside the script: one alone
// waits for a majority. The checker hears of each end at its instant.

#include <memory>
#include <optional>
#include <string>

#include "broker/broker.h"
#include "tests/simulation/cluster/stage.h"
#include "tests/simulation/node.h"

namespace ironbark::simulation {

class DaemonNode {
  public:
    DaemonNode(Stage& stage, int32_t id);

    int32_t id() const { return id_; }
    Node& node() { return node_; }
    // Null while no process is there. It may be starting, serving or stopping.
    broker::Broker* broker() { return state_ == State::down || !node_.is_running() ? nullptr : broker_; }
    bool is_down() const { return state_ == State::down; }
    bool is_ready() const { return state_ == State::ready && node_.is_running(); }

    // REQUIRES of start: is_down(). On another number of shards than before if chance has it.
    void start();
    void begin_stop();  // in order; also of one that is starting. REQUIRES: !is_down()
    void crash(Crash how);
    // Whether `look` has something to see: cheap, for the conditions of waits.
    bool has_news() const;
    // Takes note of what has come to its end: a start, a stop, the process itself.
    void look();
    // Something of it has failed, as it says itself: an operator would start it anew.
    bool is_sick();
    // What its replicas have cut since this was called last, into the atlas.
    void count_cuts();

  private:
    enum class State : uint8_t { down, starting, ready, stopping };
    void ended(bool in_order, const std::string& how);
    void look_at_start();

    Stage& stage_;
    const int32_t id_;
    RandomStream random_;
    Node& node_;
    State state_ = State::down;
    broker::Broker* broker_ = nullptr;
    std::shared_ptr<std::string> problem_;
    std::shared_ptr<std::optional<Result<void>>> started_;
    std::shared_ptr<bool> has_stopped_;
    struct Cuts {
        uint64_t cuts = 0;
        uint64_t restarts = 0;
    };
    Cuts counted_;
};

}  // namespace ironbark::simulation
