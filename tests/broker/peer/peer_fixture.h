#pragma once
// Daemons of a simulated world that know each other: `LinkedDaemon` has links and a server for those of others, and
// writes down what it hears; `VoterDaemon` is a voter on top of it, with a store and a driver, that waits until its
// cluster forms.

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "broker/peer/forming.h"
#include "broker/peer/links.h"
#include "broker/voter/driver.h"
#include "runtime/rpc/server.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::peer {

using namespace std::chrono_literals;
using consensus::Message;
using consensus::VoterId;

constexpr uint16_t peer_port = 9500;

// How a daemon is configured.
struct DaemonSettings {
    int32_t id = 0;
    std::vector<int32_t> voters;
    std::string secret = "a secret of tests";
    Uuid cluster{};
    std::string directory = "controller";
    std::map<int32_t, Address> addresses{};  // of all, where they are not peer_port of their nodes
};

inline std::string node_name(int32_t id) {
    return "n" + std::to_string(id);
}

class LinkedDaemon : public rpc::Handler {
  public:
    LinkedDaemon(World& its_world, DaemonSettings its_settings);

    virtual Task<bool> start();
    virtual Task<void> stop();

    Task<rpc::Response> handle(rpc::Session& session, rpc::Request request) override;
    void ended(rpc::Session& session) override { ended_nodes.push_back(peer_of(session)->node); }
    virtual void receive(Message message) { received.push_back(std::move(message)); }
    virtual void process_died(VoterId id) { deaths.push_back({id.value, world.executor.now()}); }
    virtual Task<rpc::Response> answer(rpc::Session& session, rpc::Request request);

    struct Death {
        int32_t id;
        Instant at;
    };

    World& world;
    DaemonSettings settings;
    PeerIdentity identity;
    PeerGate gate;
    PeerLinks links;
    std::vector<Message> received;
    std::vector<Error> refused;  // messages
    std::vector<Death> deaths;
    std::vector<int32_t> ended_nodes;  // of sessions

  protected:
    static LinkSettings link_settings(LinkedDaemon* daemon);
    Task<bool> listen();

    rpc::Server server_;
    std::unique_ptr<Listener> listener_;
    Scope running_;
};

class VoterDaemon final : public LinkedDaemon, public consensus::StateMachine {
  public:
    VoterDaemon(World& its_world, DaemonSettings its_settings) : LinkedDaemon(its_world, std::move(its_settings)) {}

    Task<bool> start() override;
    Task<void> stop() override;
    void receive(Message message) override { driver->receive(std::move(message)); }
    void process_died(VoterId id) override;
    Task<rpc::Response> answer(rpc::Session& session, rpc::Request request) override;

    void apply(consensus::LogIndex, Bytes command) override { commands.emplace_back(as_text(command)); }
    consensus::SnapshotRecords snapshot() const override;
    void clear() override { commands.clear(); }
    Result<void> restore(Bytes record) override;

    std::string last_notice() const { return notices.empty() ? "" : notices.back(); }

    std::unique_ptr<consensus::Store> store;
    std::unique_ptr<consensus::Driver> driver;
    std::unique_ptr<Forming> forming;
    std::vector<std::string> commands;
    std::vector<std::string> notices;  // of forming
    std::vector<std::string> problems;

  private:
    Task<bool> open();
};

// Daemons on the nodes n1, n2, ...
template <typename Daemon>
struct DaemonTest {
    explicit DaemonTest(uint64_t seed = 1, simulation::Options options = {}) : simulation(seed, options) {}

    simulation::Node& node(int32_t id) { return simulation.node(node_name(id)); }
    Daemon& daemon(int32_t id) { return *daemons.at(id); }
    // Starts it again as it was, or for the first time.
    void start(DaemonSettings settings) {
        const int32_t id = settings.id;
        configured[id] = settings;
        daemons[id] = &node(id).start([settings](World& world) { return std::make_unique<Daemon>(world, settings); });
        if (!node(id).run(daemons[id]->start())) simulation.fail("a daemon does not start");
    }
    void start(int32_t id) { start(configured.at(id)); }
    void start_all(int32_t count) {
        std::vector<int32_t> ids;
        for (int32_t id = 1; id <= count; ++id) ids.push_back(id);
        for (int32_t id : ids) start(DaemonSettings{id, ids});
    }
    void crash(int32_t id, simulation::Crash how = simulation::Crash::kill) {
        daemons.erase(id);
        node(id).crash(how);
    }
    bool is_up(int32_t id) { return daemons.count(id) > 0; }
    void stop() {
        for (auto& [id, daemon] : daemons) {
            node(id).run(daemon->stop());
            node(id).end();
        }
        daemons.clear();
    }

    simulation::Simulation simulation;
    std::map<int32_t, DaemonSettings> configured;
    std::map<int32_t, Daemon*> daemons;
};

using LinkTest = DaemonTest<LinkedDaemon>;

struct VoterTest : DaemonTest<VoterDaemon> {
    using DaemonTest::DaemonTest;

    // The voter that leads and may decide; 0 if there is none within the limit.
    int32_t leader(Duration limit = 20s);
    // Proposes at whoever leads until it is certain that it was written. False at the limit.
    bool write(const std::string& command, Duration limit = 30s);
    // Lets time pass until all daemons that live have the same commands, so many of them.
    bool agree_on(size_t count, Duration limit = 30s);
    // Lets time pass until all daemons that live belong to the same cluster.
    bool form_within(Duration limit);
    // An empty disk in place of this daemon's.
    void wipe(int32_t id);
    consensus::Status status(int32_t id) { return daemon(id).driver->status(); }
};

}  // namespace ironbark::peer
