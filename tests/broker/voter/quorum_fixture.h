#pragma once
// Voters as they will run: core, driver and store in processes of a simulated world; messages go through the codec and
// take a while, and get lost on paths that are cut.

#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/voter/driver.h"
#include "broker/voter/message_codec.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::consensus {

using namespace std::chrono_literals;

class VoterProgram;

// Delivers messages between the voters that live.
class Paths {
  public:
    explicit Paths(simulation::Simulation& simulation) : simulation_(simulation), random_(simulation.stream("paths")) {}

    void join(const Uuid& directory, VoterProgram* program) { programs_[directory] = program; }
    void leave(VoterProgram* program) {
        std::erase_if(programs_, [program](const auto& one) { return one.second == program; });
    }
    // Nothing goes to or from this voter until `mend`.
    void cut(int32_t id) { cut_.insert(id); }
    void mend(int32_t id) { cut_.erase(id); }
    void carry(const Message& message);

  private:
    void deliver(const std::vector<uint8_t>& metadata, const std::vector<uint8_t>& payload);

    simulation::Simulation& simulation_;
    simulation::RandomStream random_;
    std::map<Uuid, VoterProgram*> programs_;
    std::set<int32_t> cut_;
};

// A voter's process. Its state machine is the list of all commands.
class VoterProgram final : public Transport, public StateMachine {
  public:
    VoterProgram(World& its_world, Paths& paths, int32_t id, DriverSettings settings);
    ~VoterProgram() override { paths_.leave(this); }

    // Opens store and driver; false, and `problem`, if that fails.
    Task<bool> start();
    Task<void> stop();
    Voter self() const { return {VoterId(id_), store->voter_directory()}; }

    void send(Message message) override { paths_.carry(message); }
    void apply(LogIndex index, Bytes command) override;
    SnapshotRecords snapshot() const override;
    void clear() override { commands.clear(); }
    Result<void> restore(Bytes record) override;

    World& world;
    std::unique_ptr<Store> store;
    std::unique_ptr<Driver> driver;
    std::vector<std::string> commands;
    std::vector<std::string> notices;
    std::string problem;
    size_t restored = 0;  // records, from snapshots

  private:
    Paths& paths_;
    int32_t id_;
    DriverSettings settings_;
    LogIndex applied_;
    Scope running_;
};

// So many voters, in one cluster unless told otherwise.
struct QuorumTest {
    explicit QuorumTest(size_t count,
                        uint64_t seed = 1,
                        DriverSettings settings = {},
                        simulation::Options options = {});

    std::string name(int32_t id) const { return "n" + std::to_string(id); }
    simulation::Node& node(int32_t id) { return simulation.node(name(id)); }
    VoterProgram& voter(int32_t id) { return *voters.at(id); }
    bool is_up(int32_t id) { return voters.count(id) > 0 && node(id).is_running(); }
    // Starts the voter's process, again or for the first time.
    bool start(int32_t id);
    void kill(int32_t id) { crash(id, simulation::Crash::kill); }
    void crash(int32_t id, simulation::Crash how);
    void form();
    // The voter that leads and may decide; 0 if there is none within the limit.
    int32_t leader(Duration limit = 20s);
    // Proposes at whoever leads until it is certain that it was written. False at the limit.
    bool write(const std::string& command, Duration limit = 30s);
    ProposalResult propose(int32_t id, const std::string& command);
    // Lets time pass until all voters that live have the same commands, so many of them.
    bool agree_on(size_t count, Duration limit = 30s);
    void stop();

    simulation::Simulation simulation;
    Paths paths;
    DriverSettings settings;
    std::map<int32_t, VoterProgram*> voters;
};

}  // namespace ironbark::consensus
