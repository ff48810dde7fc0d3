#include "tests/broker/voter/voter_world.h"

#include <algorithm>
#include <fmt/format.h>

#include "runtime/base/checksum.h"

namespace ironbark::consensus::testing {
namespace {

std::string text_of(const Entry& entry) {
    std::string what = entry.kind == EntryKind::no_op ? "-" : entry.kind == EntryKind::membership ? "M" : "";
    if (entry.command) what = fmt::format("{:x}", xxh3(*entry.command, 0) & 0xffff);
    return fmt::format("{}/{}:{}", entry.index.value, entry.term.value, what);
}

std::string text_of(const Snapshot& snapshot) {
    return fmt::format("{}/{}", snapshot.last_index.value, snapshot.last_term.value);
}

}  // namespace

Voter voter(int32_t id) {
    return {VoterId(id), Uuid::from_words(100 + static_cast<uint64_t>(id), 1)};
}
Membership three_voters() {
    return {cluster, {voter(1), voter(2), voter(3)}, std::nullopt};
}

Entry first_entry() {
    return {forming_index, forming_term, EntryKind::membership, nullptr, std::make_shared<Membership>(three_voters())};
}

Entry no_op(uint64_t index, uint64_t term) {
    return {LogIndex(index), Term(term), EntryKind::no_op, nullptr, nullptr};
}

Entry entry(uint64_t index, uint64_t term, const std::string& command) {
    auto bytes = std::make_shared<std::vector<uint8_t>>(command.begin(), command.end());
    return {LogIndex(index), Term(term), EntryKind::command, bytes, nullptr};
}

PersistTermAndVote term_and_vote(uint64_t write, uint64_t term, std::optional<int32_t> vote) {
    return {WriteId(write), cluster, Term(term), vote ? std::optional(voter(*vote)) : std::nullopt};
}

AppendEntries append(uint64_t write, std::vector<Entry> entries) {
    return {WriteId(write), std::move(entries)};
}

Snapshot described(uint64_t index, uint64_t term) {
    return {LogIndex(index), Term(term), std::make_shared<Membership>(three_voters()), forming_index, 0, 0};
}

SnapshotRecords some_records(size_t count, size_t size) {
    SnapshotRecords records;
    for (size_t number = 0; number < count; ++number) {
        std::vector<uint8_t> record(size + number % 7);
        for (size_t index = 0; index < record.size(); ++index) {
            record[index] = static_cast<uint8_t>(number * 31 + index % 251);
        }
        records.push_back(std::move(record));
    }
    return records;
}

std::string to_text(const Event& event) {
    if (auto* term = std::get_if<TermAndVotePersisted>(&event)) return fmt::format("term {}", term->write.value);
    if (auto* log = std::get_if<LogPersisted>(&event)) return fmt::format("log {}", log->write.value);
    if (auto* made = std::get_if<SnapshotMade>(&event)) return "made " + text_of(made->snapshot);
    if (auto* chunk = std::get_if<SnapshotChunkWritten>(&event)) return fmt::format("written {}", chunk->end_position);
    if (auto* one = std::get_if<SnapshotInstalled>(&event)) return "installed " + text_of(one->snapshot);
    if (auto* refused = std::get_if<SnapshotRefused>(&event)) return "refused " + text_of(refused->snapshot);
    return std::holds_alternative<StorageFailed>(event) ? "failed" : "another event";
}

std::string to_text(const Restored& restored) {
    std::string text = fmt::format("term {}", restored.term.value);
    if (restored.vote) text += fmt::format(" vote {}", restored.vote->id.value);
    if (!restored.cluster.is_zero() && restored.cluster != cluster) text += " of another cluster";
    if (restored.snapshot) text += " snapshot " + text_of(*restored.snapshot);
    for (const Entry& one : restored.entries) text += " " + text_of(one);
    return text;
}

VoterWorld::VoterWorld(uint64_t seed, simulation::Options options)
    : simulation(seed, options), node(simulation.node("n1")) {
    boot();
    // Whatever faults the run has, they are not about this.
    while (!node.run(node.world().disk.make_directory("data")).ok()) simulation.run_for(10ms);
    while (!node.run(node.world().disk.sync_directory(".")).ok()) simulation.run_for(10ms);
}

VoterWorld::~VoterWorld() {
    if (node.is_running()) node.kill();
}

void VoterWorld::boot() {
    program = &node.start([](World& world) { return std::make_unique<VoterProgram>(world); });
    heard_notices.clear();
}

Result<void> VoterWorld::open(Uuid owner) {
    problem.clear();
    StoreSettings settings{directory,
                           owner,
                           [this](const Event& event) { heard_events.push_back(event); },
                           [this](std::string text) { heard_notices.push_back(std::move(text)); },
                           journal_rewrite_bytes,
                           [this](const std::string& text) { heard_notices.push_back(text); }};
    auto opened = node.try_run(Store::open(&node.world(), settings, &problem));
    if (!opened) return ErrorCode::closed;  // the process died
    if (!opened->ok()) return opened->error();
    program->store = std::move(*opened).value();
    return {};
}

void VoterWorld::close() {
    node.run(store().close());
    program->store.reset();
}

Result<void> VoterWorld::reopen(Uuid owner) {
    if (program->store) close();
    return open(owner);
}

void VoterWorld::crash(Crash how) {
    if (node.is_running()) node.crash(how);
    boot();
}

void VoterWorld::restore(const simulation::DiskImage& image) {
    if (node.is_running()) node.kill();
    disk().restore(image);
    boot();
}

std::string VoterWorld::take_events() {
    std::string text;
    for (const Event& event : std::exchange(heard_events, {})) text += (text.empty() ? "" : ", ") + to_text(event);
    return text;
}

std::string VoterWorld::events(Duration duration) {
    simulation.run_for(duration);
    return take_events();
}

Result<void> VoterWorld::make_snapshot(uint64_t index, uint64_t term, SnapshotRecords records) {
    return node.run(store().make_snapshot(described(index, term), std::move(records)));
}

void VoterWorld::fill(uint64_t last, uint64_t term) {
    store().take(term_and_vote(1, term, 2));
    std::vector<Entry> entries{first_entry()};
    for (uint64_t index = 2; index <= last; ++index)
        entries.push_back(entry(index, term, fmt::format("command {}", index)));
    store().take(append(1, std::move(entries)));
    EXPECT_EQ(events(), "term 1, log 1");
}

std::string VoterWorld::snapshot_path(uint64_t index, uint64_t term) const {
    return std::string(directory) + "/" + file_name({LogIndex(index), Term(term)});
}

size_t VoterWorld::snapshot_files() {
    std::vector<std::string> files = disk().files();
    return static_cast<size_t>(
        std::count_if(files.begin(), files.end(), [](const std::string& one) { return one.ends_with(".snapshot"); }));
}

}  // namespace ironbark::consensus::testing
