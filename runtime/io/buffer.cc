#include "runtime/io/buffer.h"

#include <bit>
#include <cstdlib>
#include <cstring>
#include <new>

namespace ironbark {

void BufferRef::release() {
    if (buffer_ == nullptr) return;
    if (buffer_->references_.fetch_sub(1, std::memory_order_acq_rel) == 1) buffer_->pool_->give_back(buffer_);
    buffer_ = nullptr;
}

size_t total_size(const std::vector<BufferSlice>& slices) {
    size_t sum = 0;
    for (const BufferSlice& slice : slices) sum += slice.size;
    return sum;
}

size_t BufferPool::class_of(size_t size) {
    return static_cast<size_t>(std::countr_zero(std::bit_ceil(std::max(size, io_alignment))) -
                               std::countr_zero(io_alignment));
}

BufferRef BufferPool::take(size_t size) {
    size_t index = class_of(size);
    size_t rounded = io_alignment << index;
    bytes_in_use_.fetch_add(rounded, std::memory_order_relaxed);
    {
        std::lock_guard lock(mutex_);
        if (index < stock_.size() && !stock_[index].empty()) {
            Buffer* buffer = stock_[index].back();
            stock_[index].pop_back();
            stock_bytes_ -= rounded;
            return BufferRef(buffer);
        }
    }
    void* memory = std::aligned_alloc(io_alignment, rounded);
    if (memory == nullptr) throw std::bad_alloc();
    return BufferRef(new Buffer(this, static_cast<uint8_t*>(memory), rounded));
}

BufferSlice BufferPool::copy_of(Bytes bytes) {
    BufferRef buffer = take(bytes.size());
    if (!bytes.empty()) std::memcpy(buffer->data(), bytes.data(), bytes.size());
    return {std::move(buffer), 0, bytes.size()};
}

BufferSlice BufferPool::lend(MutableBytes bytes, std::shared_ptr<void> owner) {
    auto* buffer = new Buffer(this, bytes.data(), bytes.size());
    buffer->owner_ = std::move(owner);
    return {BufferRef(buffer), 0, bytes.size()};
}

void BufferPool::give_back(Buffer* buffer) {
    if (buffer->owner_ != nullptr) {
        delete buffer;
        return;
    }
    bytes_in_use_.fetch_sub(buffer->size_, std::memory_order_relaxed);
    {
        std::lock_guard lock(mutex_);
        if (stock_bytes_ + buffer->size_ <= stock_bytes_max_) {
            size_t index = class_of(buffer->size_);
            if (stock_.size() <= index) stock_.resize(index + 1);
            stock_[index].push_back(buffer);
            stock_bytes_ += buffer->size_;
            return;
        }
    }
    std::free(buffer->data_);
    delete buffer;
}

size_t BufferPool::bytes_in_stock() const {
    std::lock_guard lock(mutex_);
    return stock_bytes_;
}

BufferPool::~BufferPool() {
    for (std::vector<Buffer*>& buffers : stock_) {
        for (Buffer* buffer : buffers) {
            std::free(buffer->data_);
            delete buffer;
        }
    }
}

}  // namespace ironbark
