#pragma once
// A topic as application threads see it: its partitions, which may become more, and where records without a key go at
// the moment. Made by the engine, read by any thread, kept until the producer ends.

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/partition_queue.h"
#include "ironbark/settings.h"

namespace ironbark::client {

class ProducerTopic {
  public:
    ProducerTopic(std::string name, Uuid id, Partitioner partitioner, uint64_t seed);

    const std::string& name() const { return name_; }
    const Uuid& id() const { return id_; }
    int32_t partition_count() const { return table()->count; }
    PartitionQueue* partition(int32_t index) const;  // nullptr if there is none

    // Grows to this many partitions. Called by the engine only.
    void grow(int32_t count);

    // Where a record goes that names no partition.
    int32_t choose(const std::optional<Bytes>& key);
    // Whether `choose` would go on to the same partition for some time: then a new batch is the moment to move on.
    bool is_sticky(const std::optional<Bytes>& key) const {
        return partitioner_ == Partitioner::sticky || (partitioner_ == Partitioner::murmur2 && !key);
    }
    // Moves on from the partition that was chosen; unless somebody has done so already.
    void move_on(int32_t from);

  private:
    // What readers see is never changed: a larger table replaces it, and this one is kept.
    struct Table {
        int32_t count;
        std::unique_ptr<PartitionQueue*[]> partitions;
    };
    const Table* table() const { return table_.load(std::memory_order_acquire); }
    uint64_t draw();

    const std::string name_;
    const Uuid id_;
    const Partitioner partitioner_;
    std::atomic<const Table*> table_{nullptr};
    std::atomic<uint64_t> random_;
    std::atomic<int32_t> sticky_{0};
    std::atomic<uint32_t> turn_{0};
    std::vector<std::unique_ptr<PartitionQueue>> partitions_;
    std::vector<std::unique_ptr<const Table>> tables_;
};

}  // namespace ironbark::client
