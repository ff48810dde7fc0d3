#pragma once
// Writes the file of a snapshot under a temporary name, from bytes that come in parts of any size, in memory of one
// piece; then seals it: everything synced, the head with the snapshot's name last. It becomes a snapshot of this voter
// when it is renamed (Snapshots), and until then it counts for nothing.
//
// One owner, one executor, one call at a time. After storage_full a call may be repeated, with what it had not taken;
// another error is final.

#include <memory>
#include <string>

#include "broker/voter/snapshot_head.h"
#include "runtime/io/world.h"

namespace ironbark::consensus {

class SnapshotWriter {
  public:
    // Begins the file, in place of whatever has its name.
    static Task<Result<std::unique_ptr<SnapshotWriter>>> create(World* world, std::string path);

    // Takes the bytes from `position` on: suspends while full pieces are written. REQUIRES: position <=
    // this->position()
    Task<Result<void>> append(uint64_t position, Payload bytes);
    uint64_t position() const { return position_; }  // how many bytes were taken

    // Suspends until all pieces are written; then their checksum is known.
    Task<Result<uint64_t>> finish();
    // Suspends until the file is on disk under its temporary name. REQUIRES: finished; size and checksum as it is
    Task<Result<void>> seal(Snapshot snapshot, Uuid owner);
    const std::string& path() const { return path_; }
    Task<void> close();

  private:
    SnapshotWriter(World& world, std::string path, std::unique_ptr<File> file);
    Task<Result<void>> write_piece();
    Task<Result<void>> write_blocks(uint64_t position, std::vector<uint8_t> bytes);

    World& world_;
    std::string path_;
    std::unique_ptr<File> file_;
    BufferSlice piece_;  // being filled
    size_t filled_ = 0;
    uint64_t position_ = 0;
    PieceChecksums pieces_;  // of those that are written
};

}  // namespace ironbark::consensus
