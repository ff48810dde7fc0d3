#pragma once
// Reads the file of a snapshot. Opening verifies the head and the table of pieces; what is read is verified piece by
// piece, and nothing that fails is given out (corrupt_data). One owner, one executor, one call at a time.

#include <memory>
#include <string>

#include "broker/voter/snapshot_head.h"
#include "runtime/io/world.h"

namespace ironbark::consensus {

class SnapshotReader {
  public:
    // Errors: corrupt_data, foreign_data, those of the disk.
    static Task<Result<std::unique_ptr<SnapshotReader>>> open(World* world, std::string path, Uuid owner);

    const Snapshot& snapshot() const { return snapshot_; }
    // At most `size` bytes; fewer at the end.
    Task<Result<std::vector<uint8_t>>> read(uint64_t position, uint64_t size);
    // Reads all of it. Suspends at every piece.
    Task<Result<void>> verify();
    Task<void> close();

  private:
    SnapshotReader(World& world, std::unique_ptr<File> file) : world_(world), file_(std::move(file)) {}
    Task<Result<void>> load(Uuid owner);
    Task<Result<BufferSlice>> read_blocks(uint64_t position, uint64_t size);
    Task<Result<BufferSlice>> read_piece(uint64_t piece);

    World& world_;
    std::unique_ptr<File> file_;
    Snapshot snapshot_;
    PieceChecksums pieces_;
};

}  // namespace ironbark::consensus
