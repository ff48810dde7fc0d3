#pragma once
// Sends records. Thread-safe; one thread of its own does the input and output.
//
//     Expected<Producer> producer = Producer::create(settings);
//     producer->send({.topic = "orders", .key = "4711", .value = "..."}, [](const Expected<Receipt>& sent) { ... });
//     producer->flush(10s);
//
// A record that was accepted is resolved exactly once, at the latest after `delivery.timeout.ms`: with a receipt, or
// with a failure whose outcome says whether it was written. Records of one partition are written, and their callbacks
// run, in the order in which they were sent. Callbacks run on the producer's thread: they do not block, and may send.
// With `enable.idempotence` (the default) repeated requests leave one copy.

#include <chrono>
#include <cstdint>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ironbark/settings.h"

namespace ironbark {

// What is to be written. Borrows everything; `send` has copied it when it returns.
struct Record {
    std::string_view topic;
    std::optional<int32_t> partition{};  // else the partitioner chooses
    std::optional<std::string_view> key{};
    std::optional<std::string_view> value{};  // none: a tombstone
    std::span<const Header> headers{};
    std::optional<int64_t> timestamp{};  // ms since 1970; else now
};

// That a record was written, and how well.
struct Receipt {
    std::string topic;
    int32_t partition = -1;
    int64_t offset = -1;  // -1: written, but nobody knows where any more (or acks=none: nobody said)
    int32_t leader_epoch = -1;
    int64_t append_time = -1;       // broker clock, ms since 1970
    Acks level = Acks::none;        // reached
    std::vector<int32_t> replicas;  // brokers that hold it at that level
    // Where the broker spent its time, one after the other.
    std::chrono::microseconds queued{0};   // until it was appended, in memory
    std::chrono::microseconds written{0};  // until its sync began: earlier writes, and its own if it is one by itself
    std::chrono::microseconds synced{0};   // the sync, or the synced write
    std::chrono::microseconds replicated{0};  // until the replicas had it
    bool duplicate = false;                   // a repeated request found it written already
};

using SendCallback = std::function<void(const Expected<Receipt>&)>;

// Records of one partition that this producer was told to be written, with receipts, and that its broker does not have
// any more (docs/DURABILITY.md says at which levels that can happen). Found out with the next record that is sent to
// the partition, and only with `enable.idempotence`. What was lost is not sent again: the application decides.
struct Loss {
    std::string topic;
    int32_t partition = -1;
    int64_t records = -1;  // how many: the last ones that were acknowledged; -1: not known
    // Where the first and the last of them stood; records of others may have stood between. -1: not known. The offsets
    // may have been given to other records since.
    int64_t first_offset = -1;
    int64_t last_offset = -1;
    Acks level = Acks::none;  // the highest at which one of them had been acknowledged
    // They cannot come back: every in-sync replica has what was written in their place. Otherwise they may be lost:
    // another broker that still has them may lead again.
    bool is_final = false;
    // A promise is broken: one of them was held by every in-sync replica, on disk or by several. What is being sent to
    // the partition, and what is sent there later, fails with out_of_order_sequence; another producer can go on.
    bool is_fatal = false;
};

struct ProducerStatistics {
    uint64_t records_written = 0;
    uint64_t records_not_written = 0;
    uint64_t records_unknown = 0;
    uint64_t bytes_written = 0;  // of batches, as they were sent
    uint64_t batches_sent = 0;   // attempts, repeated ones included
    uint64_t batches_repeated = 0;
    uint64_t requests = 0;
    uint64_t losses = 0;        // how often one was found out
    uint64_t records_lost = 0;  // as far as their number is known; they count as written, too
    size_t buffer_used = 0;
};

class Producer {
  public:
    // Starts the thread. Connects when the first record is sent.
    static Expected<Producer> create(const Settings& settings);
    Producer(Producer&&) noexcept;
    Producer& operator=(Producer&&) noexcept;
    ~Producer();  // close(0): what is unresolved fails

    // Queues the record. Blocks while the buffer is full or the topic is not known yet, at most `max.block.ms`
    // (inside a callback: not at all). A failure means that the record was not accepted, and the callback is not
    // called: queue_full, unknown_topic_or_partition, message_too_large, closed, timed_out, ... Without a callback
    // (nullptr) only the statistics tell what became of it.
    Expected<void> send(const Record& record, SendCallback callback);
    // The same; a record that is not accepted makes a future that is ready.
    std::future<Expected<Receipt>> send(const Record& record);

    // How many partitions the topic has.
    Expected<int32_t> partition_count(std::string_view topic);

    // Sends what waits, without lingering, until everything that was accepted before is resolved; timed_out if that
    // takes longer. Not inside a callback.
    Expected<void> flush(std::chrono::milliseconds timeout);
    // Accepts no more, flushes, and fails what is unresolved at the timeout. Idempotent. Not inside a callback.
    Expected<void> close(std::chrono::milliseconds timeout);

    // Called on the producer's thread for each loss that is found out, before the callback of the record that found it.
    // Without a listener only the statistics tell.
    void on_loss(std::function<void(const Loss&)> listener);
    ProducerStatistics statistics() const;

  private:
    struct Implementation;
    explicit Producer(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace ironbark
