#include "broker/controller/metadata_store.h"

#include <algorithm>
#include <fmt/format.h>

#include "log/limits.h"

namespace ironbark::broker {
namespace {

constexpr const char* not_writable = "the metadata journal cannot be written; restart the broker when the disk is well";

std::string refusal(const std::string& path, const Error& error) {
    return fmt::format("{}: {}. Restore it from a copy; the records are untouched.", path,
                       *error.text != 0 ? error.text : name(error.code));
}

// The way on without what may be missing. Nobody can say what it was.
std::string way_out(const std::string& path, uint64_t end) {
    return fmt::format(
        " Without a copy: what was acknowledged last may be missing (a topic that was made, altered or deleted, or a "
        "block of producer ids). To go on without it, keep the file as it is under another name, stop all producers, "
        "and cut the damaged end off: truncate -s {} {}",
        end, path);
}

}  // namespace

Task<Result<std::unique_ptr<MetadataStore>>> MetadataStore::open(World* world,
                                                                 std::string path,
                                                                 Uuid owner,
                                                                 std::string* problem) {
    Result<std::unique_ptr<log::Journal>> opened = co_await log::Journal::open(*world, path, owner, log::Copies::two);
    if (!opened.ok()) {
        *problem = refusal(path, opened.error());
        co_return opened.error();
    }
    std::unique_ptr<log::Journal> journal = std::move(opened).value();
    log::JournalContents contents = journal->take_contents();
    std::unique_ptr<MetadataStore> store(new MetadataStore(*world, std::move(journal)));
    store->repaired_ = contents.copies_damaged;
    auto state = std::make_shared<Metadata>();
    Result<void> replayed;
    // Topics are not guessed at: with a command missing, the ones after it may mean something else.
    if (contents.commits_lost > 0) {
        replayed = Error(ErrorCode::corrupt_data, "the metadata journal is damaged between good entries");
    } else if (contents.ends_damaged) {
        replayed = Error(ErrorCode::corrupt_data, "the metadata journal is damaged at its end, and no crash does that");
    }
    for (const log::JournalRecord& record : contents.records) {
        if (replayed.ok()) replayed = state->apply(record);
    }
    if (!replayed.ok()) {
        *problem = refusal(path, replayed.error());
        if (contents.commits_lost == 0 && contents.ends_damaged) *problem += way_out(path, contents.end);
        co_await store->close();
        co_return replayed.error();
    }
    store->current_ = std::move(state);
    co_return std::move(store);
}

Task<Result<void>> MetadataStore::execute(Command command) {
    std::optional<Units> held = co_await executing_.lock();
    if (!held) co_return ErrorCode::cancelled;
    // What failed may be written with the next command, and then be in the journal without being in the state.
    if (!writable_) co_return Error(ErrorCode::storage_error, not_writable);
    auto next = std::make_shared<Metadata>(*current_);
    CO_TRY_VOID(next->apply(command));
    Result<void> stored = co_await store(next.get(), std::move(command));
    if (!stored.ok()) {
        writable_ = false;
        co_return Error(ErrorCode::storage_error, not_writable, stored.error().system_errno);
    }
    current_ = std::move(next);
    co_return Result<void>();
}

// As one more command; or, when the journal is long and most of it is past, as the state that it leads to.
Task<Result<void>> MetadataStore::store(const Metadata* next, Command command) {
    if (journal_->size() > std::max(log::journal_rewrite_bytes, 4 * live_bytes_)) {
        CO_TRY_VOID(co_await journal_->rewrite(next->snapshot()));
        live_bytes_ = journal_->size();
        co_return Result<void>();
    }
    journal_->append(std::move(command));
    co_return co_await journal_->commit();
}

Task<void> MetadataStore::close() {
    executing_.close();
    co_await journal_->close();
}

}  // namespace ironbark::broker
