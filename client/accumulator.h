#pragma once
// Where records wait until they are sent, and the bound on their memory. Application threads append; the engine takes.
// Per record it costs one lock of the partition and the copy into the open batch: no allocation, no wake-up. The engine
// is woken when a partition has something after it had nothing, and when a batch is full.

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "client/producer_topic.h"
#include "runtime/base/result.h"
#include "runtime/task/executor.h"

namespace ironbark::client {

struct AccumulatorLimits {
    size_t batch_size;      // a batch of this size waits for nobody
    size_t batch_size_max;  // of a record that is larger, alone in its batch
    size_t memory_max;
};

enum class Append : uint8_t {
    done,
    full,          // no memory: wait for room
    new_batch,     // it would begin a new batch, and was not allowed to
    topic_is_gone  // look the topic up again
};

class Accumulator {
  public:
    // `wake` is called from any thread when the engine should look.
    Accumulator(AccumulatorLimits limits, std::function<void()> wake);

    // ---- any thread ----
    ProducerTopic* find(std::string_view name) const;
    // Takes the record, and the callback if there is one. An error: nobody will ever take this record.
    Result<Append> append(PartitionQueue& queue,
                          const record::NewRecord& record,
                          SendCallback& callback,
                          const Executor& clock,
                          bool may_begin_batch);
    // Whether a record of this size found room, if it came now.
    bool has_room(const record::NewRecord& record) const;
    size_t memory_used() const { return static_cast<size_t>(memory_used_.load(std::memory_order_relaxed)); }
    // Batches opened before this call are to be resolved: `is_flushed` says when they are.
    uint64_t begin_flush();
    bool is_flushed(uint64_t flush) const;

    // ---- the engine ----
    ProducerTopic& add(std::unique_ptr<ProducerTopic> topic);
    // Its partitions accept nothing any more, and its name is free. What waits is still to be taken.
    void retire(ProducerTopic& topic);
    std::vector<ProducerTopic*> topics() const;  // those not retired
    // Appends the queues that had nothing and have something since the last call; one may come twice.
    void take_signalled(std::vector<PartitionQueue*>* queues);
    // The next batch of the queue: a closed one; else the open one, if it was opened at or before `opened_until`.
    std::unique_ptr<PendingBatch> take(PartitionQueue& queue, Instant opened_until);
    // What `take` would look at.
    struct Front {
        bool exists = false;
        bool is_closed = false;
        Instant opened = never;
    };
    Front front(PartitionQueue& queue);
    bool is_empty(PartitionQueue& queue);
    // The batch has been sealed: its builder is free for another.
    void recycle(std::unique_ptr<record::BatchBuilder> builder) { builders_->give_back(std::move(builder)); }
    // The same when the last reference is gone, on any thread, and be it after the accumulator.
    std::shared_ptr<record::BatchBuilder> share(std::unique_ptr<record::BatchBuilder> builder);
    // The batch is resolved.
    void resolved(const PendingBatch& batch);

  private:
    struct NameHash {
        using is_transparent = void;
        size_t operator()(std::string_view name) const { return std::hash<std::string_view>{}(name); }
    };
    // Those that are free. Spare ones keep their memory.
    class Builders {
      public:
        std::unique_ptr<record::BatchBuilder> take();
        void give_back(std::unique_ptr<record::BatchBuilder> builder);

      private:
        std::mutex mutex_;
        std::vector<std::unique_ptr<record::BatchBuilder>> free_;
    };
    bool fits(const PendingBatch& batch, const record::NewRecord& record, size_t size_bound) const;
    std::unique_ptr<PendingBatch> begin_batch(size_t size, Instant now);
    bool reserve(PendingBatch& batch, size_t size);
    bool take_memory(PendingBatch& batch, size_t size);
    void release(size_t size);
    void note_opened(PendingBatch& batch);
    void signal(PartitionQueue& queue);

    const AccumulatorLimits limits_;
    const std::function<void()> wake_;
    std::atomic<int64_t> memory_used_{0};

    mutable std::shared_mutex topics_mutex_;
    std::unordered_map<std::string, ProducerTopic*, NameHash, std::equal_to<>> topics_by_name_;
    std::vector<std::unique_ptr<ProducerTopic>> topics_;  // retired ones included: records may still refer to them
    // Found last, and not retired: most records go where the one before went. Set under the mutex, of whichever kind.
    mutable std::atomic<ProducerTopic*> found_last_{nullptr};

    std::mutex signalled_mutex_;
    std::vector<PartitionQueue*> signalled_;

    const std::shared_ptr<Builders> builders_ = std::make_shared<Builders>();

    mutable std::mutex flush_mutex_;
    uint64_t flush_number_ = 0;
    std::map<uint64_t, size_t> unresolved_;  // batches, by the number of flushes before them
};

}  // namespace ironbark::client
