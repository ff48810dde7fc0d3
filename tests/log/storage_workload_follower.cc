// What a follower does with its log, by chance: frames of leaders in several epochs, cuts where the logs part, and new
// starts elsewhere.
#include <algorithm>
#include <fmt/format.h>

#include "tests/log/storage_workload.h"

namespace ironbark::log {
namespace {

Epoch last_recorded(const Log& log) {
    return log.epoch_starts().empty() ? Epoch(-1) : log.epoch_starts().back().epoch;
}

}  // namespace

Task<void> StorageWorkload::cut(Partition* partition) {
    const Epoch highest = std::max(partition->model->epoch_highest(), partition->log->last_epoch());
    // Seldom one that was used before, by another leader.
    const int32_t step = random_.below(8) == 0 ? -static_cast<int32_t>(random_.below(3)) : 1;
    return cut_to(partition, Epoch(std::max(0, highest.value + step)));
}

Task<void> StorageWorkload::cut_openly(Partition* partition) {
    return cut_to(partition, std::nullopt);
}

Task<void> StorageWorkload::cut_to(Partition* partition, std::optional<Epoch> next) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    Offset to = log.log_end() < log.log_start() ? log.log_end() : random_offset(log);
    const ModelBatch* batch = model.holding(to);
    bool inside = batch != nullptr && batch->base() != to;
    if (inside && random_.below(8) != 0) {
        to = batch->base() < log.log_start() ? batch->next() : batch->base();
        inside = false;
    }
    // The epoch that starts there is higher than that of the record before.
    const Epoch before = log.end_of_epoch(Epoch(INT32_MAX)).epoch;
    if (next && *next <= before) next = Epoch(before.value + 1);
    if (inside) {
        Result<void> refused = co_await log.cut(to, next, "inside a batch");
        if (refused.ok()) fail(model, "a cut inside a batch");
        co_return;
    }
    model.cut_begins(to, next);
    Result<void> done = co_await log.cut(to, next, "fuzz");
    ++(next ? counts_.cuts : counts_.open_cuts);
    if (done.ok()) {
        model.cut_ended(true);
        partition->leads = next.has_value();
        if (next) partition->epoch = *next;
        co_return;
    }
    if (loud_) fmt::print(stderr, "cut: {} {} {}\n", name(done.error().code), done.error().text, log.has_failed());
    if (!expects(done.error(), log))
        fail(model, fmt::format("cut to {}: {} {}", to.value, name(done.error().code), log.last_read_problem()));
    if (log.log_end() == model.end() && !log.has_failed()) {
        model.cut_ended(false);
    } else {
        broken_ = true;
    }
}

Task<bool> StorageWorkload::append_replica(Partition* partition, Made made) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    const Epoch last = std::max(last_recorded(log), Epoch(0));
    const Epoch epoch(last.value + (random_.below(4) == 0 ? static_cast<int32_t>(random_.below(4)) : 0));
    Timestamp time(world_.executor.wall_milliseconds() - static_cast<int64_t>(random_.below(500)));
    if (!model.batches().empty()) time = std::max(time, model.batches().back().frame.header.append_time);
    const bool is_foreign = random_.below(12) == 0;
    record::Stamp stamp{model.end(), epoch, model.chain() + (is_foreign ? 1 : 0), time, 0};
    record::stamp(made.bytes, model.identity().seed(), stamp);
    Result<record::FrameView> frame = record::parse_frame(made.bytes, model.identity().seed());
    ASSERT(frame.ok());
    if (!is_foreign) model.epoch_begins(epoch);
    Result<Appended> appended = co_await log.append_replica(*frame);
    if (is_foreign && !appended.ok() && appended.error().code == ErrorCode::corrupt_data) {
        ++counts_.replicas_refused;
        co_return true;
    }
    if (is_foreign && appended.ok()) fail(model, "a frame of another log was appended");
    if (!appended.ok()) {
        if (!expects(appended.error(), log)) fail(model, std::string("append_replica: ") + name(appended.error().code));
        if (appended.error().code == ErrorCode::storage_full) co_await sleep_for(world_.executor, 300ms);
        co_return false;
    }
    if (appended->base != model.end()) fail(model, "appended elsewhere than at the end");
    if (appended->append_time != time) fail(model, "the leader's append time is not kept");
    model.appended_replica(*frame, std::move(made.timestamps));
    partition->leads = false;
    ++counts_.replicas;
    co_return true;
}

Task<void> StorageWorkload::append_replicas(Partition* partition) {
    made_for_ = partition->model;
    for (uint64_t count = 1 + random_.below(random_.below(4) == 0 ? 20 : 4); count > 0; --count) {
        record::ProducerSequence producer;
        if (random_.below(2) == 0) {
            producer.id = ProducerId(1 + static_cast<int64_t>(random_.below(3)));
            producer.epoch = ProducerEpoch(0);
            producer.base_sequence = static_cast<int32_t>(random_.below(1000));
        }
        Made made = make_frame(producer);
        bool more = co_await append_replica(partition, std::move(made));
        if (!more) co_return;
    }
}

Task<void> StorageWorkload::restart(Partition* partition) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    Log::ReplicaStart start;
    const int64_t end = log.log_end().value;
    start.base = Offset(static_cast<int64_t>(random_.below(static_cast<uint64_t>(end) + 1)));
    if (random_.below(2) == 0) start.base = Offset(end + static_cast<int64_t>(random_.below(50)));
    if (start.base > Offset()) {
        start.chain = random_.next();
        start.epoch_before =
            Epoch(static_cast<int32_t>(random_.below(static_cast<uint64_t>(model.epoch_highest().value) + 3)));
    }
    start.log_start = start.base + static_cast<int64_t>(random_.below(2) == 0 ? 0 : random_.below(4));
    const bool has_producers = start.base >= log.log_end() && random_.below(2) == 0;  // of batches before it
    if (has_producers) start.producers = model.producers().encode();
    model.restart_begins(start);
    Result<void> done = co_await log.restart(start, "fuzz");
    ++counts_.restarts;
    if (done.ok()) {
        model.restart_ended(true);
        partition->leads = false;
        co_return;
    }
    if (!expects(done.error(), log)) {
        fail(model, fmt::format("restart at {}: {}", start.base.value, name(done.error().code)));
    }
    if (!log.has_failed()) {
        model.restart_ended(false);
    } else {
        broken_ = true;
    }
}

Task<void> StorageWorkload::tell_start(Partition* partition) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    const Epoch epoch(static_cast<int32_t>(random_.below(static_cast<uint64_t>(model.epoch_highest().value) + 3)) - 1);
    check(model, model.check_end_of_epoch(epoch, log.end_of_epoch(epoch)));
    Result<Log::ReplicaStart> start = co_await log.replica_start();
    ++counts_.starts_told;
    if (start.ok()) {
        check(model, model.check_replica_start(*start, shape_.may_rot));
    } else if (!expects(start.error(), log)) {
        fail(model, fmt::format("replica_start: {}", name(start.error().code)));
    }
}

}  // namespace ironbark::log
