#pragma once
// Reading the frames of a segment from a known place on, and judging what stands behind the last good one. Recovery
// and verification are built on it. It reads, verifies and decides; it changes nothing.
//
// A frame is accepted with the expected offset and chain, an epoch not lower than the one before, an offset below the
// start of the next known epoch, and a good payload. Otherwise the log ends there, and what follows decides how:
//
//   what stands at the end          | a later promise beyond it | verdict
//   zeros, or nothing               | no                        | clean end
//   a good frame of an earlier use  | no                        | left over: a clean end
//   anything else                   | no                        | torn: bytes that no sync had covered
//   any                             | yes                       | damaged: records that were durable are missing
//
// A promise is a pad frame that names a durable end above the place (every round is closed by a pad that says how far
// the log was synced when it was made). It is believed up to the start of the next known epoch, because a cut makes
// earlier promises void.

#include <functional>
#include <memory>
#include <vector>

#include "log/limits.h"
#include "log/marks.h"
#include "log/record/frame.h"
#include "runtime/io/world.h"

namespace ironbark::log {

// What the next frame must be, and where.
struct ScanPlace {
    Offset offset;
    uint64_t position = block_size;
    uint64_t chain = 0;
    Epoch epoch{-1};
};

enum class ScanEnd : uint8_t { clean, left_over, torn, damaged };
const char* name(ScanEnd end);

struct ScanResult {
    ScanEnd end = ScanEnd::clean;
    ScanPlace place;          // of the first frame that is not there
    Offset promised;          // highest promise found beyond it (0: none)
    uint64_t frames = 0;      // accepted
    uint64_t stray_end = 0;   // end position of the last good frame of this log beyond the place; 0: none
    uint64_t stray_records = 0;
};

using ScanVisitor = std::function<void(const record::FrameView& frame, uint64_t position)>;

// The first offset that frames of `epoch` must stay below, by the known epoch starts.
Offset epoch_limit(const std::vector<EpochStart>& starts, Epoch epoch);

// A file read in windows: blocks that the disk cannot read are taken as zero, so that their checksums fail.
class WindowReader {
  public:
    WindowReader(File& file, BufferPool& buffers, uint64_t size, size_t window)
        : file_(file), buffers_(buffers), size_(size), window_(window) {}
    // The bytes from `position` on: at least `wanted`, or as many as there are before the end.
    Task<Result<Bytes>> at(uint64_t position, size_t wanted);
    bool holds(uint64_t position, size_t size) const { return position >= begin_ && position + size <= end_; }
    // The slice behind what `at` returned last.
    BufferSlice slice(uint64_t position, size_t size) const;
    uint64_t size() const { return size_; }
    uint64_t unreadable_blocks() const { return unreadable_blocks_; }

  private:
    Task<void> fill(uint64_t from, BufferSlice into);

    File& file_;
    BufferPool& buffers_;
    uint64_t size_;
    size_t window_;
    BufferRef buffer_;
    uint64_t begin_ = 0;  // positions [begin_, end_) are in buffer_
    uint64_t end_ = 0;
    uint64_t unreadable_blocks_ = 0;
};

// Scans one segment from `from` to its end, or to `limit` (then: clean, at the limit). `visit` sees every accepted
// frame; its bytes are valid during the call.
Task<Result<ScanResult>> scan_segment(WindowReader* reader, uint64_t seed, ScanPlace from, Offset limit,
                                      std::vector<EpochStart> epoch_starts, ScanVisitor visit);

}  // namespace ironbark::log
