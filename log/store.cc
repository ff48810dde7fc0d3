#include "log/store.h"

#include <algorithm>
#include <utility>

namespace ironbark::log {
namespace {

constexpr Duration space_interval = 1s;
// Or sooner, when so much of the room above the reserve may have been taken: in a second a fast producer writes more
// than a small reserve.
constexpr uint64_t looks_per_room = 4;
constexpr uint64_t look_bytes_min = uint64_t{1} << 20;
// Stopped beside each other: their synced writes overlap.
constexpr size_t stops_at_a_time = 64;

Task<bool> checkpoint_one(Log* log) {
    Result<void> done = co_await log->checkpoint();
    co_return done.ok() && !log->has_failed();
}

Task<bool> close_one(Log* log) {
    co_await log->close();
    co_return true;
}

}  // namespace

LogStore::LogStore(World* world, std::string directory, StoreOptions options, std::unique_ptr<Marks> marks)
    : world_(*world),
      options_(options),
      marks_(std::move(marks)),
      pool_(*world, directory + "/pool", options.pool_files_max),
      unwritten_(world->executor, options.unwritten_bytes_max),
      marks_wanted_(world->executor),
      space_due_(world->executor),
      stopping_(world->executor),
      context_{*world, directory, *marks_, pool_, unwritten_},
      scope_(world->executor) {
    context_.tail_bytes_max = options.tail_bytes_max;
    context_.marks_wanted = &marks_wanted_;
    context_.space_due = &space_due_;
}

LogStore::~LogStore() {
    ASSERT(logs_.empty() || world_.executor.has_crashed());
}

Task<Result<std::unique_ptr<LogStore>>> LogStore::open(World* world,
                                                       const DataDirectory* directory,
                                                       StoreOptions options) {
    CO_TRY(std::vector<std::string> pool_files,
           co_await directory->pool_files(world, options.shard, options.shard_count));
    CO_TRY(std::unique_ptr<Marks> marks,
           co_await Marks::open(*world, directory->marks_path(options.shard), directory->identity().directory));
    std::unique_ptr<LogStore> store(new LogStore(world, directory->path(), options, std::move(marks)));
    store->pool_.adopt(std::move(pool_files));
    co_await store->look_at_space();
    co_return std::move(store);
}

void LogStore::start() {
    scope_.spawn(marks_loop());
    scope_.spawn(space_loop());
    scope_.spawn(retention_loop());
}

Task<Result<Log*>> LogStore::open_log(PartitionIdentity identity, LogSettings settings, RecoveryReport* report) {
    ASSERT(find(identity) == nullptr);
    CO_TRY(std::unique_ptr<Log> log, co_await Log::open(&context_, identity, settings, report));
    Log* opened = log.get();
    logs_[identity] = std::move(log);
    co_return opened;
}

Log* LogStore::find(const PartitionIdentity& identity) {
    auto found = logs_.find(identity);
    return found == logs_.end() ? nullptr : found->second.get();
}

// If it is open.
Task<void> LogStore::close_log(PartitionIdentity identity) {
    auto found = logs_.find(identity);
    if (found == logs_.end()) co_return;
    std::unique_ptr<Log> log = std::move(found->second);
    logs_.erase(found);
    co_await log->close();
}

Task<Result<void>> LogStore::remove_log(PartitionIdentity identity) {
    co_await close_log(identity);
    co_return co_await Log::remove_files(&context_, identity);
}

Task<Result<void>> LogStore::bury_log(PartitionIdentity identity, std::string reason, uint64_t graveyard_bytes) {
    co_await close_log(identity);
    co_return co_await Log::bury_files(&context_, identity, std::move(reason), graveyard_bytes);
}

Task<Result<void>> LogStore::commit_marks() {
    for (const auto& [identity, log] : std::exchange(context_.dirty, {})) log->update_marks();
    co_return co_await marks_->commit();
}

Task<void> LogStore::marks_loop() {
    while (true) {
        Wake wanted = co_await marks_wanted_.wait();
        if (wanted != Wake::signalled) co_return;
        // Floors may lag: they are gathered for a while, and recovery reads what came since.
        Wake waited = co_await stopping_.wait(world_.executor.now() + options_.marks_interval);
        if (waited != Wake::timed_out) co_return;
        marks_wanted_.reset();
        marks_state_ = co_await commit_marks();
        if (marks_state_.ok()) continue;
        if (marks_state_.error().code != ErrorCode::storage_full) co_return;
        marks_wanted_.set();  // again, when there may be room
    }
}

Task<void> LogStore::look_at_space() {
    Result<DiskSpace> space = co_await world_.disk.space(context_.directory);
    if (!space.ok()) co_return;
    space_ = *space;
    context_.is_reserve_touched = space_.free_bytes < options_.reserve_bytes;
    const uint64_t room = space_.free_bytes - std::min(space_.free_bytes, options_.reserve_bytes);
    const uint64_t share = std::max(look_bytes_min, room / looks_per_room / options_.shard_count);
    context_.space_due_at = context_.counters.appended_bytes + share;
    context_.judge_storage();
}

Task<void> LogStore::space_loop() {
    uint64_t appended = 0;
    while (true) {
        Wake waited = co_await space_due_.wait(world_.executor.now() + space_interval);
        if (waited == Wake::closed) co_return;
        space_due_.reset();
        bool is_idle = appended == context_.counters.appended_bytes && !context_.is_storage_full();
        if (is_idle) continue;
        appended = context_.counters.appended_bytes;
        co_await look_at_space();
    }
}

Task<void> LogStore::retention_loop() {
    while (true) {
        Wake waited = co_await stopping_.wait(world_.executor.now() + options_.retention_interval);
        if (waited != Wake::timed_out) co_return;
        std::vector<PartitionIdentity> identities;
        for (const auto& [identity, log] : logs_) identities.push_back(identity);
        Timestamp now(world_.executor.wall_milliseconds());
        for (const PartitionIdentity& identity : identities) {
            if (Log* log = find(identity)) (void)co_await log->apply_retention(now);
        }
    }
}

Task<void> LogStore::stop(std::optional<Incarnation> clean) {
    stopping_.close();
    space_due_.close();
    marks_wanted_.close();
    co_await scope_.join();
    bool all_durable = marks_state_.ok();
    std::vector<Log*> logs;
    for (const auto& [identity, log] : logs_) logs.push_back(log.get());
    std::vector<bool> durable = co_await for_each_log(logs, checkpoint_one);
    for (size_t index = 0; index < logs.size(); ++index) {
        all_durable = all_durable && durable[index];
        context_.note_dirty(*logs[index]);
    }
    if (all_durable && clean) marks_->set_clean_stop(clean);
    (void)co_await commit_marks();
    (void)co_await for_each_log(logs, close_one);
    logs_.clear();
    co_await marks_->close();
}

Task<std::vector<bool>> LogStore::for_each_log(std::vector<Log*> logs, Task<bool> (*step)(Log*)) {
    std::vector<bool> results;
    for (size_t begin = 0; begin < logs.size(); begin += stops_at_a_time) {
        std::vector<Task<bool>> batch;
        const size_t end = std::min(begin + stops_at_a_time, logs.size());
        for (size_t index = begin; index < end; ++index) batch.push_back(step(logs[index]));
        std::vector<bool> some = co_await all(world_.executor, std::move(batch));
        results.insert(results.end(), some.begin(), some.end());
    }
    co_return results;
}

}  // namespace ironbark::log
