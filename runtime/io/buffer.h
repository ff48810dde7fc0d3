#pragma once
// Memory that operations read from and write to. A `Buffer` is a block aligned for direct I/O, counted by the slices
// that refer to it; the last one to go gives it back to its pool, from whichever thread that is.
//
// The rule that prevents a whole family of bugs: bytes that were handed to an operation are not changed until it has
// completed. Who fills a buffer step by step hands out only the part that is final.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>
#include <vector>

#include "runtime/base/assert.h"
#include "runtime/base/bytes.h"

namespace ironbark {

class BufferPool;

constexpr size_t io_alignment = 4096;  // of memory, positions and sizes in direct I/O

class Buffer {
  public:
    uint8_t* data() { return data_; }
    const uint8_t* data() const { return data_; }
    size_t size() const { return size_; }

  private:
    friend class BufferPool;
    friend class BufferRef;
    Buffer(BufferPool* pool, uint8_t* data, size_t size) : pool_(pool), data_(data), size_(size) {}

    BufferPool* pool_;
    uint8_t* data_;
    size_t size_;
    std::shared_ptr<void> owner_;  // of memory that is not the pool's
    std::atomic<uint32_t> references_{0};
};

// A counted reference to a Buffer.
class BufferRef {
  public:
    BufferRef() = default;
    explicit BufferRef(Buffer* buffer) : buffer_(buffer) { add(); }
    BufferRef(const BufferRef& other) : buffer_(other.buffer_) { add(); }
    BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
    BufferRef& operator=(BufferRef other) noexcept {
        std::swap(buffer_, other.buffer_);
        return *this;
    }
    ~BufferRef() { release(); }

    explicit operator bool() const { return buffer_ != nullptr; }
    Buffer* operator->() const { return buffer_; }
    Buffer& operator*() const { return *buffer_; }
    // Whether nobody else refers to the buffer: then, and only then, it may be written from its start again.
    bool is_unique() const { return buffer_->references_.load(std::memory_order_acquire) == 1; }

  private:
    void add() {
        if (buffer_ != nullptr) buffer_->references_.fetch_add(1, std::memory_order_relaxed);
    }
    void release();

    Buffer* buffer_ = nullptr;
};

// A part of a buffer, keeping the whole of it alive.
struct BufferSlice {
    BufferRef buffer;
    size_t begin = 0;
    size_t size = 0;

    BufferSlice() = default;
    BufferSlice(BufferRef owner, size_t slice_begin, size_t slice_size)
        : buffer(std::move(owner)), begin(slice_begin), size(slice_size) {
        ASSERT(begin + size <= buffer->size());
    }
    Bytes bytes() const { return size == 0 ? Bytes() : Bytes(buffer->data() + begin, size); }
    uint8_t* data() const { return buffer->data() + begin; }
    BufferSlice part(size_t from, size_t length) const {
        ASSERT(from + length <= size);
        return {buffer, begin + from, length};
    }
};

size_t total_size(const std::vector<BufferSlice>& slices);

// Hands out buffers and keeps a bounded stock of those given back. Thread-safe. Must outlive its buffers.
class BufferPool {
  public:
    // Keeps at most `stock_bytes_max` of returned memory; what is beyond goes back to the allocator.
    explicit BufferPool(size_t stock_bytes_max = size_t{32} << 20) : stock_bytes_max_(stock_bytes_max) {}
    BufferPool(const BufferPool&) = delete;
    BufferPool& operator=(const BufferPool&) = delete;
    ~BufferPool();

    // At least `size` bytes, not zeroed: rounded up to a power of two from 4 KiB. Aligned to `io_alignment`.
    BufferRef take(size_t size);
    // A buffer with a copy of `bytes`.
    BufferSlice copy_of(Bytes bytes);
    // A buffer over memory of `owner`, which is let go of with the last slice, on whichever thread that is. Not for
    // direct I/O: aligned as it happens to be.
    BufferSlice lend(MutableBytes bytes, std::shared_ptr<void> owner);

    size_t bytes_in_use() const { return bytes_in_use_.load(std::memory_order_relaxed); }
    size_t bytes_in_stock() const;

  private:
    friend class BufferRef;
    static size_t class_of(size_t size);
    void give_back(Buffer* buffer);

    size_t stock_bytes_max_;
    std::atomic<size_t> bytes_in_use_{0};
    mutable std::mutex mutex_;
    size_t stock_bytes_ = 0;
    std::vector<std::vector<Buffer*>> stock_;
};

}  // namespace ironbark
