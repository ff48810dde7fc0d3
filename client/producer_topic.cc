#include "client/producer_topic.h"

#include "client/murmur2.h"

namespace ironbark::client {

ProducerTopic::ProducerTopic(std::string name, Uuid id, Partitioner partitioner, uint64_t seed)
    : name_(std::move(name)), id_(id), partitioner_(partitioner), random_(seed) {
    grow(0);
}

PartitionQueue* ProducerTopic::partition(int32_t index) const {
    const Table* now = table();
    return index < 0 || index >= now->count ? nullptr : now->partitions[static_cast<size_t>(index)];
}

void ProducerTopic::grow(int32_t count) {
    bool is_first = partitions_.empty();
    while (static_cast<int32_t>(partitions_.size()) < count) {
        PartitionIdentity identity{id_, PartitionIndex(static_cast<int32_t>(partitions_.size()))};
        partitions_.push_back(std::make_unique<PartitionQueue>(name_, identity));
    }
    auto table = std::make_unique<Table>();
    table->count = static_cast<int32_t>(partitions_.size());
    table->partitions = std::make_unique<PartitionQueue*[]>(partitions_.size());
    for (size_t index = 0; index < partitions_.size(); ++index) table->partitions[index] = partitions_[index].get();
    table_.store(table.get(), std::memory_order_release);
    tables_.push_back(std::move(table));
    if (is_first && count > 0) move_on(sticky_.load());
}

int32_t ProducerTopic::choose(const std::optional<Bytes>& key) {
    int32_t count = partition_count();
    if (count == 0) return -1;
    if (partitioner_ == Partitioner::round_robin) {
        return static_cast<int32_t>(turn_.fetch_add(1, std::memory_order_relaxed) % static_cast<uint32_t>(count));
    }
    if (partitioner_ == Partitioner::murmur2 && key) return partition_of_key(*key, count);
    return sticky_.load(std::memory_order_relaxed);
}

void ProducerTopic::move_on(int32_t from) {
    int32_t count = partition_count();
    if (count == 0) return;
    auto next = static_cast<int32_t>(draw() % static_cast<uint64_t>(count));
    // Never the same one twice, or a slow partition would get as much as the others.
    if (next == from) next = (next + 1) % count;
    sticky_.compare_exchange_strong(from, next, std::memory_order_relaxed);
}

// splitmix64 (Steele, Lea and Flood, 2014): safe to draw from by any number of threads.
uint64_t ProducerTopic::draw() {
    uint64_t number = random_.fetch_add(0x9e3779b97f4a7c15, std::memory_order_relaxed);
    number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
    number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
    return number ^ (number >> 31);
}

}  // namespace ironbark::client
