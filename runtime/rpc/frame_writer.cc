#include "runtime/rpc/frame_writer.h"

#include <algorithm>
#include <cstring>

namespace ironbark::rpc {

namespace {

// Appends a slice, joined with the last one where they lie side by side.
void append(std::vector<BufferSlice>* slices, const BufferSlice& slice) {
    if (slice.size == 0) return;
    if (!slices->empty()) {
        BufferSlice& last = slices->back();
        if (&*last.buffer == &*slice.buffer && last.begin + last.size == slice.begin) {
            last.size += slice.size;
            return;
        }
    }
    slices->push_back(slice);
}

// The next part of `slices` from `index` and `position` on that makes one send.
std::vector<BufferSlice> next_part(const std::vector<BufferSlice>& slices, size_t* index, size_t* position) {
    std::vector<BufferSlice> part;
    size_t size = 0;
    while (*index < slices.size() && size < send_bytes_max && part.size() < send_slices_max) {
        const BufferSlice& slice = slices[*index];
        size_t length = std::min(slice.size - *position, send_bytes_max - size);
        part.push_back(slice.part(*position, length));
        size += length;
        *position += length;
        if (*position == slice.size) {
            ++*index;
            *position = 0;
        }
    }
    return part;
}

}  // namespace

FrameWriter::FrameWriter(World& world, Socket& socket, WriteLimits limits, Traffic& traffic)
    : world_(world),
      socket_(socket),
      limits_(limits),
      traffic_(traffic),
      deadline_(world.executor, socket),
      work_(world.executor) {}

uint64_t FrameWriter::push(FrameHeader header, Bytes metadata, std::vector<BufferSlice> payload, Units held) {
    header.metadata_size = static_cast<uint32_t>(metadata.size());
    header.body_size = static_cast<uint32_t>(metadata.size() + total_size(payload));
    BufferSlice head = reserve_head(frame_header_size + metadata.size());
    encode(header, metadata, MutableBytes(head.data(), frame_header_size));
    if (!metadata.empty()) std::memcpy(head.data() + frame_header_size, metadata.data(), metadata.size());
    queue(std::move(head), std::move(payload), std::move(held));
    return pushed_++;
}

void FrameWriter::push_raw(Bytes bytes) {
    BufferSlice head = reserve_head(bytes.size());
    std::memcpy(head.data(), bytes.data(), bytes.size());
    queue(std::move(head), {}, {});
    ++pushed_;
}

// What lies in front of the place that is returned may be in flight and is not touched again.
BufferSlice FrameWriter::reserve_head(size_t size) {
    if (size > output_block_size) return {world_.buffers.take(size), 0, size};
    if (block_ && block_.is_unique()) block_used_ = 0;
    if (!block_ || block_used_ + size > block_->size()) {
        block_ = world_.buffers.take(output_block_size);
        block_used_ = 0;
    }
    BufferSlice head(block_, block_used_, size);
    block_used_ += size;
    return head;
}

void FrameWriter::queue(BufferSlice head, std::vector<BufferSlice> payload, Units held) {
    if (ended_) return;
    size_t size = head.size + total_size(payload);
    backlog_bytes_ += size;
    queue_.push_back(Entry{pushed_, std::move(head), std::move(payload), size, std::move(held)});
    work_.set();
}

bool FrameWriter::withdraw(uint64_t number) {
    if (was_handed_over(number)) return false;
    auto found = std::find_if(queue_.begin(), queue_.end(),
                              [number](const Entry& entry) { return entry.number == number; });
    if (found != queue_.end()) {
        backlog_bytes_ -= found->size;
        queue_.erase(found);
    }
    return true;
}

void FrameWriter::finish() {
    finishing_ = true;
    work_.set();
}

Task<bool> FrameWriter::run() {
    bool is_sent = true;
    while (is_sent) {
        co_await work_.wait();
        if (queue_.empty()) {
            if (finishing_) break;
            work_.reset();
            continue;
        }
        std::vector<Entry> entries;
        std::vector<BufferSlice> slices = gather(&entries);
        is_sent = co_await send(std::move(slices));
        for (const Entry& entry : entries) backlog_bytes_ -= entry.size;
    }
    drop_queue();
    co_return is_sent;
}

// Takes frames from the queue until they make a full send. They count as handed over from here on.
std::vector<BufferSlice> FrameWriter::gather(std::vector<Entry>* entries) {
    std::vector<BufferSlice> slices;
    size_t size = 0;
    while (!queue_.empty() && size < send_bytes_max && slices.size() < send_slices_max) {
        Entry entry = std::move(queue_.front());
        queue_.pop_front();
        size += entry.size;
        append(&slices, entry.head);
        for (const BufferSlice& slice : entry.payload) append(&slices, slice);
        handed_over_ = entry.number + 1;
        entries->push_back(std::move(entry));
    }
    return slices;
}

Task<bool> FrameWriter::send(std::vector<BufferSlice> slices) {
    size_t index = 0;
    size_t position = 0;
    while (index < slices.size()) {
        std::vector<BufferSlice> part = next_part(slices, &index, &position);
        size_t size = total_size(part);
        auto needed = std::chrono::milliseconds(size * 1000 / limits_.send_bytes_per_second_min);
        deadline_.arm(world_.executor.now() + limits_.send_time_grace + needed);
        Result<void> sent = co_await socket_.send(std::move(part));
        deadline_.disarm();
        if (!sent.ok()) co_return false;
        traffic_.bytes_out += size;
    }
    co_return true;
}

void FrameWriter::drop_queue() {
    ended_ = true;
    queue_.clear();
    backlog_bytes_ = 0;
}

}  // namespace ironbark::rpc
