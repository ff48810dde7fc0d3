#pragma once
// What was fetched and not yet polled, between the consumer's thread and the application's. Bounded by the engine: it
// fetches no further from a broker while one of its answers waits here; the next may be on its way then.

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "client/fetch_request.h"

namespace ironbark::client {

// News of one partition: frames, a gap before what comes next (an empty one: only a jump), or an error.
struct Fetched {
    enum class Kind : uint8_t { frames, gap, error };
    Kind kind = Kind::frames;
    std::shared_ptr<const TopicPartition> partition;
    uint64_t generation = 0;  // of the seek that it follows; what is older than the last one is dropped
    int64_t offset = -1;      // of the first record that is wanted next
    uint64_t seed = 0;        // of the frames' checksums
    BufferSlice frames;
    Marks marks;
    Gap gap{};
    Failure failure{};
};

class FetchQueue {
  public:
    // The consumer's thread.
    void push(Fetched news) {
        std::lock_guard lock(mutex_);
        news_.push_back(std::move(news));
    }
    void count_answer(int32_t broker) {
        std::lock_guard lock(mutex_);
        ++answers_[broker];
    }
    size_t answers_waiting(int32_t broker) const {
        std::lock_guard lock(mutex_);
        auto found = answers_.find(broker);
        return found == answers_.end() ? 0 : found->second;
    }

    // Any thread.
    bool is_empty() const {
        std::lock_guard lock(mutex_);
        return news_.empty();
    }
    // Appends everything to `news`. False if nothing has changed; else there is room again, and the engine has to hear
    // of it, even without news: they may have been taken before their answer was counted.
    bool take(std::deque<Fetched>* news) {
        std::lock_guard lock(mutex_);
        bool has_changed = !news_.empty() || !answers_.empty();
        answers_.clear();
        for (Fetched& item : news_) news->push_back(std::move(item));
        news_.clear();
        return has_changed;
    }

  private:
    mutable std::mutex mutex_;
    std::deque<Fetched> news_;
    std::map<int32_t, size_t> answers_;  // by broker
};

}  // namespace ironbark::client
