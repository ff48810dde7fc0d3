#pragma once
// Sends frames over a socket in the order in which they are pushed; what is pushed while a send is in flight goes out
// together with the next one. Headers and metadata are copied into blocks of its own, payloads are sent from where they
// are. `push` never suspends: its callers watch `backlog_bytes`. Belongs to one connection.
//
// A frame is *handed over* as soon as the socket may have seen any of it. One that was not handed over when the
// connection ended was certainly never sent.

#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/rpc/frame.h"
#include "runtime/rpc/socket_deadline.h"
#include "runtime/rpc/traffic.h"
#include "runtime/task/sync.h"

namespace ironbark::rpc {

// One call of Socket::send: enough to make its cost small, and little enough to see whether the peer reads.
constexpr size_t send_bytes_max = 1 << 20;
constexpr size_t send_slices_max = 512;  // well below IOV_MAX (1024)
constexpr size_t output_block_size = 16 << 10;

struct WriteLimits {
    // One send may take this long, and the time that its bytes need at this rate; then the peer does not read.
    Duration send_time_grace = 10s;
    uint64_t send_bytes_per_second_min = 64 << 10;
};

class FrameWriter {
  public:
    FrameWriter(World& world, Socket& socket, WriteLimits limits, Traffic& traffic);
    FrameWriter(const FrameWriter&) = delete;
    FrameWriter& operator=(const FrameWriter&) = delete;

    // Queues a frame and returns its number, from 0. Sizes and checksum of the header are filled in. `held` is given
    // back when the frame was sent. After `run` has ended, what is pushed is dropped.
    uint64_t push(FrameHeader header, Bytes metadata, std::vector<BufferSlice> payload, Units held = {});
    // Queues bytes that are no frame (an answer to a stranger).
    void push_raw(Bytes bytes);

    // Takes a frame out of the queue again, if it was not handed over: then it is never sent.
    bool withdraw(uint64_t number);
    bool was_handed_over(uint64_t number) const { return number < handed_over_; }
    size_t backlog_bytes() const { return backlog_bytes_; }

    // Lets `run` end when everything was sent.
    void finish();
    // Sends until finished (true) or until a send fails (false).
    Task<bool> run();
    // Whether a send took too long, which closed the socket.
    bool has_stalled() const { return deadline_.has_expired(); }

  private:
    struct Entry {
        uint64_t number;
        BufferSlice head;
        std::vector<BufferSlice> payload;
        size_t size;
        Units held;
    };
    BufferSlice reserve_head(size_t size);
    void queue(BufferSlice head, std::vector<BufferSlice> payload, Units held);
    std::vector<BufferSlice> gather(std::vector<Entry>* entries);
    Task<bool> send(std::vector<BufferSlice> slices);
    void drop_queue();

    World& world_;
    Socket& socket_;
    WriteLimits limits_;
    Traffic& traffic_;
    SocketDeadline deadline_;
    Event work_;  // set while there is something to send, or to end for

    std::deque<Entry> queue_;
    uint64_t pushed_ = 0;
    uint64_t handed_over_ = 0;
    size_t backlog_bytes_ = 0;
    bool finishing_ = false;
    bool ended_ = false;

    BufferRef block_;
    size_t block_used_ = 0;
};

}  // namespace ironbark::rpc
