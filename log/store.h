#pragma once
// The logs of one shard: opens and removes them, and does for all of them what is done by the clock: marks once a
// second, retention, and the watch over free space. Owned by the shard, one executor. Order of life: open, start,
// open_log ..., stop.

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "log/data_directory.h"
#include "log/log.h"

namespace ironbark::log {

struct StoreOptions {
    size_t shard = 0;
    size_t shard_count = 1;
    size_t pool_files_max = 4;
    int64_t unwritten_bytes_max = int64_t{64} << 20;  // appends wait beyond
    uint64_t tail_bytes_max = uint64_t{64} << 20;     // memory for recent records
    uint64_t reserve_bytes = uint64_t{256} << 20;     // free space below which appends are refused
    Duration marks_interval = 1s;
    Duration retention_interval = 300s;
};

class LogStore {
  public:
    static Task<Result<std::unique_ptr<LogStore>>> open(World* world, const DataDirectory* directory,
                                                        StoreOptions options);
    ~LogStore();

    // Starts what runs by the clock.
    void start();
    // Opens the log of a partition. Null until then; stays until `remove_log` or `stop`.
    Task<Result<Log*>> open_log(PartitionIdentity identity, LogSettings settings, RecoveryReport* report);
    Log* find(const PartitionIdentity& identity);
    // Closes the log, if it is open, and removes its files and marks, if there are any.
    Task<Result<void>> remove_log(PartitionIdentity identity);
    // Closes the log, if it is open, and moves its files to its graveyard: `open_log` finds nothing of it.
    Task<Result<void>> bury_log(PartitionIdentity identity, std::string reason, uint64_t graveyard_bytes);
    const std::map<PartitionIdentity, std::unique_ptr<Log>>& logs() const { return logs_; }

    Marks& marks() { return *marks_; }
    const LogContext& context() const { return context_; }
    LogContext& context() { return context_; }
    DiskSpace space() const { return space_; }
    // Whether the marks can still be written; if not, why.
    const Result<void>& marks_state() const { return marks_state_; }

    // Makes everything durable, writes checkpoints and the clean-stop mark (if an incarnation is given and nothing has
    // failed), and closes everything.
    Task<void> stop(std::optional<Incarnation> clean);

  private:
    LogStore(World* world, std::string directory, StoreOptions options, std::unique_ptr<Marks> marks);
    Task<void> close_log(PartitionIdentity identity);
    Task<void> marks_loop();
    Task<void> space_loop();
    Task<void> retention_loop();
    Task<void> look_at_space();
    Task<Result<void>> commit_marks();
    Task<std::vector<bool>> for_each_log(std::vector<Log*> logs, Task<bool> (*step)(Log*));

    World& world_;
    StoreOptions options_;
    std::unique_ptr<Marks> marks_;
    SegmentPool pool_;
    Semaphore unwritten_;
    Event marks_wanted_;
    Event space_due_;
    Event stopping_;
    LogContext context_;
    std::map<PartitionIdentity, std::unique_ptr<Log>> logs_;
    DiskSpace space_;
    Result<void> marks_state_;
    Scope scope_;
};

}  // namespace ironbark::log
