#include "broker/voter/store.h"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

namespace ironbark::consensus {

Store::Store(World& world, StoreSettings settings)
    : world_(world),
      settings_(std::move(settings)),
      snapshots_(&world, settings_.directory, settings_.owner),
      work_(world.executor),
      received_(world.executor),
      loops_(world.executor) {}

Store::~Store() = default;

Restored Store::restored() const {
    Restored restored;
    if (log_.term()) {
        restored.cluster = log_.term()->cluster;
        restored.term = log_.term()->term;
        restored.vote = log_.term()->vote;
    }
    restored.snapshot = snapshots_.newest();
    restored.entries.assign(log_.entries().begin(), log_.entries().end());
    return restored;
}

void Store::take(PersistTermAndVote action) {
    enqueue({Stream::term, {StoredTerm{action.cluster, action.term, action.vote}}, TermAndVotePersisted{action.write}});
}

void Store::take(AppendEntries action) {
    Write write{Stream::log, {}, LogPersisted{action.write}};
    for (Entry& entry : action.entries) write.records.emplace_back(std::move(entry));
    enqueue(std::move(write));
}

void Store::take(TruncateSuffix action) {
    enqueue({Stream::log, {StoredTruncation{action.from}}, LogPersisted{action.write}});
}

void Store::take(ResetLog action) {
    enqueue({Stream::log, {StoredReset{action.base}}, LogPersisted{action.write}});
}

// Nothing is written: the next rewrite leaves out what was forgotten.
void Store::take(CompactLog action) {
    compacted_ = action.up_to;
    forget_compacted();
}

void Store::take(WriteSnapshotChunk action) {
    receive(std::move(action));
}
void Store::take(InstallSnapshot action) {
    receive(std::move(action));
}

void Store::forget_compacted() {
    bool is_repair_affordable = log_.bytes_up_to(compacted_) <= repair_bytes_max;
    log_.forget(is_repair_affordable ? std::min(compacted_, snapshots_.previous()) : compacted_);
}

void Store::receive(Receiving what) {
    if (has_failed_ || is_closing_) return;
    const auto* chunk = std::get_if<WriteSnapshotChunk>(&what);
    if (chunk != nullptr && chunk->position == 0) {
        receiving_.clear();  // of another transfer
        ++transfers_;
    }
    receiving_.push_back(std::move(what));
    received_.set();
}

Task<void> Store::receive_loop() {
    while (!has_failed_ && !is_closing_) {
        Instant deadline = never;
        if (!receiving_.empty()) {
            const uint64_t transfer = transfers_;
            Result<Event> done = co_await carry_out(receiving_.front());
            if (has_failed_) co_return;  // elsewhere, meanwhile
            if (done.ok()) {
                note(&is_snapshot_full_, false,
                     "there is room again; the snapshot that a leader sends is being received");
                if (transfer == transfers_) receiving_.pop_front();
                report(*done);
                continue;
            }
            if (done.error().code != ErrorCode::storage_full) co_return fail(done.error());
            note(&is_snapshot_full_, true, "no room for the snapshot that a leader sends; it waits. Make room");
            deadline = now() + full_retry_interval;
        }
        received_.reset();
        co_await received_.wait(deadline);
    }
}

Task<Result<Event>> Store::carry_out(Receiving what) {
    if (const auto* chunk = std::get_if<WriteSnapshotChunk>(&what)) {
        CO_TRY_VOID(co_await snapshots_.write(*chunk));
        Event written = SnapshotChunkWritten{chunk->snapshot, chunk->position + chunk->bytes->size()};
        co_return std::move(written);
    }
    const Snapshot snapshot = std::get<InstallSnapshot>(what).snapshot;
    CO_TRY(const bool is_installed, co_await snapshots_.install(snapshot));
    Event ended = SnapshotInstalled{snapshot};
    if (!is_installed) ended = SnapshotRefused{snapshot};
    co_return std::move(ended);
}

Task<Result<Payload>> Store::read_chunk(Snapshot snapshot, uint64_t position, uint64_t size) {
    CO_TRY(std::vector<uint8_t> bytes, co_await snapshots_.read(std::move(snapshot), position, size));
    co_return Payload(std::make_shared<const std::vector<uint8_t>>(std::move(bytes)));
}

Task<Result<void>> Store::make_snapshot(Snapshot described, SnapshotRecords records) {
    if (has_failed_) co_return ErrorCode::storage_error;
    Result<Snapshot> made = co_await snapshots_.make(std::move(described), std::move(records));
    if (made.ok()) {
        const Event event = SnapshotMade{*made};
        report(event);
        co_return Result<void>();
    }
    const ErrorCode code = made.error().code;
    if (code != ErrorCode::storage_full && code != ErrorCode::closed) fail(made.error());
    co_return made.error();
}

Task<Result<void>> Store::visit_snapshot(Snapshot snapshot, RecordVisitor visitor) {
    return snapshots_.visit(std::move(snapshot), std::move(visitor));
}

void Store::report(const std::optional<Event>& event) {
    if (event && !has_failed_) settings_.on_event(*event);
}

// Once for each time that it begins or ends.
void Store::note(bool* flag, bool is_set, const char* text) {
    if (std::exchange(*flag, is_set) == is_set) return;
    if (is_set) settings_.on_notice(fmt::format("{}: {}.", settings_.directory, text));
    if (!is_waiting_for_room() && settings_.on_relief) {
        settings_.on_relief(fmt::format("{}: {}.", settings_.directory, text));
    }
}

void Store::fail(const Error& error) {
    if (std::exchange(has_failed_, true)) return;
    queue_.clear();
    receiving_.clear();
    work_.set();
    received_.set();
    settings_.on_notice(fmt::format(
        "{}: {}. What is on the disk is not known any more: this voter neither votes nor leads until the daemon is "
        "started again. Look after the disk first.",
        settings_.directory, describe(error)));
    settings_.on_event(StorageFailed{});
}

Task<void> Store::close() {
    is_closing_ = true;
    work_.set();
    received_.set();
    co_await loops_.join();
    co_await snapshots_.close();
    if (journal_ != nullptr) co_await journal_->close();
}

}  // namespace ironbark::consensus
