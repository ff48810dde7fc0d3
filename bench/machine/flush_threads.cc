#include "bench/machine/flush_threads.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include "bench/machine/direct_file.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

FlushThreads::FlushThreads(std::size_t count)
    : event_(static_cast<int>(check(::eventfd(0, EFD_CLOEXEC), "eventfd"))) {
    for (std::size_t i = 0; i < count; ++i) threads_.emplace_back([this] { serve(); });
}

FlushThreads::~FlushThreads() {
    {
        const std::lock_guard lock(mutex_);
        ending_ = true;
    }
    asked_.notify_all();
    for (std::thread& thread : threads_) thread.join();
    ::close(event_);
}

void FlushThreads::write(
    int descriptor, const void* data, std::uint64_t size, std::uint64_t position, Tag tag) {
    {
        const std::lock_guard lock(mutex_);
        waiting_.push_back({descriptor, data, size, position, tag});
    }
    asked_.notify_one();
}

void FlushThreads::take_done(std::deque<Tag>& done) {
    const std::lock_guard lock(mutex_);
    done.insert(done.end(), done_.begin(), done_.end());
    done_.clear();
}

void FlushThreads::serve() {
    std::unique_lock lock(mutex_);
    while (true) {
        asked_.wait(lock, [this] { return ending_ || !waiting_.empty(); });
        if (waiting_.empty()) return;
        const Write write = waiting_.front();
        waiting_.pop_front();
        lock.unlock();
        write_synced(write.descriptor, write.data, write.size, write.position);
        lock.lock();
        done_.push_back(write.tag);
        const std::uint64_t one = 1;
        if (done_.size() == 1) check(::write(event_, &one, sizeof one), "eventfd write");
    }
}

}  // namespace ironbark::bench
