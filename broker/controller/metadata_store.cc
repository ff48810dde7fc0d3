#include "broker/controller/metadata_store.h"

#include <algorithm>
#include <fmt/format.h>

#include "log/limits.h"

namespace ironbark::broker {
namespace {

constexpr const char* not_writable = "the metadata journal cannot be written; restart the broker when the disk is well";

}  // namespace

Task<Result<std::unique_ptr<MetadataStore>>> MetadataStore::open(World* world,
                                                                 std::string path,
                                                                 Uuid owner,
                                                                 std::string* problem) {
    Result<std::unique_ptr<log::Journal>> opened = co_await log::Journal::open(*world, path, owner);
    if (!opened.ok()) {
        *problem = fmt::format("{}: {}. Restore it from a copy; the records are untouched.", path,
                               *opened.error().text != 0 ? opened.error().text : name(opened.error().code));
        co_return opened.error();
    }
    std::unique_ptr<log::Journal> journal = std::move(opened).value();
    log::JournalContents contents = journal->take_contents();
    std::unique_ptr<MetadataStore> store(new MetadataStore(*world, std::move(journal)));
    auto state = std::make_shared<Metadata>();
    Result<void> replayed;
    // Topics are not guessed at: with a command missing, the ones after it may mean something else.
    if (contents.commits_lost > 0) {
        replayed = Error(ErrorCode::corrupt_data, "the metadata journal is damaged between good entries");
    }
    for (const log::JournalRecord& record : contents.records) {
        if (replayed.ok()) replayed = state->apply(record);
    }
    if (!replayed.ok()) {
        *problem = fmt::format("{}: {}. Restore it from a copy; the records are untouched.", path,
                               *replayed.error().text != 0 ? replayed.error().text : name(replayed.error().code));
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
