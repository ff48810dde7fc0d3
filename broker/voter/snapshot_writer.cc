#include "broker/voter/snapshot_writer.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/checksum.h"

namespace ironbark::consensus {

SnapshotWriter::SnapshotWriter(World& world, std::string path, std::unique_ptr<File> file)
    : world_(world),
      path_(std::move(path)),
      file_(std::move(file)),
      piece_(world.buffers.take(snapshot_piece_size), 0, snapshot_piece_size) {}

Task<Result<std::unique_ptr<SnapshotWriter>>> SnapshotWriter::create(World* world, std::string path) {
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(path, OpenMode::open_or_create, true));
    std::unique_ptr<SnapshotWriter> writer(new SnapshotWriter(*world, std::move(path), std::move(file)));
    Result<void> emptied = co_await writer->file_->truncate(0);
    if (!emptied.ok()) {
        co_await writer->close();
        co_return emptied.error();
    }
    co_return std::move(writer);
}

Task<Result<void>> SnapshotWriter::append(uint64_t position, Payload bytes) {
    ASSERT(position <= position_ && position_ - position <= bytes->size());
    for (size_t taken = position_ - position; taken < bytes->size();) {
        if (filled_ == snapshot_piece_size) CO_TRY_VOID(co_await write_piece());
        const size_t count = std::min<size_t>(bytes->size() - taken, snapshot_piece_size - filled_);
        std::memcpy(piece_.data() + filled_, bytes->data() + taken, count);
        filled_ += count;
        taken += count;
        position_ += count;
    }
    co_return Result<void>();
}

Task<Result<void>> SnapshotWriter::write_piece() {
    const uint64_t checksum = xxh3(piece_.bytes().first(filled_), 0);
    const uint64_t size = round_up(filled_, log::block_size);
    std::memset(piece_.data() + filled_, 0, size - filled_);
    std::vector<BufferSlice> slices{piece_.part(0, size)};
    CO_TRY_VOID(co_await write_fully(*file_, piece_position(pieces_.size()), std::move(slices), Sync::no));
    pieces_.push_back(checksum);
    filled_ = 0;
    co_return Result<void>();
}

Task<Result<uint64_t>> SnapshotWriter::finish() {
    if (filled_ > 0) CO_TRY_VOID(co_await write_piece());
    co_return checksum_of(pieces_, position_);
}

Task<Result<void>> SnapshotWriter::write_blocks(uint64_t position, std::vector<uint8_t> bytes) {
    std::vector<BufferSlice> slices{world_.buffers.copy_of(bytes)};
    co_return co_await write_fully(*file_, position, std::move(slices), Sync::no);
}

Task<Result<void>> SnapshotWriter::seal(Snapshot snapshot, Uuid owner) {
    ASSERT(filled_ == 0 && snapshot.size_bytes == position_ && snapshot.checksum == checksum_of(pieces_, position_));
    std::vector<uint8_t> table(table_size(position_));
    std::memcpy(table.data(), pieces_.data(), pieces_.size() * sizeof(uint64_t));
    CO_TRY_VOID(co_await write_blocks(table_position(position_), std::move(table)));
    CO_TRY_VOID(co_await write_blocks(0, encode_head(snapshot, owner)));
    Result<void> synced = co_await file_->sync();
    // There is no second sync, whatever the first one failed of.
    if (!synced.ok() && synced.error().code == ErrorCode::storage_full) co_return ErrorCode::io_error;
    co_return synced;
}

Task<void> SnapshotWriter::close() {
    if (file_ == nullptr) co_return;
    std::unique_ptr<File> file = std::move(file_);
    co_await file->close();
}

}  // namespace ironbark::consensus
