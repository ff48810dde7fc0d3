// The start of a voter. What may have been promised and is missing cannot be guessed at: a voter that forgot a vote or
// an entry makes two leaders, or loses what a majority acknowledged. So the store is opened whole or not at all.
#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "broker/voter/store.h"

namespace ironbark::consensus {
namespace {

std::string refusal(const std::string& what, const std::string& directory) {
    return fmt::format(
        "{}. This voter may have promised what is missing now, so it does not vote; nothing was changed. Restore {} "
        "from a copy of its own; or, while a majority of the voters lives, move it away and admit this one as a new "
        "voter: ironbark controller replace-voter.",
        what, directory);
}

// Of the disk, not of what is on it.
std::string failure(const std::string& directory, const Error& error) {
    const bool is_full = error.code == ErrorCode::storage_full;
    return fmt::format("{}: {}. {}", directory, describe(error),
                       is_full ? "Make room on the disk." : "Look after the disk and the rights of this user.");
}

// Why a journal with these contents is not what was written.
Result<void> check(const log::JournalContents& contents) {
    const char* text = nullptr;
    if (contents.commits_lost > 0) text = "it is damaged between good entries";
    if (contents.ends_damaged) text = "it is damaged at its end, and no crash does that";
    if (contents.records.empty()) text = "there is nothing in it, and no crash does that";
    return text == nullptr ? Result<void>() : Error(ErrorCode::corrupt_data, text);
}

Result<void> replay(const log::JournalContents& contents, StoredLog* log) {
    TRY_VOID(check(contents));
    for (const log::JournalRecord& bytes : contents.records) {
        TRY(StoredRecord record, decode(bytes));
        TRY_VOID(log->apply(record));
    }
    return {};
}

}  // namespace

Task<Result<std::unique_ptr<Store>>> Store::open(World* world, StoreSettings settings, std::string* problem) {
    std::unique_ptr<Store> store(new Store(*world, std::move(settings)));
    Result<void> ready = co_await store->prepare(problem);
    if (ready.ok()) ready = co_await store->open_journal();
    if (ready.ok()) ready = co_await store->begin();
    if (!ready.ok()) {
        const std::string& directory = store->settings_.directory;
        if (problem->empty()) *problem = failure(directory, ready.error());
        co_await store->close();
        co_return ready.error();
    }
    co_return std::move(store);
}

// Nothing is written before all of it is known to be good.
Task<Result<void>> Store::prepare(std::string* problem) {
    const std::string& directory = settings_.directory;
    CO_TRY_VOID(co_await world_.disk.make_directory(directory));
    CO_TRY_VOID(co_await world_.disk.sync_directory(directory_of(directory)));
    CO_TRY(std::vector<std::string> names, co_await world_.disk.list(directory));
    bool has_journal = std::find(names.begin(), names.end(), "log") != names.end();
    bool has_snapshots = std::any_of(names.begin(), names.end(),
                                     [](const std::string& name) { return parse_file_name(name).has_value(); });
    if (has_journal) co_return co_await inspect(std::move(names), problem);
    if (!has_snapshots) co_return co_await snapshots_.load(std::move(names), &log_, problem);
    *problem = refusal(journal_path() + ": it is missing, beside snapshots of its voter", directory);
    co_return ErrorCode::corrupt_data;
}

Task<Result<void>> Store::inspect(std::vector<std::string> names, std::string* problem) {
    StoredLog log;
    Result<log::JournalContents> contents =
        co_await log::Journal::read(world_, journal_path(), settings_.owner, log::Copies::two_behind);
    Result<void> checked = contents.ok() ? replay(*contents, &log) : contents.error();
    std::string what;
    if (checked.ok()) {
        checked = co_await snapshots_.load(std::move(names), &log, &what);
    } else {
        what = fmt::format("{}: {}", journal_path(), describe(checked.error()));
    }
    if (checked.ok()) co_return checked;
    const bool is_newer = checked.error().code == ErrorCode::unsupported_version;
    *problem = is_newer ? what + ". Use that version, or a newer one; nothing was changed."
                        : refusal(what, settings_.directory);
    co_return checked;
}

Task<Result<void>> Store::open_journal() {
    std::vector<log::JournalRecord> first{encode(StoredVoter{world_.random.uuid()})};  // of a new one
    CO_TRY(journal_, co_await log::Journal::open(world_, journal_path(), settings_.owner, log::Copies::two_behind,
                                                 std::move(first)));
    const log::JournalContents contents = journal_->take_contents();
    CO_TRY_VOID(replay(contents, &log_));
    // Its first block is written anew, with everything.
    if (contents.head_damaged) CO_TRY_VOID(co_await journal_->rewrite(log_.records()));
    note_repairs(contents);
    co_return Result<void>();
}

void Store::note_repairs(const log::JournalContents& contents) {
    uint64_t count = contents.copies_damaged + (contents.head_damaged ? 1 : 0);
    if (count == 0) return;
    settings_.on_notice(fmt::format(
        "{}: {} of its blocks or entries were damaged, and were there a second time. Nothing is lost; look after the "
        "disk.",
        journal_path(), count));
}

Task<Result<void>> Store::begin() {
    CO_TRY_VOID(co_await snapshots_.clean_up());
    for (const SnapshotPlace& place : snapshots_.damaged()) {
        settings_.on_notice(
            fmt::format("{}: it is damaged. The snapshot before it and the log come to the same; nothing is lost. Look "
                        "after the disk.",
                        snapshots_.path_of(place)));
    }
    // A crash may have come between a snapshot from a leader and the reset of the log. The core resets one that has
    // entries; one without has nothing that it would see.
    const std::optional<Snapshot>& newest = snapshots_.newest();
    if (newest && log_.entries().empty() && log_.base() < newest->last_index) {
        Write reset{Stream::log};
        reset.records.emplace_back(StoredReset{newest->last_index});
        enqueue(std::move(reset));
    }
    loops_.spawn(write_loop());
    loops_.spawn(receive_loop());
    co_return Result<void>();
}

}  // namespace ironbark::consensus
