#pragma once
// The newest frames of a log, in memory: what is being filled, what waits to be written, and, as long as the shard's
// memory allows, what has been written, for the readers at the end. The bytes are laid out as in the file, so a write
// round takes them from here, and every reader shares them: one copy on the way in, none kept twice.
//
// Chunks are buffers of whole blocks. A frame lies in one chunk. A chunk is handed to a write only in whole blocks,
// after a pad frame has filled its last one; bytes handed out are never changed. Owned by a Log, plain state.

#include <deque>
#include <vector>

#include "log/record/frame.h"
#include "log/segment.h"
#include "runtime/io/buffer.h"

namespace ironbark::log {

struct TailFrame {
    Offset base;
    Offset next;
    uint32_t begin = 0;  // in the chunk
    uint32_t size = 0;
};

struct Chunk {
    BufferRef buffer;
    size_t capacity = 0;
    Offset segment_base;
    uint64_t position = 0;  // of the chunk's first byte in the segment's file
    size_t used = 0;        // bytes filled
    size_t written = 0;     // bytes that are in the file; a multiple of block_size
    bool closed = false;    // takes no more frames
    bool padded = false;    // ends with a pad frame
    std::vector<TailFrame> frames;
};

// Where the pad frame ends that must follow `used` bytes: on a block boundary, with room for a header. Frames that end
// on a block boundary by themselves are followed by one, too: recovery needs what it promises.
constexpr size_t pad_end(size_t used) { return round_up(used + record::frame_header_size, block_size); }

// Adds a slice to others; those that touch in one buffer become one.
void append_slice(std::vector<BufferSlice>& slices, BufferSlice slice);

class Tail {
  public:
    explicit Tail(BufferPool& buffers) : buffers_(buffers) {}

    bool empty() const { return chunks_.empty(); }
    std::deque<Chunk>& chunks() { return chunks_; }
    // Whether the newest chunk takes `size` more bytes, and a pad after them.
    bool has_room(size_t size) const;
    // Starts a chunk for a frame of `size` bytes at `position` of the segment. REQUIRES: the newest one is closed.
    void start_chunk(Offset segment_base, uint64_t position, size_t size);
    // Where the next frame goes. REQUIRES: has_room(size).
    MutableBytes reserve(size_t size);
    void commit(Offset base, Offset next, size_t size);
    // Ends what is in the newest chunk with a pad frame, unless it has just been. Returns how many bytes were added.
    size_t pad(uint64_t seed, Offset durable_end, Epoch epoch);
    void close_chunk();

    // The offset of the oldest frame here; `otherwise` if there is none.
    Offset first_offset(Offset otherwise) const;
    // Appends frames from the one holding `from`, below `limit`, up to `bytes_max` in all but at least one. Frames that
    // touch become one slice. Returns the offset after the last.
    Offset read(Offset from, Offset limit, size_t bytes_max, std::vector<BufferSlice>& out) const;

    size_t memory_bytes() const { return memory_bytes_; }
    size_t unwritten_bytes() const { return unwritten_bytes_; }
    // The oldest `bytes` of the segment that were not in the file are there now.
    void note_written(Offset segment_base, size_t bytes);
    // Forgets the oldest chunk if all of it has been written. Returns bytes freed; 0: nothing could go.
    size_t drop_oldest_written();
    // Forgets everything.
    void clear();

  private:
    BufferPool& buffers_;
    std::deque<Chunk> chunks_;
    size_t memory_bytes_ = 0;
    size_t unwritten_bytes_ = 0;
    size_t next_capacity_ = chunk_size_min;
};

}  // namespace ironbark::log
