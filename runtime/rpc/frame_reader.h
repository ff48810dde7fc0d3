#pragma once
// Reads frames from a socket, for servers and clients alike: sizes are checked before anything is believed, memory is
// taken before it is filled, the checksum is verified before a frame is handed on. Owned by the one coroutine that
// reads the connection.
//
// Small frames share a block that is read ahead; a frame that does not fit gets a block of its own, of its exact size,
// and the socket fills it directly. Whoever waits for memory holds at most one block that was taken while memory was
// plentiful, or one of the smallest: see ServerLimits for why this cannot come to a standstill.

#include <cstdint>
#include <functional>

#include "runtime/io/world.h"
#include "runtime/rpc/frame.h"
#include "runtime/rpc/memory.h"
#include "runtime/rpc/refusal.h"
#include "runtime/rpc/socket_deadline.h"
#include "runtime/rpc/traffic.h"

namespace ironbark::rpc {

// Blocks for reading ahead: they grow while they are filled at once and shrink when they are not.
constexpr size_t read_ahead_min = 4 << 10;
constexpr size_t read_ahead_max = 64 << 10;

struct ReadLimits {
    size_t frame_size_max = rpc::frame_size_max;
    Duration header_time_max = 10s;  // from a header's first byte to its last
    // A body may take this long, and the time that its bytes need at this rate.
    Duration body_time_grace = 10s;
    uint64_t body_bytes_per_second_min = 64 << 10;
};

// Below this a payload is there before anything could be made of knowing its head.
constexpr size_t preview_payload_size_min = 32 << 10;

// A frame as it was received: its checksum holds, its metadata is aligned and still to be verified.
struct Frame {
    FrameHeader header;
    BufferSlice metadata;
    BufferSlice payload;
    Block memory;  // what it lies in
    Instant received;
};

class FrameReader {
  public:
    // Told a frame's head, its checksum verified, the metadata aligned, while the payload is still on the way.
    using Preview = std::function<void(const FrameHeader& header, Bytes metadata)>;

    // `budget` may be null: then memory is not counted (a client, which bounds its requests instead).
    FrameReader(World& world, Socket& socket, ReadLimits limits, MemoryBudget* budget, Traffic& traffic);
    FrameReader(const FrameReader&) = delete;
    FrameReader& operator=(const FrameReader&) = delete;

    // Suspends until a whole frame is there. Anything but Refusal::none is final: the bytes that follow mean nothing.
    Task<Refusal> next(Frame* frame);

    // Called, at most once a frame, within `next`, for large frames that did not come in one piece.
    void on_head(Preview preview) { preview_ = std::move(preview); }
    void set_frame_size_max(size_t size) { limits_.frame_size_max = size; }
    // Reads and drops until the peer closes or the socket is closed.
    Task<void> drain();

  private:
    Task<Refusal> fill(size_t size);
    Task<Refusal> preview(const FrameHeader& header);
    Task<Refusal> change_block(size_t size);
    void begin_frame();
    void drop_block();
    Refusal take(const FrameHeader& header, Frame* frame);
    size_t wanted_size(size_t size) const;
    void adapt(size_t room, size_t received);
    Instant body_deadline(uint64_t size) const;
    size_t available() const { return end_ - begin_; }
    Bytes bytes() const { return {block_.buffer()->data() + begin_, available()}; }

    World& world_;
    Socket& socket_;
    ReadLimits limits_;
    MemoryBudget* budget_;
    Traffic& traffic_;
    SocketDeadline deadline_;
    Preview preview_;

    Block block_;
    size_t capacity_ = 0;  // of the block, as far as it is used
    size_t begin_ = 0;     // what was received and not yet handed on: [begin_, end_)
    size_t end_ = 0;
    size_t read_ahead_ = read_ahead_min;
    bool in_body_ = false;
};

}  // namespace ironbark::rpc
