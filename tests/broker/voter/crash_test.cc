// Random lives of a voter's store, ended by a crash at any moment, against a trivial model: what was answered is there;
// what is there was asked for, in the order of its stream; and the store goes on from it. IRONBARK_VOTER_SEEDS=N tries
// more of them.
#include <cstdlib>
#include <fmt/format.h>

#include "runtime/base/checksum.h"
#include "tests/broker/voter/voter_world.h"

namespace ironbark::consensus::testing {
namespace {

using simulation::one_in;
using simulation::RandomStream;

struct LogState {
    uint64_t base = 0;  // of the last reset
    std::vector<Entry> entries;
    uint64_t last() const { return base + entries.size(); }
};

// The states of each stream since the last start, oldest first, and up to which of them was answered.
struct Model {
    std::vector<PersistTermAndVote> terms{1};
    std::vector<LogState> logs{1};
    std::vector<Snapshot> snapshots;  // asked for and not yet answered, behind the newest that was
    std::optional<Snapshot> snapshot;
    uint64_t terms_answered = 0;
    uint64_t logs_answered = 0;
    uint64_t compacted = 0;
};

class Life {
  public:
    Life(uint64_t seed, simulation::Options options) : world_(seed, options), random_(seed, "voter life") {
        world_.journal_rewrite_bytes = random_.chance(one_in(2)) ? 100'000 : log::journal_rewrite_bytes;
        trace_ = fmt::format("seed {} ({}):", seed, options.to_string());
        world_.simulation.on_report([this] { fmt::print(stderr, "{}\n", trace_); });
    }

    void run() {
        for (int life = 0; life < 5 && !::testing::Test::HasFailure(); ++life) {
            if (!start()) continue;
            const uint64_t steps = 5 + random_.below(60);
            if (random_.chance(one_in(2))) world_.disk().stop_after(1 + random_.below(3 * steps), crash_);
            for (uint64_t step = 0; step < steps && is_alive(); ++step) act();
            end();
        }
    }

  private:
    bool is_alive() {
        return world_.node.is_running() && world_.program->store != nullptr && !world_.store().has_failed();
    }

    void end() {
        world_.disk().stop_never();
        if (random_.chance(one_in(5)) && world_.node.is_running()) {
            world_.close();
            note("close");
        }
        if (world_.node.is_running()) world_.node.crash(crash_);
        note("crash");
        take_answers();
        world_.boot();
        crash_ = random_.chance(one_in(2)) ? Crash::kill : Crash::power_loss;
    }

    // Whether the store could be opened: the disk may fail once more meanwhile.
    bool start() {
        if (random_.chance(one_in(4))) world_.disk().stop_after(1 + random_.below(12), crash_);
        Result<void> opened = world_.open();
        world_.disk().stop_never();
        if (opened.ok() && world_.node.is_running()) return check();
        bool may_fail = !world_.node.is_running() || opened.error().code == ErrorCode::io_error ||
                        opened.error().code == ErrorCode::storage_full;
        EXPECT_TRUE(may_fail) << trace_ << " not opened: " << world_.problem;
        world_.crash(crash_);
        return false;
    }

    bool check() {
        const Restored found = world_.store().restored();
        note("found " + to_text(found));
        const Uuid itself = world_.store().voter_directory();
        EXPECT_TRUE(itself_.is_zero() || itself == itself_) << trace_ << " it is another voter";
        EXPECT_TRUE(is_among_terms(found)) << trace_ << " the term is none that may be there";
        EXPECT_TRUE(is_among_snapshots(found)) << trace_ << " the snapshot is none that may be there";
        const LogState* state = find_log(found);
        EXPECT_TRUE(state != nullptr) << trace_ << " the log is none that may be there";
        Settings settings;
        settings.self = voter(1);
        Result<Core> core = Core::restore(settings, found, Moment());
        EXPECT_TRUE(core.ok()) << trace_ << " no core begins with that: " << core.error().text;
        if (::testing::Test::HasFailure()) return false;
        itself_ = itself;
        continue_from(found);
        return true;
    }

    bool is_among_terms(const Restored& found) const {
        for (size_t at = model_.terms_answered; at < model_.terms.size(); ++at) {
            if (model_.terms[at].term == found.term && model_.terms[at].vote == found.vote) return true;
        }
        return false;
    }

    bool is_among_snapshots(const Restored& found) const {
        if (!found.snapshot) return !model_.snapshot;
        if (model_.snapshot && place_of(*found.snapshot) == place_of(*model_.snapshot)) return true;
        for (const Snapshot& asked : model_.snapshots) {
            if (place_of(asked) == place_of(*found.snapshot)) return true;
        }
        return false;
    }

