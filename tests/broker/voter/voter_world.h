#pragma once
// One machine with the store of one voter, opened in a process that is started and killed at will; and short words for
// the core's actions.

#include <gtest/gtest.h>
#include <string>
#include <vector>

#include "broker/voter/store.h"
#include "tests/broker/printing.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::consensus::testing {

using simulation::Crash;

constexpr const char* directory = "data/voter";
constexpr const char* journal_path = "data/voter/log";
const Uuid data_directory = Uuid::from_words(7, 7);
const Uuid cluster = Uuid::from_words(5, 5);

Voter voter(int32_t id);
Membership three_voters();
Entry first_entry();  // that forms the cluster
Entry no_op(uint64_t index, uint64_t term);
Entry entry(uint64_t index, uint64_t term, const std::string& command);
PersistTermAndVote term_and_vote(uint64_t write, uint64_t term, std::optional<int32_t> vote = std::nullopt);
AppendEntries append(uint64_t write, std::vector<Entry> entries);
// A snapshot's name, without size and checksum.
Snapshot described(uint64_t index, uint64_t term);
SnapshotRecords some_records(size_t count, size_t size);
std::string to_text(const Event& event);
std::string to_text(const Restored& restored);

struct VoterProgram {
    explicit VoterProgram(World&) {}
    std::unique_ptr<Store> store;
};

class VoterWorld {
  public:
    explicit VoterWorld(uint64_t seed = 1, simulation::Options options = {});
    ~VoterWorld();

    void boot();
    Result<void> open(Uuid owner = data_directory);
    void close();
    // As a new process would find it.
    Result<void> reopen(Uuid owner = data_directory);
    void crash(Crash how);
    // The disk as it was, and a new process.
    void restore(const simulation::DiskImage& image);

    Store& store() { return *program->store; }
    simulation::SimulatedDisk& disk() { return node.disk(); }
    // Lets everything happen that can happen soon; what the events were since the last call.
    std::string events(Duration duration = 100ms);
    std::string take_events();
    // Since the process began.
    const std::vector<std::string>& notices() const { return heard_notices; }
    Result<void> make_snapshot(uint64_t index, uint64_t term, SnapshotRecords records);
    // A voter with a term, a vote, and entries up to here in this term; all of it durable.
    void fill(uint64_t last, uint64_t term = 2);
    std::string snapshot_path(uint64_t index, uint64_t term) const;
    std::string restored() { return to_text(store().restored()); }
    size_t snapshot_files();

    simulation::Simulation simulation;
    simulation::Node& node;
    VoterProgram* program = nullptr;
    std::vector<Event> heard_events;  // also from a process that died since
    std::vector<std::string> heard_notices;
    std::string problem;
    uint64_t journal_rewrite_bytes = log::journal_rewrite_bytes;
};

}  // namespace ironbark::consensus::testing
