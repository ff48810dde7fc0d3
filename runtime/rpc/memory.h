#pragma once
// The memory that received bytes occupy. A server has one budget for all its connections; a block of it is taken before
// bytes are read into it, and given back when the last request that lies in it is gone. Belongs to one executor.

#include <bit>
#include <cstdint>
#include <utility>

#include "runtime/base/time.h"
#include "runtime/io/buffer.h"
#include "runtime/task/sync.h"

namespace ironbark::rpc {

// What a buffer for `size` bytes really occupies (BufferPool::take).
constexpr size_t block_size_for(size_t size) { return std::bit_ceil(std::max(size, io_alignment)); }

class MemoryBudget {
  public:
    MemoryBudget(Executor& executor, size_t bytes)
        : executor_(executor), semaphore_(executor, static_cast<int64_t>(bytes)) {}

    // Suspends until there is room; empty after `close`.
    Task<std::optional<Units>> take(size_t bytes) {
        Instant begin = executor_.now();
        std::optional<Units> units = co_await semaphore_.take(static_cast<int64_t>(bytes));
        time_blocked_ += executor_.now() - begin;
        co_return units;
    }
    // Whether more than half is used, or somebody waits: then nobody reads ahead.
    bool is_short() const { return semaphore_.has_waiters() || semaphore_.used() > semaphore_.capacity() / 2; }
    size_t used() const { return static_cast<size_t>(semaphore_.used()); }
    Duration time_blocked() const { return time_blocked_; }
    void close() { semaphore_.close(); }

  private:
    Executor& executor_;
    Semaphore semaphore_;
    Duration time_blocked_{};
};

// A counted reference to a block of received bytes and to its share of the budget. Stays on its executor's thread,
// which is why the count is a plain one; slices of the buffer may go anywhere.
class Block {
  public:
    Block() = default;
    Block(BufferRef buffer, Units units) : shared_(new Shared{std::move(buffer), std::move(units), 1}) {}
    Block(const Block& other) : shared_(other.shared_) {
        if (shared_ != nullptr) ++shared_->references;
    }
    Block(Block&& other) noexcept : shared_(std::exchange(other.shared_, nullptr)) {}
    Block& operator=(Block other) noexcept {
        std::swap(shared_, other.shared_);
        return *this;
    }
    ~Block() {
        if (shared_ != nullptr && --shared_->references == 0) delete shared_;
    }

    explicit operator bool() const { return shared_ != nullptr; }
    const BufferRef& buffer() const { return shared_->buffer; }
    // Whether no request lies in it any more, nor any slice: then it may be written from its start again.
    bool is_unique() const { return shared_->references == 1 && shared_->buffer.is_unique(); }

  private:
    struct Shared {
        BufferRef buffer;
        Units units;
        uint32_t references;
    };
    Shared* shared_ = nullptr;
};

}  // namespace ironbark::rpc