    // The newest state that the entries found are: they may begin anywhere up to where the log was compacted.
    const LogState* find_log(const Restored& found) const {
        for (size_t at = model_.logs.size(); at > model_.logs_answered; --at) {
            if (is_suffix(found.entries, model_.logs[at - 1])) return &model_.logs[at - 1];
        }
        return nullptr;
    }

    bool is_suffix(const std::vector<Entry>& found, const LogState& state) const {
        if (found.size() > state.entries.size()) return false;
        const size_t missing = state.entries.size() - found.size();
        if (missing > 0 && state.base + missing > model_.compacted) return false;
        return std::equal(found.begin(), found.end(), state.entries.begin() + static_cast<std::ptrdiff_t>(missing),
                          [](const Entry& left, const Entry& right) {
                              return left.index == right.index && left.term == right.term && left.kind == right.kind &&
                                     (left.kind != EntryKind::command || *left.command == *right.command);
                          });
    }

    void continue_from(const Restored& found) {
        const LogState* state = find_log(found);
        LogState now{state->last() - found.entries.size(), found.entries};
        if (found.entries.empty() && found.snapshot) now.base = found.snapshot->last_index.value;
        model_ = Model();
        model_.terms[0] = {WriteId(), found.cluster, found.term, found.vote};
        model_.logs[0] = now;
        model_.snapshot = found.snapshot;
        model_.compacted = now.base;
        // What a core does when it is restored.
        if (!found.snapshot) return;
        const uint64_t known = found.snapshot->last_index.value;
        bool joins = known <= now.last() &&
                     (known <= now.base || now.entries[known - now.base - 1].term == found.snapshot->last_term);
        if (!joins) reset(known);
    }

    void note(const std::string& what) { trace_ += "\n  " + what; }
    const LogState& log() const { return model_.logs.back(); }
    uint64_t term() const { return model_.terms.back().term.value; }

    void take_answers() {
        for (const Event& event : std::exchange(world_.heard_events, {})) {
            if (auto* persisted = std::get_if<TermAndVotePersisted>(&event)) {
                EXPECT_EQ(persisted->write.value, ++model_.terms_answered) << trace_;
            } else if (auto* written = std::get_if<LogPersisted>(&event)) {
                EXPECT_EQ(written->write.value, ++model_.logs_answered) << trace_;
            } else if (auto* made = std::get_if<SnapshotMade>(&event)) {
                answer(made->snapshot);
            } else if (auto* installed = std::get_if<SnapshotInstalled>(&event)) {
                answer(installed->snapshot);
                if (is_alive()) reset(installed->snapshot.last_index.value);
            }
        }
    }

    void answer(const Snapshot& snapshot) {
        model_.snapshot = snapshot;
        model_.snapshots.clear();
        note(fmt::format("snapshot {}", snapshot.last_index.value));
    }

    void act() {
        switch (random_.below(12)) {
            case 0: raise_term(); break;
            case 1: truncate(); break;
            case 2: make_snapshot(); break;
            case 3: compact(); break;
            case 4: install(); break;
            case 5: world_.simulation.run_for(20ms); break;
            default: append_some(); break;
        }
        world_.simulation.run_for(random_.chance(one_in(3)) ? 1ms * random_.below(3) : 1us * random_.below(400));
        take_answers();
    }

    void raise_term() {
        const bool is_vote = term() > 0 && !model_.terms.back().vote && random_.chance(one_in(2));
        PersistTermAndVote next = term_and_vote(model_.terms.size(), term() + (is_vote ? 0 : 1 + random_.below(2)));
        if (is_vote || random_.chance(one_in(2))) next.vote = voter(static_cast<int32_t>(1 + random_.below(3)));
        model_.terms.push_back(next);
        note(fmt::format("term {}", next.term.value));
        world_.store().take(next);
    }

    void append_some() {
        if (term() == 0) return raise_term();
        LogState next = log();
        std::vector<Entry> entries;
        for (uint64_t count = 1 + random_.below(3); count > 0; --count) {
            const size_t size = random_.chance(one_in(4)) ? random_.below(9000) : random_.below(100);
            Entry one = entry(next.last() + 1, term(), fmt::format("{} {}", ++commands_, std::string(size, 'x')));
            if (next.last() == 0) one = first_entry();
            next.entries.push_back(one);
            entries.push_back(one);
        }
        note(fmt::format("append to {}", next.last()));
        model_.logs.push_back(next);
        world_.store().take(append(model_.logs.size() - 1, std::move(entries)));
    }

    // The first entry that may still go.
    uint64_t settled() const {
        uint64_t settled = std::max<uint64_t>(log().base, 1);
        if (model_.snapshot) settled = std::max(settled, model_.snapshot->last_index.value);
        for (const Snapshot& asked : model_.snapshots) settled = std::max(settled, asked.last_index.value);
        return settled;
    }

