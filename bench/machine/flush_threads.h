// A few threads that make blocking synced writes (RWF_DSYNC) for a loop that must not block. The
// loop learns of completions by an eventfd, which it can read through its ring. write() and
// take_done() belong to the loop's thread; the data must stay untouched until its tag comes back.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <deque>
#include <mutex>
#include <thread>
#include <vector>

namespace ironbark::bench {

class FlushThreads {
  public:
    using Tag = std::uint64_t;

    explicit FlushThreads(std::size_t count);
    ~FlushThreads();
    FlushThreads(const FlushThreads&) = delete;
    FlushThreads& operator=(const FlushThreads&) = delete;

    int event() const { return event_; }
    void write(
        int descriptor, const void* data, std::uint64_t size, std::uint64_t position, Tag tag);
    // Moves the tags of all finished writes to the end of `done`.
    void take_done(std::deque<Tag>& done);

  private:
    struct Write {
        int descriptor;
        const void* data;
        std::uint64_t size;
        std::uint64_t position;
        Tag tag;
    };

    void serve();

    const int event_;
    std::mutex mutex_;
    std::condition_variable asked_;
    std::deque<Write> waiting_;
    std::deque<Tag> done_;
    bool ending_ = false;
    std::vector<std::thread> threads_;
};

}  // namespace ironbark::bench
