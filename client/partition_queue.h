#pragma once
// The records of one partition that wait to be sent: at most one open batch, and the closed ones before it. Application
// threads append, the engine takes; `mutex` guards it, and is held for the time of one append.

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <string>

#include "client/pending_batch.h"
#include "runtime/base/ids.h"

namespace ironbark::client {

struct PartitionQueue {
    PartitionQueue(std::string topic_name, PartitionIdentity partition)
        : topic(std::move(topic_name)), identity(partition), seed(partition.seed()) {}

    const std::string topic;
    const PartitionIdentity identity;
    const uint64_t seed;  // of its frames' checksums

    std::mutex mutex;
    std::unique_ptr<PendingBatch> open;
    std::deque<std::unique_ptr<PendingBatch>> closed;
    bool is_retired = false;  // the topic is gone: nothing is accepted any more

    bool is_empty() const { return open == nullptr && closed.empty(); }
};

}  // namespace ironbark::client
