#pragma once
// A machine with one log and its model, for scripts that let the process die between two steps of what a log does. The
// verbs are coroutines of the process: they tell the model before and after, and note what is wrong. `open` starts a
// process and compares what it finds with the model.

#include <memory>
#include <string>
#include <vector>

#include "log/store.h"
#include "tests/log/storage_model.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {

class CrashMachine {
  public:
    // Torn pages and sectors at every power loss; short writes with odd seeds.
    explicit CrashMachine(uint64_t seed);
    // Another machine with the same disk and history. REQUIRES: no process runs
    CrashMachine(uint64_t seed, const CrashMachine& other);

    simulation::SimulatedDisk& disk() { return node_.disk(); }
    const StorageModel& model() const { return model_; }
    Log& log() { return *program_->store->find(model_.identity()); }
    LogStore& store() { return *program_->store; }
    World& world() { return node_.world(); }
    std::string partition_path() const;
    std::string path_of(Offset base, const char* suffix) const;
    // Where the segments begin that are on disk.
    std::vector<Offset> segment_bases() const;
    bool is_running() const { return node_.is_running(); }
    // The first thing that was not as it must be; empty: all is right.
    const std::string& wrong() const { return wrong_; }

    // A new process. False: it died on the way, or something is wrong.
    bool open();
    // Runs the task; false: the process died under it.
    bool run(Task<void> task) { return node_.try_run(std::move(task)); }
    void crash(simulation::Crash how) { node_.crash(how); }

    Task<void> append(size_t batches);
    Task<void> append_durably(size_t batches);
    Task<void> wait_durable();
    Task<void> begin_epoch();
    Task<void> cut(Offset to);
    // Without an epoch that starts there: the log follows then, in the last epoch that is left.
    Task<void> cut_openly(Offset to);
    // Frames as a leader stamped them, in the last epoch of the log or so many behind it.
    Task<void> append_replicas(size_t batches, int32_t epochs_later);
    // Starts anew, in a history of its own whose epochs are low ones.
    Task<void> restart(Offset base);
    Task<void> delete_before(Offset to);
    Task<void> retain(int64_t bytes);
    Task<void> checkpoint();
    Task<void> rewrite_marks();
    // Every record, compared with the model.
    Task<void> read_all();
    // The cuts that are done, each with its graveyard file.
    Task<void> check_graveyard();

  private:
    struct Program {
        std::unique_ptr<DataDirectory> directory;
        std::unique_ptr<LogStore> store;
    };
    struct Buried {
        Offset first;
        Offset end;
        Epoch epoch{-1};
        bool is_done = false;
    };
    Task<void> cut_to(Offset to, std::optional<Epoch> next);
    Task<void> open_all();
    std::vector<uint8_t> make_frame(size_t size);
    Task<void> append_one(size_t size);
    Task<void> append_replica(size_t size, Epoch epoch);
    void note(const std::string& what);
    void note(const char* what, const Result<void>& result);

    simulation::Simulation simulation_;
    simulation::Node& node_;
    StorageModel model_;
    std::vector<Buried> cuts_;
    std::vector<Offset> moved_;   // segments that new starts have left behind, all of them whole
    Program* program_ = nullptr;  // the process's
    Epoch epoch_{-1};
    bool leads_ = false;  // in it
    uint64_t made_ = 0;   // batches
    bool is_open_ = false;
    std::string wrong_;
};

}  // namespace ironbark::log
