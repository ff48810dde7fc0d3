#include "tests/log/crash_machine.h"

#include <algorithm>
#include <fmt/format.h>

#include "log/graveyard.h"
#include "log/record/batch_builder.h"

namespace ironbark::log {
namespace {

constexpr const char* directory_path = "/data";
constexpr Duration patience = 60s;

simulation::Options make_options(uint64_t seed) {
    simulation::Options options;
    options.disk.torn_pages = true;
    options.disk.torn_sectors = true;
    if (seed % 2 == 1) options.disk.short_write = simulation::one_in(8);
    return options;
}

// Segments of a few batches, so that an operation meets several.
LogSettings small_segments() {
    LogSettings settings;
    settings.segment_bytes = 16 * 1024;
    settings.write_behind_bytes = 4 * 1024;
    settings.flush_interval = 10s;
    return settings;
}

StoreOptions store_options() {
    StoreOptions options;
    options.reserve_bytes = 0;
    options.tail_bytes_max = 0;  // reads go to the disk
    return options;
}

PartitionIdentity some_partition() {
    return {*Uuid::parse("5d0f6c5e-52f5-4a0b-8f6c-2f7a3b1c9d4e"), PartitionIndex(3)};
}

}  // namespace

CrashMachine::CrashMachine(uint64_t seed)
    : simulation_(seed, make_options(seed)), node_(simulation_.node("storage")), model_(some_partition()) {}

CrashMachine::CrashMachine(uint64_t seed, const CrashMachine& other)
    : simulation_(seed, make_options(seed)),
      node_(simulation_.node("storage")),
      model_(other.model_),
      cuts_(other.cuts_),
      moved_(other.moved_),
      made_(other.made_),
      wrong_(other.wrong_) {
    ASSERT(!other.is_running());
    node_.disk().restore(other.node_.disk().snapshot());
}

std::vector<Offset> CrashMachine::segment_bases() const {
    std::vector<Offset> bases;
    for (const std::string& path : node_.disk().files()) {
        if (path.find(model_.identity().to_string()) == std::string::npos) continue;
        std::optional<Offset> base = offset_of_file_name(path.substr(path.rfind('/') + 1), log_suffix);
        if (base) bases.push_back(*base);
    }
    return bases;
}

void CrashMachine::note(const std::string& what) {
    if (wrong_.empty()) wrong_ = what;
}

void CrashMachine::note(const char* what, const Result<void>& result) {
    if (!result.ok()) note(fmt::format("{}: {} {}", what, name(result.error().code), result.error().text));
}

std::string CrashMachine::partition_path() const {
    return fmt::format("{}/partitions/{}", directory_path, model_.identity().to_string());
}

std::string CrashMachine::path_of(Offset base, const char* suffix) const {
    return fmt::format("{}/{}", partition_path(), segment_file_name(base, suffix));
}

bool CrashMachine::open() {
    is_open_ = false;
    leads_ = false;
    auto make = [](World&) { return std::make_unique<Program>(); };
    program_ = &node_.start(make);
    return node_.try_run(open_all()) && is_open_ && wrong_.empty();
}

Task<void> CrashMachine::open_all() {
    World& world = node_.world();
    std::string problem;
    Result<std::unique_ptr<DataDirectory>> directory = co_await DataDirectory::open(&world, directory_path, &problem);
    if (!directory.ok()) co_return note("the directory was not opened: " + problem);
    program_->directory = std::move(directory).value();
    Result<std::unique_ptr<LogStore>> store =
        co_await LogStore::open(&world, program_->directory.get(), store_options());
    if (!store.ok()) co_return note(std::string("the store was not opened: ") + name(store.error().code));
    program_->store = std::move(store).value();
    program_->store->start();
    RecoveryReport report;
    Result<Log*> log = co_await program_->store->open_log(model_.identity(), small_segments(), &report);
    if (!log.ok()) co_return note(fmt::format("not opened: {} {}", name(log.error().code), report.problem));
    std::string wrong = model_.check_opened(**log, StorageModel::Excuses{});
    if (!wrong.empty()) note(wrong);
    co_await read_all();
    co_await check_graveyard();
    is_open_ = true;
}

Task<void> CrashMachine::append(size_t batches) {
    for (size_t count = 0; count < batches; ++count) {
        if (!leads_) co_await begin_epoch();
        co_await append_one(200 + made_ % 5 * 900);
        ++made_;
    }
}

Task<void> CrashMachine::append_replicas(size_t batches, int32_t epochs_later) {
    const std::vector<EpochStart>& starts = log().epoch_starts();
    const Epoch epoch((starts.empty() ? 0 : starts.back().epoch.value) + epochs_later);
    for (size_t count = 0; count < batches; ++count) {
        co_await append_replica(200 + made_ % 5 * 900, epoch);
        ++made_;
    }
}

std::vector<uint8_t> CrashMachine::make_frame(size_t size) {
    std::vector<uint8_t> value(size);
    for (size_t index = 0; index < size; ++index) value[index] = static_cast<uint8_t>(made_ * 37 + index % 61);
    record::NewRecord record{Timestamp(node_.world().executor.wall_milliseconds())};
    record.value = Bytes(value);
    record::BatchBuilder builder;
    for (uint64_t index = 0; index <= made_ % 3; ++index) ASSERT(builder.append(record).ok());
    record::ProducerSequence producer{ProducerId(static_cast<int64_t>(made_ % 3)), ProducerEpoch(0), 0};
    std::optional<int32_t> last = model_.producers().last_sequence(producer.id, producer.epoch);
    if (last) producer.base_sequence = sequence_after(*last, 1);
    Bytes frame = builder.seal(model_.identity().seed(), producer);
    return {frame.begin(), frame.end()};
}

Task<void> CrashMachine::append_one(size_t size) {
    const Timestamp now(node_.world().executor.wall_milliseconds());
    const std::vector<uint8_t> bytes = make_frame(size);
    Result<record::FrameView> frame = record::parse_frame(bytes, model_.identity().seed());
    ASSERT(frame.ok());
    Result<Appended> appended = co_await log().append(*frame, epoch_, now);
    if (!appended.ok()) co_return note(std::string("append: ") + name(appended.error().code));
    if (appended->base != model_.end()) note("appended elsewhere than at the end");
    model_.appended(*frame, *appended, epoch_, log().last_checksum(), std::vector<Timestamp>(made_ % 3 + 1, now));
}

Task<void> CrashMachine::append_replica(size_t size, Epoch epoch) {
    const Timestamp now(node_.world().executor.wall_milliseconds());
    std::vector<uint8_t> bytes = make_frame(size);
    record::stamp(bytes, model_.identity().seed(), {model_.end(), epoch, model_.chain(), now, 0});
    Result<record::FrameView> frame = record::parse_frame(bytes, model_.identity().seed());
    ASSERT(frame.ok());
    model_.epoch_begins(epoch);
    Result<Appended> appended = co_await log().append_replica(*frame);
    if (!appended.ok()) co_return note(std::string("append_replica: ") + name(appended.error().code));
    model_.appended_replica(*frame, std::vector<Timestamp>(made_ % 3 + 1, now));
    leads_ = false;
}

Task<void> CrashMachine::append_durably(size_t batches) {
    co_await append(batches);
    co_await wait_durable();
}

Task<void> CrashMachine::wait_durable() {
    const Offset end = model_.end();
    Result<void> reached = co_await log().reach_durable(end, node_.world().executor.now() + patience);
    note("reach_durable", reached);
    if (reached.ok()) model_.reached_durable(end);
}

// Never one that was used before, in whatever life: an offset in an epoch is one record's for ever.
Task<void> CrashMachine::begin_epoch() {
    epoch_ = Epoch(std::max(model_.epoch_highest(), log().last_epoch()).value + 1);
    model_.epoch_begins(epoch_);
    Result<void> begun = co_await log().begin_epoch(epoch_);
    note("begin_epoch", begun);
    if (begun.ok()) model_.epoch_began(epoch_);
    leads_ = true;
}

Task<void> CrashMachine::cut(Offset to) {
    return cut_to(to, Epoch(std::max(model_.epoch_highest(), log().last_epoch()).value + 1));
}

Task<void> CrashMachine::cut_openly(Offset to) {
    return cut_to(to, std::nullopt);
}

Task<void> CrashMachine::cut_to(Offset to, std::optional<Epoch> next) {
    if (to < model_.end()) cuts_.push_back({to, model_.end(), next.value_or(Epoch(-1))});
    const size_t cuts = cuts_.size();
    model_.cut_begins(to, next);
    Result<void> done = co_await log().cut(to, next, "a test");
    note("cut", done);
    if (!done.ok()) co_return;
    if (to < model_.end()) cuts_[cuts - 1].is_done = true;
    model_.cut_ended(true);
    leads_ = next.has_value();
    if (next) epoch_ = *next;
    note(model_.check_state(log()));
}

// Where a crash makes an end of it, the next start tells whether the segments must have moved.
Task<void> CrashMachine::restart(Offset base) {
    Log::ReplicaStart start{base, 0, Epoch(-1), base, {}};
    if (base > Offset()) {
        start.chain = 1000 + made_;
        start.epoch_before = Epoch(1);
        start.producers = model_.producers().encode();
    }
    co_await wait_durable();
    const std::vector<Offset> bases = segment_bases();
    model_.restart_begins(start);
    Result<void> done = co_await log().restart(start, "a test");
    note("restart", done);
    if (!done.ok()) co_return;
    moved_.insert(moved_.end(), bases.begin(), bases.end());
    model_.restart_ended(true);
    leads_ = false;
    note(model_.check_state(log()));
    co_await check_graveyard();
}

Task<void> CrashMachine::delete_before(Offset to) {
    model_.deletion_begins(to);
    Result<void> done = co_await log().delete_before(to);
    note("delete_before", done);
    if (done.ok()) model_.deleted(to);
}

Task<void> CrashMachine::retain(int64_t bytes) {
    LogSettings settings = small_segments();
    settings.retention_bytes = bytes;
    log().change_settings(settings);
    log().note_watermarks(log().log_end(), log().durable_end());
    model_.deletion_begins(log().log_end());
    Result<int64_t> removed = co_await log().apply_retention(Timestamp(node_.world().executor.wall_milliseconds()));
    if (!removed.ok()) co_return note("retain", removed.error());
    model_.deleted(log().log_start());
    log().change_settings(small_segments());
}

Task<void> CrashMachine::checkpoint() {
    Result<void> done = co_await log().checkpoint();
    note("checkpoint", done);
    if (done.ok()) model_.reached_durable(model_.end());
}

Task<void> CrashMachine::rewrite_marks() {
    Result<void> done = co_await store().marks().rewrite();
    note("rewrite", done);
}

Task<void> CrashMachine::read_all() {
    for (Offset at = log().log_start(); at < log().log_end();) {
        Result<ReadFrames> frames = co_await log().read(at, log().log_end(), 10'000);
        if (!frames.ok()) {
            co_return note(
                fmt::format("read from {}: {} {}", at.value, name(frames.error().code), log().last_read_problem()));
        }
        std::string wrong = model_.check_read(*frames, at, log().log_end(), log().log_end());
        if (!wrong.empty()) co_return note(wrong);
        at = frames->next;
    }
}

Task<void> CrashMachine::check_graveyard() {
    const std::string directory = partition_path();
    Result<std::vector<std::string>> names = co_await list_graveyard(&node_.world(), directory);
    if (!names.ok()) co_return note(std::string("the graveyard: ") + name(names.error().code));
    std::vector<BuriedRange> graves;
    for (const std::string& entry : *names) {
        Result<BuriedRange> head = co_await read_buried_head(&node_.world(), directory + "/graveyard/" + entry);
        if (!head.ok()) co_return note("a grave cannot be read: " + entry);
        graves.push_back(*head);
    }
    for (const Buried& cut : cuts_) {
        EpochStart begun{cut.epoch, cut.first};
        bool is_done = std::count(log().epoch_starts().begin(), log().epoch_starts().end(), begun) > 0 || cut.is_done;
        bool is_buried = std::any_of(graves.begin(), graves.end(), [&cut](const BuriedRange& grave) {
            return grave.first == cut.first && grave.end == cut.end && grave.epoch == cut.epoch && grave.bytes > 0;
        });
        if (is_done && !is_buried) note(fmt::format("what was cut at {} is not in the graveyard", cut.first.value));
    }
    // A burial announces as many as will come; those of one that a crash prevented are still in the log.
    size_t moved = 0;
    for (const std::string& path : node_.disk().files()) moved += path.ends_with(".segment") ? 1 : 0;
    if (moved < moved_.size()) note(fmt::format("of {} segments {} are in the graveyard", moved_.size(), moved));
}

}  // namespace ironbark::log