    void truncate() {
        if (log().last() <= settled()) return;
        LogState next = log();
        const uint64_t from = settled() + 1 + random_.below(log().last() - settled());
        next.entries.resize(from - next.base - 1);
        note(fmt::format("truncate from {}", from));
        model_.logs.push_back(next);
        world_.store().take(TruncateSuffix{WriteId(model_.logs.size() - 1), LogIndex(from)});
    }

    void reset(uint64_t base) {
        note(fmt::format("reset to {}", base));
        model_.logs.push_back({base, {}});
        model_.compacted = std::max(model_.compacted, base);
        world_.store().take(ResetLog{WriteId(model_.logs.size() - 1), LogIndex(base)});
    }

    uint64_t durable_last() const {
        uint64_t last = log().last();
        for (size_t at = model_.logs_answered; at < model_.logs.size(); ++at)
            last = std::min(last, model_.logs[at].last());
        return last;
    }

    void make_snapshot() {
        const uint64_t last = durable_last();
        if (last <= settled() || last <= log().base) return;
        const uint64_t entry_term = log().entries[last - log().base - 1].term.value;
        Snapshot name = described(last, entry_term);
        model_.snapshots.push_back(name);
        note(fmt::format("make a snapshot of {}", last));
        const size_t count = random_.chance(one_in(8)) ? 900 : random_.below(30);
        (void)world_.node.try_run(world_.store().make_snapshot(name, some_records(count, 600)), 300s);
    }

    void compact() {
        if (!model_.snapshot) return;
        const uint64_t known = std::min(model_.snapshot->last_index.value, durable_last());
        const uint64_t trail = random_.below(3);
        if (known < trail || known - trail <= model_.compacted) return;
        model_.compacted = known - trail;
        note(fmt::format("compact to {}", model_.compacted));
        world_.store().take(CompactLog{LogIndex(model_.compacted)});
    }

    // All of it at once; nothing else is done to the log until it is there.
    void install() {
        if (term() == 0) return;
        std::vector<uint8_t> bytes(1 + random_.below(random_.chance(one_in(4)) ? 300'000 : 9'000),
                                   static_cast<uint8_t>(++commands_));
        PieceChecksums pieces;
        for (uint64_t at = 0; at < bytes.size(); at += snapshot_piece_size) {
            pieces.push_back(xxh3(Bytes(bytes).subspan(at, std::min(bytes.size() - at, snapshot_piece_size)), 0));
        }
        Snapshot name = described(log().last() + 1 + random_.below(3), term());
        name.size_bytes = bytes.size();
        name.checksum = checksum_of(pieces, bytes.size());
        model_.snapshots.push_back(name);
        note(fmt::format("install {}", name.last_index.value));
        world_.store().take(WriteSnapshotChunk{name, 0, std::make_shared<std::vector<uint8_t>>(std::move(bytes))});
        world_.store().take(InstallSnapshot{name});
        world_.simulation.run_until([&] { return !is_alive() || has_installed(); }, 60s);
        take_answers();
    }

    bool has_installed() const {
        const std::vector<Event>& events = world_.heard_events;
        return std::any_of(events.begin(), events.end(),
                           [](const Event& event) { return std::holds_alternative<SnapshotInstalled>(event); });
    }

    VoterWorld world_;
    RandomStream random_;
    Model model_;
    Uuid itself_;
    Crash crash_ = Crash::power_loss;
    uint64_t commands_ = 0;
    std::string trace_;
};

simulation::Options options_of(uint64_t seed) {
    simulation::Options options;
    RandomStream random(seed, "voter options");
    options.disk.torn_pages = random.chance(one_in(2));
    if (random.chance(one_in(3))) options.disk.short_write = one_in(30);
    if (random.chance(one_in(4))) options.disk.write_error = one_in(100);
    if (random.chance(one_in(4))) options.disk.sync_error = one_in(100);
    if (random.chance(one_in(4))) options.disk.full = one_in(20);
    if (random.chance(one_in(8))) options.disk.direct_io = false;
    if (random.chance(one_in(8))) options.disk.stall = one_in(200);
    return options;
}

TEST(VoterLives, KeepWhatWasAnsweredWhereverTheyEnd) {
    const char* wanted = std::getenv("IRONBARK_VOTER_SEEDS");
    const char* first = std::getenv("IRONBARK_VOTER_SEED");
    const uint64_t count = wanted == nullptr ? 300 : std::strtoull(wanted, nullptr, 10);
    const uint64_t begin = first == nullptr ? 1 : std::strtoull(first, nullptr, 10);
    for (uint64_t seed = begin; seed < begin + count && !HasFailure(); ++seed) Life(seed, options_of(seed)).run();
}

}  // namespace
}  // namespace ironbark::consensus::testing
