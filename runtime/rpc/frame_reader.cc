#include "runtime/rpc/frame_reader.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "runtime/rpc/method.h"

namespace ironbark::rpc {

FrameReader::FrameReader(World& world, Socket& socket, ReadLimits limits, MemoryBudget* budget, Traffic& traffic)
    : world_(world),
      socket_(socket),
      limits_(limits),
      budget_(budget),
      traffic_(traffic),
      deadline_(world.executor, socket) {}

Task<Refusal> FrameReader::next(Frame* frame) {
    begin_frame();
    FrameHeader header;
    Refusal refusal = co_await fill(frame_header_size);
    if (refusal == Refusal::none) refusal = decode(bytes(), limits_.frame_size_max, &header);
    if (refusal == Refusal::none && available() < header.frame_size()) {
        in_body_ = true;
        // The start of a frame that gets its own block is copied there: not more than needed.
        if (header.frame_size() > read_ahead_max) read_ahead_ = read_ahead_min;
        deadline_.arm(body_deadline(header.body_size));
        if (preview_ && header.payload_size() >= preview_payload_size_min) refusal = co_await preview(header);
        if (refusal == Refusal::none) refusal = co_await fill(header.frame_size());
    }
    deadline_.disarm();
    if (refusal == Refusal::none) refusal = take(header, frame);
    co_return refusal;
}

void FrameReader::begin_frame() {
    in_body_ = false;
    if (available() > 0) {
        deadline_.arm(world_.executor.now() + limits_.header_time_max);
        return;
    }
    if (!block_) return;
    bool is_unique = block_.is_unique();
    // Where a frame begins aligned, so does its metadata.
    begin_ = end_ = is_unique ? 0 : std::min(capacity_, round_up(end_, metadata_alignment));
    bool is_nearly_full = capacity_ - end_ < capacity_ / 4;
    if (is_unique ? capacity_ != wanted_size(frame_header_size) : is_nearly_full) drop_block();
}

void FrameReader::drop_block() {
    block_ = Block();
    capacity_ = begin_ = end_ = 0;
}

// Suspends until the first `size` bytes of the current frame are there, in one piece.
Task<Refusal> FrameReader::fill(size_t size) {
    while (available() < size) {
        if (begin_ + size > capacity_) {
            Refusal refusal = co_await change_block(size);
            if (refusal != Refusal::none) co_return refusal;
        }
        size_t room = capacity_ - end_;
        BufferSlice into(block_.buffer(), end_, room);
        Result<size_t> count = co_await socket_.receive(std::move(into));
        if (deadline_.has_expired()) co_return in_body_ ? Refusal::body_timeout : Refusal::header_timeout;
        if (!count.ok() || *count == 0) co_return Refusal::peer_closed;
        end_ += *count;
        traffic_.bytes_in += *count;
        adapt(room, *count);
        if (!deadline_.is_armed()) deadline_.arm(world_.executor.now() + limits_.header_time_max);
        // A stranger is told at once, not when it has sent as much as our header has.
        if (!in_body_ && available() >= 4) {
            if (Refusal stranger = classify(bytes()); stranger != Refusal::none) co_return stranger;
        }
    }
    co_return Refusal::none;
}

// Receives the head of a frame, into a block that holds all of it, and tells it.
Task<Refusal> FrameReader::preview(const FrameHeader& header) {
    if (begin_ + header.frame_size() > capacity_) {
        Refusal refusal = co_await change_block(header.frame_size());
        if (refusal != Refusal::none) co_return refusal;
    }
    const size_t head_size = frame_header_size + header.metadata_size;
    Refusal refusal = co_await fill(head_size);
    if (refusal == Refusal::none && !verify_checksum(bytes(), header)) refusal = Refusal::checksum;
    if (refusal != Refusal::none) co_return refusal;
    Bytes metadata = bytes().subspan(frame_header_size, header.metadata_size);
    std::vector<uint64_t> aligned;
    if (reinterpret_cast<uintptr_t>(metadata.data()) % metadata_alignment != 0) {
        aligned.resize(round_up(metadata.size(), sizeof(uint64_t)) / sizeof(uint64_t));
        std::memcpy(aligned.data(), metadata.data(), metadata.size());
        metadata = {reinterpret_cast<const uint8_t*>(aligned.data()), metadata.size()};
    }
    preview_(header, metadata);
    co_return Refusal::none;
}

// Makes room for `size` bytes from `begin_` on, keeping what is there. The time spent waiting for our own memory does
// not count against the peer.
Task<Refusal> FrameReader::change_block(size_t size) {
    if (block_ && size <= capacity_ && block_.is_unique()) {
        std::memmove(block_.buffer()->data(), block_.buffer()->data() + begin_, available());
        end_ = available();
        begin_ = 0;
        co_return Refusal::none;
    }
    if (available() == 0) drop_block();
    bool was_armed = deadline_.is_armed();
    deadline_.disarm();
    size_t capacity = wanted_size(size);
    std::optional<Units> units(std::in_place);
    if (budget_ != nullptr) units = co_await budget_->take(block_size_for(capacity));
    if (!units) co_return Refusal::stopping;
    if (was_armed) deadline_.arm(in_body_ ? body_deadline(size) : world_.executor.now() + limits_.header_time_max);
    Block fresh(world_.buffers.take(capacity), std::move(*units));
    if (available() > 0) std::memcpy(fresh.buffer()->data(), bytes().data(), available());
    end_ = available();
    begin_ = 0;
    block_ = std::move(fresh);
    capacity_ = capacity;
    co_return Refusal::none;
}

size_t FrameReader::wanted_size(size_t size) const {
    bool is_short = budget_ != nullptr && budget_->is_short();
    return std::max(size, is_short ? read_ahead_min : read_ahead_);
}

void FrameReader::adapt(size_t room, size_t received) {
    if (received == room && !in_body_) {
        read_ahead_ = std::min(read_ahead_ * 2, read_ahead_max);
    } else if (received < read_ahead_ / 4) {
        read_ahead_ = std::max(read_ahead_ / 2, read_ahead_min);
    }
}

Instant FrameReader::body_deadline(uint64_t size) const {
    auto needed = std::chrono::milliseconds(size * 1000 / limits_.body_bytes_per_second_min);
    return world_.executor.now() + limits_.body_time_grace + needed;
}

// Hands on the frame at `begin_`, which is there as a whole.
Refusal FrameReader::take(const FrameHeader& header, Frame* frame) {
    if (!verify_checksum(bytes(), header)) return Refusal::checksum;
    size_t metadata = begin_ + frame_header_size;
    // Metadata must lie aligned: it is moved down into its frame's header, which has been read.
    size_t shift = metadata % metadata_alignment;
    uint8_t* data = block_.buffer()->data();
    if (shift != 0) std::memmove(data + metadata - shift, data + metadata, header.metadata_size);
    frame->header = header;
    frame->metadata = BufferSlice(block_.buffer(), metadata - shift, header.metadata_size);
    frame->payload = BufferSlice(block_.buffer(), metadata + header.metadata_size, header.payload_size());
    frame->memory = block_;
    frame->received = world_.executor.now();
    begin_ += header.frame_size();
    // A block that was made for one frame goes with it.
    if (capacity_ > read_ahead_max) {
        ASSERT(available() == 0);
        drop_block();
    }
    return Refusal::none;
}

Task<void> FrameReader::drain() {
    BufferSlice into(world_.buffers.take(read_ahead_min), 0, read_ahead_min);
    while (true) {
        Result<size_t> count = co_await socket_.receive(into);
        if (!count.ok() || *count == 0) co_return;
        traffic_.bytes_in += *count;
    }
}

}  // namespace ironbark::rpc
