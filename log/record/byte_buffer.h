#pragma once
// Bytes that grow at their end. New ones are not zeroed, which is why this is no std::vector: whoever grows it writes
// them. Growing moves the bytes; `clear` keeps the memory for the next use.

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <memory>
#include <utility>

#include "runtime/base/bytes.h"

namespace ironbark::record {

class ByteBuffer {
  public:
    ByteBuffer() = default;
    ByteBuffer(ByteBuffer&& other) noexcept { swap(other); }
    ByteBuffer& operator=(ByteBuffer&& other) noexcept {
        ByteBuffer(std::move(other)).swap(*this);
        return *this;
    }

    uint8_t* data() { return memory_.get(); }
    size_t size() const { return size_; }
    size_t capacity() const { return capacity_; }
    Bytes bytes() const { return {memory_.get(), size_}; }
    MutableBytes bytes() { return {memory_.get(), size_}; }

    void reserve(size_t capacity) {
        if (capacity <= capacity_) return;
        auto memory = std::make_unique_for_overwrite<uint8_t[]>(capacity);
        if (size_ > 0) std::memcpy(memory.get(), memory_.get(), size_);
        memory_ = std::move(memory);
        capacity_ = capacity;
    }
    // What is new has no defined content.
    void resize(size_t size) {
        if (size > capacity_) reserve(std::max(size, 2 * capacity_));
        size_ = size;
    }
    void clear() { size_ = 0; }
    void swap(ByteBuffer& other) noexcept {
        std::swap(memory_, other.memory_);
        std::swap(size_, other.size_);
        std::swap(capacity_, other.capacity_);
    }

  private:
    std::unique_ptr<uint8_t[]> memory_;
    size_t size_ = 0;
    size_t capacity_ = 0;
};

}  // namespace ironbark::record
