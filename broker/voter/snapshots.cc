#include "broker/voter/snapshots.h"

#include <algorithm>
#include <utility>

#include "runtime/base/encoding.h"

namespace ironbark::consensus {
namespace {

Payload as_payload(std::vector<uint8_t> bytes) {
    return std::make_shared<const std::vector<uint8_t>>(std::move(bytes));
}

Payload encode_number(size_t number) {
    Encoder encoder;
    encoder.number(static_cast<uint32_t>(number));
    return as_payload(encoder.take());
}

}  // namespace

Snapshots::Snapshots(World* world, std::string directory, Uuid owner)
    : world_(*world),
      directory_(std::move(directory)),
      owner_(owner),
      making_(world->executor),
      adopting_(world->executor),
      reading_(world->executor) {}

LogIndex Snapshots::previous() const {
    if (!newest_) return {};
    auto newest = std::find(places_.begin(), places_.end(), place_of(*newest_));
    return newest == places_.begin() ? LogIndex() : std::prev(newest)->last_index;
}

Task<Result<void>> Snapshots::write(WriteSnapshotChunk chunk) {
    if (chunk.position == 0) {
        co_await drop_received();
        CO_TRY(received_, co_await SnapshotWriter::create(&world_, path_in(received_name)));
        received_name_ = chunk.snapshot;
    }
    ASSERT(received_ != nullptr && received_name_.is_same(chunk.snapshot));
    co_return co_await received_->append(chunk.position, chunk.bytes);
}

Task<Result<bool>> Snapshots::install(Snapshot snapshot) {
    ASSERT(received_ != nullptr && received_name_.is_same(snapshot) && received_->position() == snapshot.size_bytes);
    CO_TRY(const uint64_t checksum, co_await received_->finish());
    if (checksum != snapshot.checksum) {
        co_await drop_received();
        Result<void> removed = co_await world_.disk.remove(path_in(received_name));
        CO_TRY_VOID(removed);
        co_return false;
    }
    CO_TRY_VOID(co_await received_->seal(snapshot, owner_));
    CO_TRY_VOID(co_await adopt(received_.get(), snapshot));
    co_await drop_received();
    co_return true;
}

Task<Result<Snapshot>> Snapshots::make(Snapshot snapshot, SnapshotRecords records) {
    std::optional<Units> held = co_await making_.lock();
    if (!held) co_return ErrorCode::closed;
    CO_TRY(std::unique_ptr<SnapshotWriter> writer, co_await SnapshotWriter::create(&world_, path_in(made_name)));
    Result<Snapshot> made = co_await fill(writer.get(), std::move(snapshot), std::move(records));
    co_await writer->close();
    // It gives back the room it took; if that fails, the next one writes over it.
    if (!made.ok()) (void)co_await world_.disk.remove(path_in(made_name));
    co_return made;
}

Task<Result<Snapshot>> Snapshots::fill(SnapshotWriter* writer, Snapshot snapshot, SnapshotRecords records) {
    CO_TRY_VOID(co_await writer->append(0, encode_number(records.size())));
    for (std::vector<uint8_t>& record : records) {
        ASSERT(record.size() <= snapshot_record_size_max);
        CO_TRY_VOID(co_await writer->append(writer->position(), encode_number(record.size())));
        CO_TRY_VOID(co_await writer->append(writer->position(), as_payload(std::move(record))));
    }
    CO_TRY(snapshot.checksum, co_await writer->finish());
    snapshot.size_bytes = writer->position();
    CO_TRY_VOID(co_await writer->seal(snapshot, owner_));
    CO_TRY_VOID(co_await adopt(writer, snapshot));
    co_return snapshot;
}

// The file is on disk; now it gets its name.
Task<Result<void>> Snapshots::adopt(SnapshotWriter* writer, Snapshot snapshot) {
    std::optional<Units> held = co_await adopting_.lock();
    if (!held) co_return ErrorCode::closed;
    const SnapshotPlace place = place_of(snapshot);
    CO_TRY_VOID(co_await world_.disk.rename(writer->path(), path_of(place)));
    Result<void> synced = co_await world_.disk.sync_directory(directory_);
    // A sync is not tried again, whatever it failed of.
    if (!synced.ok()) co_return Error(ErrorCode::io_error, "", synced.error().system_errno);
    if (reader_ != nullptr && place_of(reader_->snapshot()) == place) is_reader_stale_ = true;
    auto at = std::lower_bound(places_.begin(), places_.end(), place);
    if (at == places_.end() || *at != place) places_.insert(at, place);
    if (!newest_ || place_of(*newest_) <= place) newest_ = std::move(snapshot);
    co_return co_await remove_superseded();
}

Task<Result<void>> Snapshots::remove_superseded() {
    const SnapshotPlace newest = place_of(*newest_);
    // A damaged one that was passed over is no use to anybody once there is a newer one.
    std::vector<SnapshotPlace> kept;
    std::vector<SnapshotPlace> removed;
    for (auto place = places_.rbegin(); place != places_.rend(); ++place) {
        bool is_damaged = std::find(damaged_.begin(), damaged_.end(), *place) != damaged_.end() && *place != newest;
        bool is_kept = *place > newest || (!is_damaged && kept.size() < 2);
        if (is_kept && *place <= newest) kept.push_back(*place);
        if (!is_kept) removed.push_back(*place);
    }
    for (const SnapshotPlace& place : removed) {
        Result<void> done = co_await world_.disk.remove(path_of(place));
        if (!done.ok() && done.error().code != ErrorCode::not_found) co_return done;
        std::erase(places_, place);
    }
    co_return Result<void>();
}

Task<Result<std::unique_ptr<SnapshotReader>>> Snapshots::open_reader(Snapshot snapshot) {
    CO_TRY(std::unique_ptr<SnapshotReader> reader,
           co_await SnapshotReader::open(&world_, path_of(place_of(snapshot)), owner_));
    if (!reader->snapshot().is_same(snapshot)) {
        co_await reader->close();
        co_return Error(ErrorCode::not_found, "there is another snapshot in its place");
    }
    co_return std::move(reader);
}

Task<Result<std::vector<uint8_t>>> Snapshots::read(Snapshot snapshot, uint64_t position, uint64_t size) {
    std::optional<Units> held = co_await reading_.lock();
    if (!held) co_return ErrorCode::closed;
    const bool is_open = reader_ != nullptr && !is_reader_stale_ && reader_->snapshot().is_same(snapshot);
    if (!is_open) co_await drop_reader();
    if (reader_ == nullptr) {
        CO_TRY(reader_, co_await open_reader(snapshot));
    }
    co_return co_await reader_->read(position, size);
}

Task<void> Snapshots::drop_reader() {
    is_reader_stale_ = false;
    if (reader_ == nullptr) co_return;
    co_await reader_->close();
    reader_.reset();
}

Task<void> Snapshots::drop_received() {
    if (received_ == nullptr) co_return;
    co_await received_->close();
    received_.reset();
}

Task<void> Snapshots::close() {
    making_.close();
    adopting_.close();
    std::optional<Units> held = co_await reading_.lock();
    reading_.close();
    co_await drop_received();
    co_await drop_reader();
}

}  // namespace ironbark::consensus
