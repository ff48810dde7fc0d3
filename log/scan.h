#pragma once
// Reading the frames of a segment from a known place on, and judging what stands behind the last good one. Recovery
// and verification are built on it. It reads, verifies and decides; it changes nothing.
//
// A frame is accepted with the expected offset and chain, an epoch not lower than the one before, an offset below the
// start of the next known epoch, and a good payload. Otherwise the log ends there:
//
//   what stands at the end          | verdict
//   zeros, or nothing               | clean end
//   a good frame of an earlier use  | left over: a clean end
//   anything else                   | torn: bytes that no sync had covered
//
// Unless there is a promise: a pad frame names the durable end that the log had when the pad was made, and every round
// of writes ends with one. A promise above the place where the frames end says that records which were durable are
// missing: the log is damaged, not torn. Promises are believed up to the start of the next known epoch, because a cut
// makes earlier ones void. A round never promises its own records, so those that count stand behind a block boundary.

#include <functional>
#include <memory>
#include <set>
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
    friend bool operator==(const ScanPlace&, const ScanPlace&) = default;
};

enum class ScanEnd : uint8_t { clean, left_over, torn, damaged };
const char* name(ScanEnd end);

struct ScanResult {
    ScanEnd end = ScanEnd::clean;  // never damaged: that takes a promise
    ScanPlace place;               // of the first frame that is not there
    Offset promised;               // by the pads passed
    ScanPlace proven;              // everything of this segment before it was promised
    uint64_t frames = 0;           // accepted
};

// What stands beyond the end of a log.
struct Beyond {
    Offset promised;         // highest promise; 0: none
    uint64_t stray_end = 0;  // end position of the last good frame of this log; 0: none
    uint64_t stray_records = 0;
};

using ScanVisitor = std::function<void(const record::FrameView& frame, uint64_t position)>;

// The first offset that frames of `epoch` must stay below, by the known epoch starts.
Offset epoch_limit(const std::vector<EpochStart>& starts, Epoch epoch);

// Whether a pad at `position`, behind a frame of `epoch`, belongs to this log: pads end on block boundaries, and those
// of an epoch that ended before were not written by this log's last life.
bool is_own_pad(const record::FrameView& frame, uint64_t position, Epoch epoch);

// A file read in windows: blocks that the disk cannot read are taken as zero, so that their checksums fail.
class WindowReader {
  public:
    WindowReader(File& file, BufferPool& buffers, uint64_t size, size_t window)
        : file_(file), buffers_(buffers), size_(size), window_(window) {}
    // The bytes from `position` on: at least `wanted`, or as many as there are before the end.
    Task<Result<Bytes>> at(uint64_t position, size_t wanted);
    // Takes bytes that were read before, from `begin` on, as its window. `begin` is a block's.
    void adopt(BufferSlice bytes, uint64_t begin);
    bool holds(uint64_t position, size_t size) const { return position >= begin_ && position + size <= end_; }
    // The slice behind what `at` returned last.
    BufferSlice slice(uint64_t position, size_t size) const;
    uint64_t size() const { return size_; }
    // Whether a block of the range was met that the disk could not read.
    bool was_unreadable(uint64_t begin, uint64_t end) const;
    size_t unreadable_blocks() const { return unreadable_.size(); }

  private:
    Task<void> fill(uint64_t from, BufferSlice into);

    File& file_;
    BufferPool& buffers_;
    uint64_t size_;
    size_t window_;
    BufferRef buffer_;
    uint64_t begin_ = 0;  // positions [begin_, end_) are in buffer_
    uint64_t end_ = 0;
    std::set<uint64_t> unreadable_;  // positions of blocks
};

// Scans one segment from `from` to its end, or to `limit` (then: clean, behind the pad that may stand at the limit, so
// that there is one position for a place). `visit` sees every accepted frame; its bytes are valid during the call.
Task<Result<ScanResult>> scan_segment(WindowReader* reader,
                                      uint64_t seed,
                                      ScanPlace from,
                                      Offset limit,
                                      std::vector<EpochStart> epoch_starts,
                                      ScanVisitor visit);

// Looks for promises and for good frames of this log in the `bytes` behind the place where a scan ended; until the
// first promise that shows damage.
Task<Result<Beyond>> look_beyond(
    WindowReader* reader, uint64_t seed, ScanPlace end, std::vector<EpochStart> epoch_starts, uint64_t bytes);

}  // namespace ironbark::log
