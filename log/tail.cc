#include "log/tail.h"

#include <algorithm>

namespace ironbark::log {

void append_slice(std::vector<BufferSlice>& slices, BufferSlice slice) {
    bool touches = !slices.empty() && &*slices.back().buffer == &*slice.buffer &&
                   slices.back().begin + slices.back().size == slice.begin;
    if (touches) {
        slices.back().size += slice.size;
    } else {
        slices.push_back(std::move(slice));
    }
}

bool Tail::has_room(size_t size) const {
    if (chunks_.empty() || chunks_.back().closed) return false;
    return pad_end(chunks_.back().used + size) <= chunks_.back().capacity;
}

void Tail::start_chunk(Offset segment_base, uint64_t position, size_t size) {
    ASSERT(chunks_.empty() || chunks_.back().closed);
    ASSERT(position % block_size == 0);
    Chunk chunk;
    chunk.buffer = buffers_.take(std::max(next_capacity_, pad_end(size)));
    chunk.capacity = chunk.buffer->size();
    chunk.segment_base = segment_base;
    chunk.position = position;
    memory_bytes_ += chunk.capacity;
    chunks_.push_back(std::move(chunk));
    next_capacity_ = std::min(chunk_size_max, next_capacity_ * 4);
}

MutableBytes Tail::reserve(size_t size) {
    ASSERT(has_room(size));
    Chunk& chunk = chunks_.back();
    return {chunk.buffer->data() + chunk.used, size};
}

void Tail::commit(Offset base, Offset next, size_t size) {
    Chunk& chunk = chunks_.back();
    chunk.frames.push_back({base, next, static_cast<uint32_t>(chunk.used), static_cast<uint32_t>(size)});
    chunk.used += size;
    chunk.padded = false;
    unwritten_bytes_ += size;
}

size_t Tail::pad(uint64_t seed, Offset durable_end, Epoch epoch) {
    Chunk& chunk = chunks_.back();
    if (chunk.padded) return 0;
    size_t end = pad_end(chunk.used);
    ASSERT(end <= chunk.capacity);
    size_t size = end - chunk.used;
    record::make_pad({chunk.buffer->data() + chunk.used, size}, seed, durable_end, epoch);
    chunk.used = end;
    chunk.padded = true;
    unwritten_bytes_ += size;
    return size;
}

void Tail::close_chunk() {
    ASSERT(!chunks_.empty() && chunks_.back().padded);
    chunks_.back().closed = true;
}

Offset Tail::first_offset(Offset otherwise) const {
    for (const Chunk& chunk : chunks_) {
        if (!chunk.frames.empty()) return chunk.frames.front().base;
    }
    return otherwise;
}

Offset Tail::read(Offset from, Offset limit, size_t bytes_max, std::vector<BufferSlice>& out) const {
    auto chunk = std::partition_point(chunks_.begin(), chunks_.end(), [&](const Chunk& candidate) {
        return candidate.frames.empty() || candidate.frames.back().next <= from;
    });
    Offset reached = from;
    size_t taken = 0;
    for (; chunk != chunks_.end(); ++chunk) {
        auto frame = std::partition_point(chunk->frames.begin(), chunk->frames.end(),
                                          [&](const TailFrame& candidate) { return candidate.next <= from; });
        for (; frame != chunk->frames.end(); ++frame) {
            if (frame->next > limit || (taken > 0 && taken + frame->size > bytes_max)) return reached;
            append_slice(out, BufferSlice(chunk->buffer, frame->begin, frame->size));
            taken += frame->size;
            reached = frame->next;
        }
    }
    return reached;
}

void Tail::note_written(Offset segment_base, size_t bytes) {
    ASSERT(bytes <= unwritten_bytes_);
    unwritten_bytes_ -= bytes;
    for (Chunk& chunk : chunks_) {
        if (bytes == 0) return;
        if (chunk.written == chunk.used || chunk.segment_base != segment_base) continue;
        // The newest chunk may have grown behind what was written.
        size_t part = std::min(bytes, chunk.used - chunk.written);
        chunk.written += part;
        bytes -= part;
    }
    ASSERT(bytes == 0);
}

size_t Tail::drop_oldest_written() {
    if (chunks_.empty()) return 0;
    Chunk& oldest = chunks_.front();
    if (oldest.written < oldest.used) return 0;
    size_t freed = oldest.capacity;
    chunks_.pop_front();
    memory_bytes_ -= freed;
    if (chunks_.empty()) next_capacity_ = chunk_size_min;
    return freed;
}

void Tail::clear() {
    chunks_.clear();
    memory_bytes_ = 0;
    unwritten_bytes_ = 0;
    next_capacity_ = chunk_size_min;
}

}  // namespace ironbark::log
