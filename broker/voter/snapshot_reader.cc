#include "broker/voter/snapshot_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "runtime/base/checksum.h"

namespace ironbark::consensus {
namespace {

constexpr Error cut_off(ErrorCode::corrupt_data, "it is not as long as it says");

}  // namespace

Task<Result<std::unique_ptr<SnapshotReader>>> SnapshotReader::open(World* world, std::string path, Uuid owner) {
    CO_TRY(std::unique_ptr<File> file, co_await world->disk.open(std::move(path), OpenMode::read, true));
    std::unique_ptr<SnapshotReader> reader(new SnapshotReader(*world, std::move(file)));
    Result<void> loaded = co_await reader->load(owner);
    if (!loaded.ok()) {
        co_await reader->close();
        co_return loaded.error();
    }
    co_return std::move(reader);
}

Task<Result<void>> SnapshotReader::load(Uuid owner) {
    CO_TRY(const uint64_t file_size, co_await file_->size());
    CO_TRY(BufferSlice head, co_await read_blocks(0, log::block_size));
    CO_TRY(snapshot_, decode_head(head.bytes(), owner));
    const uint64_t size = snapshot_.size_bytes;
    // The length of the file bounds the table before any memory is taken for it.
    if (size == 0 || size > file_size || table_position(size) + table_size(size) != file_size) co_return cut_off;
    CO_TRY(BufferSlice table, co_await read_blocks(table_position(size), table_size(size)));
    pieces_.resize(piece_count(size));
    std::memcpy(pieces_.data(), table.data(), pieces_.size() * sizeof(uint64_t));
    if (checksum_of(pieces_, size) != snapshot_.checksum) {
        co_return Error(ErrorCode::corrupt_data, "its table of checksums is damaged");
    }
    co_return Result<void>();
}

Task<Result<BufferSlice>> SnapshotReader::read_blocks(uint64_t position, uint64_t size) {
    BufferSlice into(world_.buffers.take(size), 0, size);
    CO_TRY(size_t count, co_await read_fully(*file_, position, into));
    if (count != size) co_return cut_off;
    co_return into;
}

Task<Result<BufferSlice>> SnapshotReader::read_piece(uint64_t piece) {
    const uint64_t size = std::min(snapshot_piece_size, snapshot_.size_bytes - piece * snapshot_piece_size);
    CO_TRY(BufferSlice blocks, co_await read_blocks(piece_position(piece), round_up(size, log::block_size)));
    if (xxh3(blocks.bytes().first(size), 0) != pieces_[piece]) {
        co_return Error(ErrorCode::corrupt_data, "its bytes are damaged");
    }
    co_return blocks.part(0, size);
}

Task<Result<std::vector<uint8_t>>> SnapshotReader::read(uint64_t position, uint64_t size) {
    std::vector<uint8_t> bytes;
    position = std::min(position, snapshot_.size_bytes);
    const uint64_t end = position + std::min(size, snapshot_.size_bytes - position);
    while (position < end) {
        CO_TRY(BufferSlice piece, co_await read_piece(position / snapshot_piece_size));
        const uint64_t begin = position % snapshot_piece_size;
        const uint64_t count = std::min(piece.size - begin, end - position);
        bytes.insert(bytes.end(), piece.data() + begin, piece.data() + begin + count);
        position += count;
    }
    co_return bytes;
}

Task<Result<void>> SnapshotReader::verify() {
    for (uint64_t piece = 0; piece < pieces_.size(); ++piece) {
        Result<BufferSlice> read = co_await read_piece(piece);
        CO_TRY_VOID(read);
    }
    co_return Result<void>();
}

Task<void> SnapshotReader::close() {
    if (file_ == nullptr) co_return;
    std::unique_ptr<File> file = std::move(file_);
    co_await file->close();
}

}  // namespace ironbark::consensus
