#pragma once
// Reads records of assigned partitions, in order, as often as one likes. Fetches ahead on a thread of its own.
//
//     Expected<Consumer> consumer = Consumer::create(settings);
//     consumer->assign({{{"orders", 0}, Start::beginning()}});
//     while (true) {
//         Expected<Records> records = consumer->poll(1s);
//         if (!records) ...
//         for (const ConsumerRecord& record : *records) ...
//     }
//
// Used by one thread at a time; only `wakeup` may be called by any. Nothing is skipped silently: what the log no longer
// has is reported as a gap, with its reason; what cannot be read now as an error of its partition, and `poll` tries
// again. Bytes whose checksums do not match are never delivered.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ironbark/settings.h"

namespace ironbark {

// Where to begin to read.
struct Start {
    enum class Kind : uint8_t { offset, beginning, end, before_end, timestamp };
    Kind kind = Kind::beginning;
    int64_t number = 0;

    static Start offset(int64_t offset) { return {Kind::offset, offset}; }
    static Start beginning() { return {Kind::beginning, 0}; }
    static Start end() { return {Kind::end, 0}; }
    static Start before_end(int64_t records) { return {Kind::before_end, records}; }  // the last so many
    // At the first record of that time (ms since 1970) or later; at the end if there is none.
    static Start timestamp(int64_t milliseconds) { return {Kind::timestamp, milliseconds}; }
};

struct Assignment {
    TopicPartition partition;
    Start start;
};

// One record. Borrows its bytes from the Records it stands in.
struct ConsumerRecord {
    std::string_view topic;
    int32_t partition = -1;
    int32_t leader_epoch = -1;
    int64_t offset = -1;
    int64_t timestamp = -1;  // ms since 1970
    std::optional<std::string_view> key;
    std::optional<std::string_view> value;  // none: a tombstone
    std::span<const Header> headers;
};

// Offsets [from, to) that should have come next and do not exist any more.
struct Gap {
    enum class Reason : uint8_t {
        deleted,    // below the start of the log: retention, or delete-records
        truncated,  // they had been readable (visibility=replicated) and were cut; offsets are given out anew from
                    // `from`
        compacted,  // removed by compaction
        missing,    // none of these: an alarm
    };
    TopicPartition partition;
    int64_t from = -1;
    int64_t to = -1;
    Reason reason = Reason::missing;
};
const char* name(Gap::Reason reason);

struct PartitionError {
    TopicPartition partition;
    Failure failure;  // is_retriable(): poll goes on trying
};

// What one `poll` found. Its records are good as long as it lives, and move with it.
class Records {
  public:
    Records();
    Records(Records&&) noexcept;
    Records& operator=(Records&&) noexcept;
    ~Records();

    const ConsumerRecord* begin() const { return records_.data(); }
    const ConsumerRecord* end() const { return records_.data() + records_.size(); }
    size_t size() const { return records_.size(); }
    bool empty() const { return records_.empty(); }
    const ConsumerRecord& operator[](size_t index) const { return records_[index]; }

    const std::vector<Gap>& gaps() const { return gaps_; }
    const std::vector<PartitionError>& errors() const { return errors_; }

  private:
    friend class RecordsBuilder;
    std::vector<ConsumerRecord> records_;
    std::vector<Gap> gaps_;
    std::vector<PartitionError> errors_;
    struct Memory;
    std::unique_ptr<Memory> memory_;  // where the bytes are
};

// Marks of a partition's log as the last fetch saw them; -1: not known yet.
struct Marks {
    int64_t log_start = -1;
    int64_t durable_watermark = -1;
    int64_t high_watermark = -1;
    int64_t log_end = -1;
};

struct ConsumerStatistics {
    uint64_t records = 0;
    uint64_t bytes = 0;  // of batches, as they were received
    uint64_t batches = 0;
    uint64_t fetches = 0;
    uint64_t corrupt_batches = 0;
    uint64_t gaps = 0;
};

class Consumer {
  public:
    // Starts the thread. Connects when partitions are assigned.
    static Expected<Consumer> create(const Settings& settings);
    Consumer(Consumer&&) noexcept;
    Consumer& operator=(Consumer&&) noexcept;
    ~Consumer();

    // Reads these partitions and no others. What was fetched of partitions that stay is kept, unless their start is
    // given anew; `assign` always gives it. Does not wait.
    Expected<void> assign(std::vector<Assignment> partitions);
    std::vector<TopicPartition> assignment() const;

    // Waits until there is something to report, at most `timeout`: up to `max.poll.records` records, gaps, errors.
    // Empty when the time is over or after `wakeup`.
    Expected<Records> poll(std::chrono::milliseconds timeout);

    // The next poll goes on there. not_found: not assigned.
    Expected<void> seek(const TopicPartition& partition, Start start);
    // Offset of the next record that poll will return. Waits for a start that is being looked up; timed_out.
    Expected<int64_t> position(const TopicPartition& partition, std::chrono::milliseconds timeout);
    Expected<void> pause(const TopicPartition& partition);
    Expected<void> resume(const TopicPartition& partition);
    Expected<Marks> marks(const TopicPartition& partition) const;

    // Ends a poll that waits, or the next one. From any thread.
    void wakeup();
    // Idempotent. Records that were polled stay good.
    void close();
    ConsumerStatistics statistics() const;

  private:
    struct Implementation;
    explicit Consumer(std::unique_ptr<Implementation> implementation);
    std::unique_ptr<Implementation> implementation_;
};

}  // namespace ironbark
