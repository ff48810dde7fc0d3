#pragma once
// What a broker might do with a store, by chance: one life of a process. It opens the directory and its logs, compares
// what it finds with the models, does `operations` steps, and ends in order or waits for the crash that the sequence
// has planned. Everything a step is told goes into the model; what the model does not expect fails the simulation.

#include <memory>
#include <string>
#include <vector>

#include "log/record/batch_builder.h"
#include "log/store.h"
#include "tests/log/storage_model.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::log {

// What a sequence is like: drawn once from its seed.
struct WorkloadShape {
    LogSettings settings;
    StoreOptions store;
    size_t partitions = 1;
    bool may_fail = false;          // writes and syncs may fail: then the log refuses, and that is right
    bool may_be_full = false;       // the disk may be full for a while
    bool may_rot = false;           // reads may fail: then a log may refuse to open, and that is right
    bool may_lose_end = false;      // bits may rot that nothing has promised yet
    std::vector<uint64_t> weights;  // of the operations
};

// How often what happened, over all sequences: a path that is never taken is not tested.
struct WorkloadCounts {
    uint64_t appended = 0;
    uint64_t duplicates = 0;
    uint64_t refused_full = 0;
    uint64_t reads = 0;
    uint64_t reads_across_cut = 0;
    uint64_t lookups = 0;
    uint64_t cuts = 0;
    uint64_t replicas = 0;  // frames appended as a leader stamped them
    uint64_t replicas_refused = 0;
    uint64_t open_cuts = 0;  // without an epoch that starts there
    uint64_t restarts = 0;
    uint64_t starts_told = 0;
    uint64_t deletions = 0;
    uint64_t retained = 0;
    uint64_t checkpoints = 0;
    uint64_t marks_rewritten = 0;
    uint64_t opened = 0;
    uint64_t opened_torn = 0;
    uint64_t opened_left_over = 0;
    uint64_t buried = 0;
    uint64_t refused_open = 0;
    uint64_t clean_stops = 0;
    uint64_t logs_failed = 0;
    uint64_t segments_reused = 0;
    uint64_t segments_removed = 0;
    uint64_t rounds = 0;

    std::string to_string() const;
};

class StorageWorkload {
  public:
    StorageWorkload(simulation::Node* node,
                    World* world,
                    const WorkloadShape* shape,
                    std::vector<StorageModel>* models,
                    simulation::RandomStream* random,
                    WorkloadCounts* counts)
        : node_(*node),
          world_(*world),
          shape_(*shape),
          models_(*models),
          random_(*random),
          counts_(*counts),
          background_(world->executor),
          paused_(world->executor) {}

    // Ends when the process has stopped in order, or (if not `ends_clean`) when it is ready for the crash.
    Task<void> run(uint64_t operations, bool ends_clean);
    bool is_done() const { return done_; }
    // The directory or a log was not opened, and might not be.
    bool was_refused() const { return refused_; }
    void be_loud() { loud_ = true; }

  private:
    struct Partition {
        StorageModel* model;
        Log* log;
        Epoch epoch{-1};     // the last one begun here
        bool leads = false;  // in it; otherwise the log follows
    };
    struct Made {
        std::vector<uint8_t> bytes;
        std::vector<Timestamp> timestamps;
    };
    using Operation = Task<void> (StorageWorkload::*)(Partition* partition);
    struct Named {
        const char* name;
        Operation run;
    };

  public:
    static constexpr size_t operation_count = 19;
    static constexpr size_t restart_operation = 17;

  private:
    static const Named operations_[operation_count];

    void fail(const StorageModel& model, const std::string& what);
    void check(const StorageModel& model, const std::string& what) {
        if (!what.empty()) fail(model, what);
    }
    bool expects(const Error& error, const Log& log) const;

    Task<bool> open();
    Task<bool> open_partition(StorageModel* model);
    Task<void> stop();

    Offset random_offset(const Log& log);  // in the log, or its end
    Made make_frame(const record::ProducerSequence& producer);
    Task<bool> append_one(Partition* partition, Made made);
    Task<void> append(Partition* partition);
    Task<void> append_idempotent(Partition* partition);
    Task<void> wait_durable(Partition* partition);
    Task<void> wait_durable_aside(Partition* partition);
    Task<void> pass_time(Partition* partition);
    Task<void> read(Partition* partition);
    Task<void> read_aside(Partition* partition);
    Task<void> cut(Partition* partition);
    Task<void> cut_openly(Partition* partition);
    Task<void> cut_to(Partition* partition, std::optional<Epoch> next);
    Task<void> append_replicas(Partition* partition);
    Task<bool> append_replica(Partition* partition, Made made);
    Task<void> restart(Partition* partition);
    Task<void> tell_start(Partition* partition);
    Task<void> begin_epoch(Partition* partition);
    Task<void> delete_before(Partition* partition);
    Task<void> retain(Partition* partition);
    Task<void> look_up_time(Partition* partition);
    Task<void> checkpoint(Partition* partition);
    Task<void> fill_disk(Partition* partition);
    Task<void> rewrite_marks();
    Task<void> rewrite_marks_aside(Partition* partition);

    // Returns where the next read goes on; `from` if nothing was read, as may be.
    Task<Offset> read_checked(Partition* partition, Offset from, Offset limit, size_t bytes_max);
    Task<void> read_all(Partition* partition);
    Task<void> read_failed(Partition* partition);
    Task<void> read_on(Partition* partition, Offset from, uint64_t reads, size_t bytes_max);
    Task<void> reach_checked(Partition* partition, Offset end);

    simulation::Node& node_;
    World& world_;
    const WorkloadShape& shape_;
    std::vector<StorageModel>& models_;
    simulation::RandomStream& random_;
    WorkloadCounts& counts_;
    std::unique_ptr<DataDirectory> directory_;
    std::unique_ptr<LogStore> store_;
    std::vector<Partition> partitions_;
    record::BatchBuilder builder_;
    record::Compressor compressor_;
    Scope background_;
    Event paused_;
    bool done_ = false;
    bool refused_ = false;
    bool broken_ = false;  // a step failed, as it may in this sequence: nothing more is asked of this life
    const StorageModel* made_for_ = nullptr;
    bool loud_ = false;
};

}  // namespace ironbark::log
