#include "tests/log/log_world.h"

#include "log/record/record_reader.h"

namespace ironbark::log {

std::vector<uint8_t> make_frame(const PartitionIdentity& identity, const Values& values, Timestamp timestamp,
                                record::ProducerSequence producer) {
    record::BatchBuilder builder;
    for (const std::string& value : values) {
        record::NewRecord record;
        record.timestamp = timestamp;
        record.value = as_bytes(value);
        ASSERT(builder.append(record).ok());
    }
    Bytes frame = builder.seal(identity.seed(), producer);
    return {frame.begin(), frame.end()};
}

std::vector<record::FrameView> frames_in(const ReadFrames& read, const PartitionIdentity& identity) {
    std::vector<record::FrameView> frames;
    for (const BufferSlice& slice : read.slices) {
        for (Bytes rest = slice.bytes(); !rest.empty();) {
            Result<record::FrameView> frame = record::parse_frame(rest, identity.seed());
            ASSERT(frame.ok());
            frames.push_back(*frame);
            rest = rest.subspan(frame->header.length);
        }
    }
    return frames;
}

std::string long_value(int64_t number) {
    return std::to_string(number) + std::string(3500, '.');
}

Values values_of(const record::FrameView& frame) {
    record::Decompressor decompressor;
    record::ByteBuffer scratch;
    Result<record::RecordReader> reader =
        record::RecordReader::open(frame.batch, frame.record_bytes(), &decompressor, &scratch);
    ASSERT(reader.ok());
    Values values;
    record::Record record;
    for (Result<bool> more = reader->next(&record); more.ok() && *more; more = reader->next(&record)) {
        values.emplace_back(as_text(*record.value));
    }
    return values;
}

LogSettings LogWorld::small_settings() {
    LogSettings settings;
    settings.segment_bytes = 6 * block_size;  // five rounds of one small batch
    settings.flush_interval = std::chrono::hours(1);
    return settings;
}

LogWorld::LogWorld(simulation::Options world_options, uint64_t seed)
    : simulation_(seed, std::move(world_options)), node_(simulation_.node("n1")) {}

Result<void> LogWorld::try_start() {
    program_ = &node_.start([](World&) { return std::make_unique<Program>(); });
    problem.clear();
    Result<std::unique_ptr<DataDirectory>> directory = run(DataDirectory::open(&world(), "data", &problem));
    TRY_VOID(directory.ok() ? Result<void>() : Result<void>(directory.error()));
    program_->directory = std::move(directory).value();
    Result<std::unique_ptr<LogStore>> opened =
        run(LogStore::open(&world(), program_->directory.get(), options));
    TRY_VOID(opened.ok() ? Result<void>() : Result<void>(opened.error()));
    program_->store = std::move(opened).value();
    program_->store->start();
    return {};
}

void LogWorld::start() { ASSERT(try_start().ok()); }

Result<Log*> LogWorld::try_open(const PartitionIdentity& identity) {
    if (!node_.is_running()) TRY_VOID(try_start());
    report = {};
    return run(store().open_log(identity, settings, &report));
}

Log& LogWorld::open(const PartitionIdentity& identity) {
    Result<Log*> log = try_open(identity);
    if (!log.ok()) simulation_.fail("the log was not opened: " + report.problem);
    return **log;
}

Log& LogWorld::begin(const PartitionIdentity& identity) {
    Log& log = open(identity);
    begin_epoch(log);
    return log;
}

void LogWorld::begin_epoch(Log& log) { ASSERT(run(log.begin_epoch(Epoch(log.last_epoch().value + 1))).ok()); }

Result<Appended> LogWorld::try_append(Log& log, Bytes frame) {
    Result<record::FrameView> view = record::parse_frame(frame, log.seed());
    ASSERT(view.ok());
    return run(log.append(*view, log.last_epoch(), now()));
}

Appended LogWorld::append(Log& log, const Values& values, record::ProducerSequence producer) {
    Result<Appended> appended = try_append(log, make_frame(log.identity(), values, now(), producer));
    ASSERT(appended.ok());
    return *appended;
}

Appended LogWorld::append_at(Log& log, const Values& values, Timestamp timestamp) {
    Result<Appended> appended = try_append(log, make_frame(log.identity(), values, timestamp));
    ASSERT(appended.ok());
    return *appended;
}

void LogWorld::make_durable(Log& log) {
    ASSERT(run(log.reach_durable(log.log_end(), world().executor.now() + 60s)).ok());
}

void LogWorld::append_unsynced(Log& log, const Values& values) {
    LogSettings eager = log.settings();
    eager.write_behind_bytes = 1;
    log.change_settings(eager);
    append(log, values);
    ASSERT(simulation_.run_until([&] { return log.written_end() == log.log_end(); }, 1s));
    log.change_settings(settings);
}

Result<Values> LogWorld::try_values(Log& log, Offset from) {
    Values values;
    while (from < log.log_end()) {
        Result<ReadFrames> read = run(log.read(from, log.log_end(), read_size));
        TRY_VOID(read.ok() ? Result<void>() : Result<void>(read.error()));
        for (const record::FrameView& frame : frames_in(*read, log.identity())) {
            Values of_frame = values_of(frame);
            auto first = of_frame.begin() + std::max<int64_t>(0, from - frame.header.base_offset);
            values.insert(values.end(), first, of_frame.end());
        }
        from = read->next;
    }
    return values;
}

Values LogWorld::values(Log& log) {
    Result<Values> values = try_values(log, log.log_start());
    if (!values.ok()) simulation_.fail("the log cannot be read: " + log.last_read_problem());
    return *std::move(values);
}

void LogWorld::stop() {
    if (program_->store) run(program_->store->stop(Incarnation(1)));
    program_->store.reset();
    program_ = nullptr;
    simulation_.run_for(1us);
    node_.end();
}

void LogWorld::crash(simulation::Crash how) {
    program_ = nullptr;
    node_.crash(how);
}

LogWorld::Files LogWorld::files(const std::string& folder) {
    Files found;
    for (const std::string& name : disk().files()) {
        if (name.starts_with(folder + "/")) found[name] = disk().read(name);
    }
    return found;
}

}  // namespace ironbark::log
