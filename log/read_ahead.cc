#include "log/read_ahead.h"

#include <utility>

#include "log/limits.h"

namespace ironbark::log {

std::shared_ptr<ReadAhead> ReadAhead::make(World& world, ReadAheadBudget& budget, uint64_t begin, size_t size) {
    // Wherever they stand: a reader that stays away must not make the list grow for ever.
    std::erase_if(budget.windows, [](const std::weak_ptr<ReadAhead>& entry) {
        std::shared_ptr<ReadAhead> known = entry.lock();
        return known == nullptr || known->counted_ == 0;
    });
    while (!budget.windows.empty() && budget.bytes + size > read_ahead_bytes_max) {
        std::shared_ptr<ReadAhead> oldest = budget.windows.front().lock();
        if (oldest->is_filling()) return nullptr;
        oldest->drop();
        budget.windows.pop_front();
    }
    auto window = std::make_shared<ReadAhead>(world, budget, begin, size);
    budget.windows.push_back(window);
    return window;
}

ReadAhead::ReadAhead(World& world, ReadAheadBudget& budget, uint64_t begin, size_t size)
    : budget_(budget),
      begin_(begin),
      end_(begin + size),
      bytes_(world.buffers.take(size), 0, size),
      counted_(size),
      done_(world.executor) {
    budget_.bytes += counted_;
}

Task<void> ReadAhead::fill(File* file) {
    Result<size_t> count = co_await read_fully(*file, begin_, bytes_);
    if (!count.ok() || *count < bytes_.size) drop();
    done_.set();
}

void ReadAhead::abandon() {
    drop();
    done_.set();
}

Task<BufferSlice> ReadAhead::take() {
    co_await done_.wait();
    BufferSlice bytes = bytes_;
    drop();
    co_return bytes;
}

void ReadAhead::drop() {
    budget_.bytes -= std::exchange(counted_, 0);
    bytes_ = {};
}

}  // namespace ironbark::log
