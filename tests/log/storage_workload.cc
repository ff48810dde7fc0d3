#include "tests/log/storage_workload.h"

#include <algorithm>
#include <fmt/format.h>

namespace ironbark::log {
namespace {

constexpr Duration patience = 120s;  // for what may wait for a full disk, or a stalled one
constexpr uint64_t disk_bytes = uint64_t{1} << 40;
constexpr const char* directory_path = "/data";

}  // namespace

const StorageWorkload::Named StorageWorkload::operations_[operation_count] = {
    {"append", &StorageWorkload::append},
    {"append idempotent", &StorageWorkload::append_idempotent},
    {"wait durable", &StorageWorkload::wait_durable},
    {"wait durable aside", &StorageWorkload::wait_durable_aside},
    {"pass time", &StorageWorkload::pass_time},
    {"read", &StorageWorkload::read},
    {"read aside", &StorageWorkload::read_aside},
    {"cut", &StorageWorkload::cut},
    {"begin epoch", &StorageWorkload::begin_epoch},
    {"delete before", &StorageWorkload::delete_before},
    {"retain", &StorageWorkload::retain},
    {"look up time", &StorageWorkload::look_up_time},
    {"checkpoint", &StorageWorkload::checkpoint},
    {"fill disk", &StorageWorkload::fill_disk},
    {"rewrite marks aside", &StorageWorkload::rewrite_marks_aside},
    {"append replicas", &StorageWorkload::append_replicas},
    {"cut openly", &StorageWorkload::cut_openly},
    {"restart", &StorageWorkload::restart},
    {"tell start", &StorageWorkload::tell_start},
};

std::string WorkloadCounts::to_string() const {
    return fmt::format(
        "appended {} (full: {}, duplicates: {}), reads {} (across a cut: {}), lookups {}, cuts {}, deletions {}, "
        "replicas {} (refused: {}), open cuts {}, restarts {}, starts told {}\n"
        "retained {}, checkpoints {}, marks rewritten {}, rounds {}, segments removed {} reused {}\n"
        "opened {} (torn {}, left over {}, records buried {}), refused {}, clean stops {}, logs failed {}",
        appended, refused_full, duplicates, reads, reads_across_cut, lookups, cuts, deletions, replicas,
        replicas_refused, open_cuts, restarts, starts_told, retained, checkpoints, marks_rewritten, rounds,
        segments_removed, segments_reused, opened, opened_torn, opened_left_over, buried, refused_open, clean_stops,
        logs_failed);
}

namespace {

// What lies in a segment, frame by frame; behind what is none, from block to block.
void print_frames(const std::vector<uint8_t>& file, uint64_t seed) {
    for (size_t at = block_size; at < file.size();) {
        Bytes rest = Bytes(file).subspan(at);
        Result<record::FrameView> frame = record::parse_header(rest, seed);
        if (!frame.ok()) {
            at = round_up(at + 1, block_size);
            continue;
        }
        const record::FrameHeader& header = frame->header;
        bool is_whole = header.is_pad() || (frame->bytes.size() == header.length && record::verify_payload(*frame));
        fmt::print(stderr, "{:12} {} {} epoch {} size {} checksum {:016x} chain {:016x}{}\n", at,
                   header.is_pad() ? "  pad, durable" : "frame", header.base_offset.value, header.leader_epoch.value,
                   header.length, header.checksum, header.chain, is_whole ? "" : ", payload bad");
        at += header.length;
    }
}

}  // namespace

void StorageWorkload::fail(const StorageModel& model, const std::string& what) {
    for (const std::string& path : node_.disk().files()) {
        fmt::print(stderr, "{:10} {}\n", node_.disk().size(path), path);
        bool is_segment = path.ends_with(log_suffix) && path.find(model.identity().to_string()) != std::string::npos;
        if (is_segment && loud_) print_frames(node_.disk().read(path), model.identity().seed());
    }
    if (store_) {
        if (const Log* log = store_->find(model.identity())) {
            fmt::print(stderr, "log start {}, durable {}, written {}, end {}, segments {}\n", log->log_start().value,
                       log->durable_end().value, log->written_end().value, log->log_end().value, log->segment_count());
        }
    }
    fmt::print(stderr, "model start {}, durable {}, end {}\n", model.log_start().value, model.durable().value,
               model.end().value);
    node_.simulation().fail("log " + model.identity().to_string() + ": " + what);
}

// Whether this error may be, in this sequence, now.
bool StorageWorkload::expects(const Error& error, const Log& log) const {
    switch (error.code) {
        case ErrorCode::storage_error: return shape_.may_fail || (shape_.may_rot && log.has_failed());
        case ErrorCode::io_error: return shape_.may_fail || shape_.may_rot;
        case ErrorCode::corrupt_data: return shape_.may_rot;
        case ErrorCode::storage_full: return shape_.may_be_full;
        default: return false;
    }
}

Task<bool> StorageWorkload::open() {
    std::string problem;
    Result<std::unique_ptr<DataDirectory>> directory = co_await DataDirectory::open(&world_, directory_path, &problem);
    if (!directory.ok()) {
        if (!shape_.may_rot && !shape_.may_fail) fail(models_.front(), "the directory was not opened: " + problem);
        co_return false;
    }
    directory_ = std::move(directory).value();
    Result<std::unique_ptr<LogStore>> store = co_await LogStore::open(&world_, directory_.get(), shape_.store);
    if (!store.ok()) {
        bool may = shape_.may_rot || shape_.may_fail;
        if (!may) fail(models_.front(), std::string("the store was not opened: ") + name(store.error().code));
        co_return false;
    }
    store_ = std::move(store).value();
    store_->start();
    bool all = true;
    for (StorageModel& model : models_) {
        bool opened = co_await open_partition(&model);
        all = all && opened;
    }
    co_return all;
}

Task<bool> StorageWorkload::open_partition(StorageModel* model) {
    RecoveryReport report;
    Result<Log*> log = co_await store_->open_log(model->identity(), shape_.settings, &report);
    if (!log.ok()) {
        // Writes and syncs that failed are no damage.
        bool is_damaged = log.error().code == ErrorCode::corrupt_data || log.error().code == ErrorCode::foreign_data;
        if (!shape_.may_rot && (!shape_.may_fail || is_damaged)) {
            fail(*model, fmt::format("not opened: {} {}", name(log.error().code), report.problem));
        }
        ++counts_.refused_open;
        co_return false;
    }
    ++counts_.opened;
    if (report.end == ScanEnd::torn) ++counts_.opened_torn;
    if (report.end == ScanEnd::left_over) ++counts_.opened_left_over;
    counts_.buried += report.records_buried;
    StorageModel::Excuses excuses{shape_.may_lose_end, shape_.may_be_full || shape_.may_fail || shape_.may_rot};
    check(*model, model->check_opened(**log, excuses));
    partitions_.push_back({model, *log});
    if (random_.below(2) == 0) co_await read_all(&partitions_.back());
    if (random_.below(2) == 0) co_return true;  // begun with the first append
    co_await begin_epoch(&partitions_.back());
    co_return partitions_.back().leads && !partitions_.back().log->has_failed();
}

Task<void> StorageWorkload::run(uint64_t operations, bool ends_clean) {
    partitions_.reserve(models_.size());
    bool usable = co_await open();
    refused_ = !usable;
    uint64_t total = 0;
    for (uint64_t weight : shape_.weights) total += weight;
    for (uint64_t step = 0; usable && step < operations; ++step) {
        Partition& partition = partitions_[random_.below(partitions_.size())];
        uint64_t draw = random_.below(total);
        size_t choice = 0;
        while (draw >= shape_.weights[choice]) draw -= shape_.weights[choice++];
        if (shape_.weights[choice] == 0) continue;
        if (loud_)
            fmt::print(stderr, "{} {}\n", world_.executor.now().time_since_epoch().count(), operations_[choice].name);
        co_await (this->*operations_[choice].run)(&partition);
        if (broken_) break;
        if (partition.log->has_failed()) {
            if (!shape_.may_fail && !shape_.may_rot) fail(*partition.model, "the log failed");
            ++counts_.logs_failed;
            co_await read_failed(&partition);
            break;
        }
        partition.model->reached_durable(partition.log->durable_end());
        if (shape_.may_rot) partition.model->excuse_producers(*partition.log);
        check(*partition.model, partition.model->check_state(*partition.log));
    }
    if (ends_clean || !usable) {
        co_await stop();
    } else {
        done_ = true;
        co_await paused_.wait();
    }
    done_ = true;
}

Task<void> StorageWorkload::stop() {
    co_await background_.join();
    if (store_) {
        bool whole = true;
        for (Partition& partition : partitions_) whole = whole && !partition.log->has_failed();
        counts_.rounds += store_->context().counters.rounds;
        counts_.segments_removed += store_->context().counters.segments_removed;
        counts_.segments_reused += store_->context().counters.segments_reused;
        co_await store_->stop(Incarnation(1));
        bool may_lose = shape_.may_fail || shape_.may_rot || shape_.may_be_full;
        for (Partition& partition : partitions_) {
            if (whole && !may_lose) partition.model->reached_durable(partition.model->end());
        }
        store_.reset();
        ++counts_.clean_stops;
    }
    directory_.reset();
}

Offset StorageWorkload::random_offset(const Log& log) {
    const int64_t records = log.log_end() - log.log_start();
    if (records < 0) return log.log_start();
    return log.log_start() + static_cast<int64_t>(random_.below(static_cast<uint64_t>(records) + 1));
}

StorageWorkload::Made StorageWorkload::make_frame(const record::ProducerSequence& producer) {
    builder_.reset();
    Made made;
    const int64_t now = world_.executor.wall_milliseconds();
    uint64_t kind = random_.below(16);
    uint64_t records = kind < 10 ? 1 + random_.below(4) : 1;
    if (kind == 10) records = 30;
    // The first frame of a log that starts anew holds the log's start.
    const int64_t before_start = made_for_->log_start() - made_for_->end();
    if (before_start > 0) records = std::max(records, static_cast<uint64_t>(before_start) + 1);
    uint64_t size_max = kind < 8 ? 200 : kind < 12 ? 6000 : 2 * shape_.settings.segment_bytes;
    auto add = [&](size_t size) {
        std::vector<uint8_t> value(size);
        uint64_t word = random_.next() | 1;
        for (size_t index = 0; index + sizeof(word) <= size; index += sizeof(word), word *= 0x9e3779b97f4a7c15) {
            store_le(value.data() + index, word);
        }
        record::NewRecord next;
        next.timestamp = Timestamp(now - 1000 + static_cast<int64_t>(random_.below(2000)));
        next.value = Bytes(value);
        made.timestamps.push_back(next.timestamp);
        ASSERT(builder_.append(next).ok());
    };
    for (uint64_t index = 0; index < records; ++index) add(random_.below(size_max / records + 1));
    if (kind >= 13) {
        // A frame that ends exactly on a block boundary.
        size_t size = builder_.batch_size() + record::frame_header_size;
        size_t rest = static_cast<size_t>(round_up(size + 16, block_size)) - size;
        for (size_t guess = rest - 10; guess <= rest; ++guess) {
            std::vector<uint8_t> value(guess);
            record::NewRecord filler;
            filler.timestamp = made.timestamps.back();
            filler.value = Bytes(value);
            if (!builder_.fits(filler, size + rest - record::frame_header_size)) break;
            if (builder_.fits(filler, size + rest - record::frame_header_size - 1)) continue;
            made.timestamps.push_back(filler.timestamp);
            ASSERT(builder_.append(filler).ok());
            break;
        }
    }
    if (kind == 9) builder_.compress(record::Codec::lz4, &compressor_);
    const PartitionIdentity& identity = made_for_->identity();
    Bytes bytes = builder_.seal(identity.seed(), producer);
    made.bytes.assign(bytes.begin(), bytes.end());
    return made;
}

Task<bool> StorageWorkload::append_one(Partition* partition, Made made) {
    StorageModel& model = *partition->model;
    if (!partition->leads) co_await begin_epoch(partition);
    if (!partition->leads) co_return false;
    Result<record::FrameView> frame = record::parse_frame(made.bytes, model.identity().seed());
    ASSERT(frame.ok());
    Timestamp now(world_.executor.wall_milliseconds());
    Result<Appended> appended = co_await partition->log->append(*frame, partition->epoch, now);
    if (!appended.ok()) {
        if (!expects(appended.error(), *partition->log))
            fail(model, std::string("append: ") + name(appended.error().code));
        if (appended.error().code == ErrorCode::storage_full) {
            ++counts_.refused_full;
            co_await sleep_for(world_.executor, 300ms);
        }
        co_return false;
    }
    if (appended->base != model.end()) fail(model, "appended elsewhere than at the end");
    model.appended(*frame, *appended, partition->epoch, partition->log->last_checksum(), std::move(made.timestamps));
    if (appended->last + 1 != model.end()) fail(model, "the last offset is wrong");
    ++counts_.appended;
    co_return true;
}

Task<void> StorageWorkload::append(Partition* partition) {
    made_for_ = partition->model;
    uint64_t count = 1 + random_.below(random_.chance(simulation::one_in(4)) ? 20 : 3);
    for (uint64_t index = 0; index < count; ++index) {
        record::ProducerSequence nobody;
        Made made = make_frame(nobody);
        bool more = co_await append_one(partition, std::move(made));
        if (!more) co_return;
    }
}

Task<void> StorageWorkload::append_idempotent(Partition* partition) {
    made_for_ = partition->model;
    const Producers& producers = partition->log->producers();
    record::ProducerSequence producer;
    producer.id = ProducerId(1 + static_cast<int64_t>(random_.below(3)));
    producer.epoch = ProducerEpoch(static_cast<int16_t>(random_.below(20) == 0 ? 1 : 0));
    if (producers.last_sequence(producer.id, ProducerEpoch(1))) producer.epoch = ProducerEpoch(1);
    std::optional<int32_t> last = producers.last_sequence(producer.id, producer.epoch);
    producer.base_sequence = last ? sequence_after(*last, 1) : 0;
    uint64_t wrong = random_.below(8);
    if (wrong == 0) producer.base_sequence += static_cast<int32_t>(random_.below(5));
    if (wrong == 1)
        producer.base_sequence = std::max<int32_t>(0, producer.base_sequence - static_cast<int32_t>(random_.below(30)));
    Made made = make_frame(producer);
    Result<record::FrameView> frame = record::parse_frame(made.bytes, partition->model->identity().seed());
    ASSERT(frame.ok());
    SequenceCheck verdict = producers.check(frame->batch);
    if (verdict.duplicate) {
        ++counts_.duplicates;
        const ModelBatch* original = partition->model->holding(verdict.duplicate->base);
        const bool is_before = verdict.duplicate->base < partition->model->base();
        if (!is_before && (original == nullptr || original->base() != verdict.duplicate->base ||
            original->frame.batch.base_sequence != producer.base_sequence)) {
            fail(*partition->model, "the receipt of a duplicate names another batch");
        }
        co_return;
    }
    if (verdict.code != ErrorCode::none) co_return;
    (void)co_await append_one(partition, std::move(made));
}

Task<void> StorageWorkload::reach_checked(Partition* partition, Offset end) {
    const uint64_t cuts = partition->model->cuts();
    Result<void> reached = co_await partition->log->reach_durable(end, world_.executor.now() + patience);
    if (reached.ok()) {
        if (partition->model->cuts() == cuts) partition->model->reached_durable(end);
    } else if (!expects(reached.error(), *partition->log) && partition->model->cuts() == cuts) {
        bool excused = reached.error().code == ErrorCode::closed;
        if (!excused) fail(*partition->model, std::string("reach_durable: ") + name(reached.error().code));
    }
}

Task<void> StorageWorkload::wait_durable(Partition* partition) {
    Offset from = partition->log->durable_end();
    Offset end =
        from + static_cast<int64_t>(random_.below(static_cast<uint64_t>(partition->log->log_end() - from) + 1));
    co_await reach_checked(partition, end);
}

Task<void> StorageWorkload::wait_durable_aside(Partition* partition) {
    background_.spawn(reach_checked(partition, partition->log->log_end()));
    co_return;
}

Task<void> StorageWorkload::pass_time(Partition*) {
    co_await sleep_for(world_.executor, Duration(static_cast<int64_t>(random_.exponential(100'000'000))));
}

Task<Offset> StorageWorkload::read_checked(Partition* partition, Offset from, Offset limit, size_t bytes_max) {
    StorageModel& model = *partition->model;
    const uint64_t cuts = model.cuts();
    Result<ReadFrames> frames = co_await partition->log->read(from, limit, bytes_max);
    ++counts_.reads;
    Offset believed = model.lowest_cut_since(cuts);
    if (model.cuts() != cuts) ++counts_.reads_across_cut;
    if (!frames.ok()) {
        bool gone = frames.error().code == ErrorCode::offset_out_of_range &&
                    (from < model.log_start_wanted() || from > std::min(believed, partition->log->log_end()) ||
                     model.cuts() != cuts || model.is_changing());
        bool closed = frames.error().code == ErrorCode::closed;
        // A log that has failed still shows what is durable.
        bool withheld = frames.error().code == ErrorCode::storage_error && from < partition->log->durable_end();
        if (gone || closed || (!withheld && expects(frames.error(), *partition->log))) co_return from;
        fail(model, fmt::format("read from {}: {} ({})", from.value, name(frames.error().code),
                                partition->log->last_read_problem()));
    }
    check(model, model.check_read(*frames, from, limit, believed));
    co_return frames->next;
}

// Everything that the log has.
Task<void> StorageWorkload::read_all(Partition* partition) {
    const Offset end = partition->log->log_end();
    for (Offset at = partition->log->log_start(); at < end;) {
        const Offset next = co_await read_checked(partition, at, end, random_.below(1'000'000));
        if (next == at) co_return;
        at = next;
    }
}

// When the disk may have forgotten what it could not sync.
Task<void> StorageWorkload::read_failed(Partition* partition) {
    co_await sleep_for(world_.executor, Duration(static_cast<int64_t>(random_.exponential(1'000'000'000))));
    while (partition->log->release_memory() > 0) continue;
    co_await read_all(partition);
}

// A reader of its own, that goes on as far as it gets.
Task<void> StorageWorkload::read_on(Partition* partition, Offset from, uint64_t reads, size_t bytes_max) {
    for (; reads > 0; --reads) {
        const Offset next = co_await read_checked(partition, from, partition->log->log_end(), bytes_max);
        if (next == from) co_return;
        from = next;
    }
}

Task<void> StorageWorkload::read(Partition* partition) {
    Offset from = random_offset(*partition->log);
    // A sequential reader, for a while.
    for (uint64_t count = 1 + random_.below(4); count > 0; --count) {
        Offset limit =
            random_.below(3) != 0 ? partition->log->log_end() : from + static_cast<int64_t>(random_.below(20));
        size_t bytes_max = random_.below(4) == 0 ? 1 : random_.below(100'000);
        const ModelBatch* first = partition->model->holding(from);
        co_await read_checked(partition, from, limit, bytes_max);
        if (first == nullptr) co_return;
        from = first->next();
    }
}

Task<void> StorageWorkload::read_aside(Partition* partition) {
    Offset from = random_offset(*partition->log);
    const uint64_t reads = 1 + random_.below(6);
    background_.spawn(read_on(partition, from, reads, random_.below(random_.below(2) == 0 ? 20'000 : 1'000'000)));
    co_return;
}

Task<void> StorageWorkload::begin_epoch(Partition* partition) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    Epoch highest = random_.below(2) == 0 ? std::max(model.epoch_highest(), log.last_epoch()) : log.last_epoch();
    Epoch epoch(highest.value + 1 + static_cast<int32_t>(random_.below(3)));
    model.epoch_begins(epoch);
    Result<void> begun = co_await log.begin_epoch(epoch);
    if (!begun.ok()) {
        if (!expects(begun.error(), log)) fail(model, std::string("begin_epoch: ") + name(begun.error().code));
        broken_ = true;
        co_return;
    }
    model.epoch_began(epoch);
    partition->epoch = epoch;
    partition->leads = true;
}

Task<void> StorageWorkload::delete_before(Partition* partition) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    Offset to = random_offset(log);
    if (random_.below(10) == 0) to = std::max(log.log_start(), log.log_end());
    model.deletion_begins(to);
    Result<void> done = co_await log.delete_before(to);
    ++counts_.deletions;
    if (done.ok()) {
        model.deleted(to);
    } else if (!expects(done.error(), log)) {
        fail(model, std::string("delete_before: ") + name(done.error().code));
    } else {
        broken_ = true;
    }
}

Task<void> StorageWorkload::retain(Partition* partition) {
    StorageModel& model = *partition->model;
    Log& log = *partition->log;
    LogSettings settings = shape_.settings;
    uint64_t kind = random_.below(3);
    if (kind != 0) settings.retention_bytes = static_cast<int64_t>(random_.below(4) * settings.segment_bytes);
    if (kind != 1) settings.retention_ms = static_cast<int64_t>(random_.below(2000));
    log.change_settings(settings);
    log.note_watermarks(log.log_end(), log.durable_end());
    model.deletion_begins(log.log_end());
    Result<int64_t> removed = co_await log.apply_retention(Timestamp(world_.executor.wall_milliseconds()));
    log.change_settings(shape_.settings);
    if (removed.ok()) {
        counts_.retained += static_cast<uint64_t>(*removed);
        model.deleted(log.log_start());
    } else if (!expects(removed.error(), log)) {
        fail(model, std::string("apply_retention: ") + name(removed.error().code));
    } else {
        broken_ = true;
    }
}

Task<void> StorageWorkload::look_up_time(Partition* partition) {
    StorageModel& model = *partition->model;
    Timestamp time(world_.executor.wall_milliseconds() - static_cast<int64_t>(random_.exponential(2000)));
    Result<std::optional<TimestampOffset>> found = co_await partition->log->find_timestamp(time);
    ++counts_.lookups;
    if (!found.ok() && !expects(found.error(), *partition->log)) {
        fail(model, std::string("find_timestamp: ") + name(found.error().code));
    }
    if (found.ok()) check(model, model.check_timestamp(*found, time));
    found = co_await partition->log->find_max_timestamp();
    if (!found.ok() && !expects(found.error(), *partition->log)) {
        fail(model, std::string("find_max_timestamp: ") + name(found.error().code));
    }
    if (found.ok()) check(model, model.check_max_timestamp(*found));
}

Task<void> StorageWorkload::checkpoint(Partition* partition) {
    Result<void> done = co_await partition->log->checkpoint();
    ++counts_.checkpoints;
    if (done.ok()) {
        partition->model->reached_durable(partition->model->end());
    } else if (!expects(done.error(), *partition->log)) {
        fail(*partition->model, std::string("checkpoint: ") + name(done.error().code));
    }
}

// Beside whatever commits meanwhile.
Task<void> StorageWorkload::rewrite_marks() {
    Result<void> rewritten = co_await store_->marks().rewrite();
    ++counts_.marks_rewritten;
    if (rewritten.ok() || shape_.may_fail || rewritten.error().code == ErrorCode::closed) co_return;
    if (!shape_.may_be_full || rewritten.error().code != ErrorCode::storage_full) {
        fail(models_.front(), std::string("the marks were not rewritten: ") + name(rewritten.error().code));
    }
}

Task<void> StorageWorkload::rewrite_marks_aside(Partition*) {
    background_.spawn(rewrite_marks());
    co_return;
}

Task<void> StorageWorkload::fill_disk(Partition*) {
    if (!shape_.may_be_full) co_return;
    simulation::SimulatedDisk& disk = node_.disk();
    disk.set_capacity(disk.used_bytes() + random_.below(64) * block_size);
    Duration duration(static_cast<int64_t>(random_.exponential(2'000'000'000)));
    node_.simulation().after(duration, [&disk] { disk.set_capacity(disk_bytes); });
}

}  // namespace ironbark::log
