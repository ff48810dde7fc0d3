#pragma once
// Several whole daemons in a simulated world, and a client that speaks to each by hand. Daemons start beside the
// script, because one alone waits for a majority.
//
//     ClusterWorld cluster(3);
//     cluster.start_all();
//     cluster.create_topic(1, "t", {.partitions = 6});
//     cluster.kill(cluster.active());

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/broker.h"
#include "runtime/rpc/channel.h"
#include "tests/broker/service/calls.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::broker {

using simulation::Node;
using simulation::Options;
using simulation::Simulation;

constexpr const char* cluster_secret = "a secret for tests only";

struct BrokerSeen {
    int32_t id = -1;
    bool is_alive = false;
    bool is_clean = false;
    int64_t incarnation = -1;
    int32_t partitions = 0;
    int32_t leads = 0;
};
struct ClusterSeen {
    Said said;
    int32_t active = -1;
    uint64_t term = 0;
    std::map<int32_t, BrokerSeen> brokers;
    std::string quorum_problem;
};

class ClusterWorld {
  public:
    // Nodes 1 to `nodes`, of which the first `voters` are controllers.
    explicit ClusterWorld(size_t nodes, size_t voters, uint64_t seed = 1, Options options = {});
    ~ClusterWorld();

    Simulation& simulation() { return simulation_; }
    Node& node(int32_t id) { return simulation_.node("n" + std::to_string(id)); }
    // Of the next start.
    Config& config(int32_t id) { return daemons_.at(id).config; }

    void start(int32_t id);  // begins to
    void start_all();        // and waits until all are ready
    bool is_ready(int32_t id) const { return daemons_.at(id).started && daemons_.at(id).started->ok(); }
    // Why a start has failed; empty: it has not, or not yet.
    std::string problem(int32_t id) const;
    void wait_ready(int32_t id, Duration limit = 60s);
    // The same, and what the daemon says if it does not start in time.
    bool try_ready(int32_t id, Duration limit);
    void stop(int32_t id);  // in order
    void kill(int32_t id);
    void lose_power(int32_t id);
    void pause(int32_t id) { node(id).pause(); }
    void resume(int32_t id) { node(id).resume(); }
    bool is_running(int32_t id) { return node(id).is_running(); }
    std::vector<int32_t> running();  // that are ready
    Broker* broker(int32_t id) { return daemons_.at(id).broker; }

    // A question to one daemon, to its end.
    rpc::CallResult call(
        int32_t id, rpc::Method method, rpc::Metadata metadata, Text payload = {}, Duration patience = 40s);
    using Pending = std::shared_ptr<std::optional<rpc::CallResult>>;
    Pending begin(int32_t id, rpc::Method method, rpc::Metadata metadata, Text payload = {}, Duration patience = 40s);
    Said create_topic(int32_t id, const std::string& name, const TopicShape& shape = {});
    // Has the active controller carry out a command, as this daemon's broker.
    Executed execute(int32_t id, Command command);
    // A topic with all its partitions on these brokers.
    void place_topic(const std::string& name, size_t partitions, const BrokerIds& replicas, int32_t min_in_sync);
    ClusterSeen describe(int32_t id);
    std::vector<std::string> events(int32_t id);  // "NUMBER KIND TEXT"
    bool has_event(int32_t id, const std::string& words);
    // The daemon whose controller is active, once there is one. Fails the test after `limit`.
    int32_t active(Duration limit = 60s);
    // What the topic's description says of a partition's state, at this daemon.
    std::string remark(int32_t id, const std::string& topic, size_t partition = 0);
    std::string health(int32_t id);   // what its /healthz answers
    int64_t incarnation(int32_t id);  // that it says it is
    // The metadata that a broker serves by.
    MetadataSnapshot metadata(int32_t id) { return daemons_.at(id).broker->facts().shards.front()->metadata(); }

  private:
    struct Client;
    struct Daemon {
        Config config;
        Broker* broker = nullptr;
        std::shared_ptr<std::string> problem;
        std::shared_ptr<std::optional<Result<void>>> outcome;
        std::optional<Result<void>> started;
    };
    static Task<void> run_start(Broker* broker,
                                std::shared_ptr<std::string> problem,
                                std::shared_ptr<std::optional<Result<void>>> outcome);
    void look(int32_t id);
    rpc::Channel& channel(int32_t id);

    Simulation simulation_;
    std::map<int32_t, Daemon> daemons_;
    Node& client_;
    Client* program_ = nullptr;
};

}  // namespace ironbark::broker
