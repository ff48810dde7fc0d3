#pragma once
// A machine with a data directory and a store on the simulated disk, and verbs for tests of the logs in it:
//
//     LogWorld world;
//     Log& log = world.begin();               // a process, the log of `here`, and an epoch
//     world.append(log, {"a", "b"});          // one batch
//     world.make_durable(log);
//     world.lose_power();
//     EXPECT_EQ(world.values(world.open()), ...);
//
// What a verb does must succeed, unless it returns a Result. Small segments, and no write that nobody asked for.

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "log/record/batch_builder.h"
#include "log/store.h"
#include "tests/log/printing.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {

inline const PartitionIdentity here{*Uuid::parse("0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f"), PartitionIndex(7)};
inline const PartitionIdentity there{*Uuid::parse("0f1e2d3c-4b5a-4697-8879-6a5b4c3d2e1f"), PartitionIndex(8)};

using Values = std::vector<std::string>;

// The value of a record of which few fill a segment.
std::string long_value(int64_t number);

// A complete, unstamped frame of records with these values and this timestamp.
std::vector<uint8_t> make_frame(const PartitionIdentity& identity, const Values& values, Timestamp timestamp,
                                record::ProducerSequence producer = {});
// The frames in the slices, verified; what fails its checksum fails the test.
std::vector<record::FrameView> frames_in(const ReadFrames& read, const PartitionIdentity& identity);
Values values_of(const record::FrameView& frame);

class LogWorld {
  public:
    static LogSettings small_settings();
    explicit LogWorld(simulation::Options options = {}, uint64_t seed = 1);

    LogSettings settings = small_settings();
    StoreOptions options;
    RecoveryReport report;  // of the last log that was opened, or was not
    std::string problem;    // of the directory

    simulation::Simulation& simulation() { return simulation_; }
    simulation::SimulatedDisk& disk() { return node_.disk(); }
    simulation::Node& node() { return node_; }
    World& world() { return node_.world(); }
    LogStore& store() { return *program_->store; }
    LogCounters& counters() { return store().context().counters; }
    Timestamp now() { return Timestamp(world().executor.wall_milliseconds()); }
    template <typename T>
    T run(Task<T> task) {
        return node_.run(std::move(task));
    }

    // A process that has opened the directory and its store, if it can.
    Result<void> try_start();
    void start();
    // A log, in a process that is started if none runs.
    Result<Log*> try_open(const PartitionIdentity& identity = here);
    Log& open(const PartitionIdentity& identity = here);
    // The same, and the next epoch.
    Log& begin(const PartitionIdentity& identity = here);
    void begin_epoch(Log& log);

    Result<Appended> try_append(Log& log, Bytes frame);
    Appended append(Log& log, const Values& values, record::ProducerSequence producer = {});
    Appended append_at(Log& log, const Values& values, Timestamp timestamp);
    void make_durable(Log& log);
    // Appends and waits until it is written, which is not synced.
    void append_unsynced(Log& log, const Values& values);
    // So long that the marks are on disk that say what is durable.
    void wait_for_marks() { simulation_.run_for(3s); }

    Result<Values> try_values(Log& log, Offset from);
    Values values(Log& log);  // all of them

    void stop();  // in order
    void kill() { crash(simulation::Crash::kill); }
    void lose_power() { crash(simulation::Crash::power_loss); }
    void crash(simulation::Crash how);

    static std::string directory(const PartitionIdentity& identity = here) {
        return "data/partitions/" + identity.to_string();
    }
    static std::string path(int64_t base, const char* suffix, const PartitionIdentity& identity = here) {
        return directory(identity) + "/" + segment_file_name(Offset(base), suffix);
    }
    // Every file under a folder, with its bytes.
    using Files = std::map<std::string, std::vector<uint8_t>>;
    Files files(const std::string& folder = directory());

  private:
    struct Program {
        std::unique_ptr<DataDirectory> directory;
        std::unique_ptr<LogStore> store;
    };
    simulation::Simulation simulation_;
    simulation::Node& node_;
    Program* program_ = nullptr;  // the process's
};

}  // namespace ironbark::log
