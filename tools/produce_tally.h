#pragma once
// What became of the records that `ironbark produce` sent: counts, where they went, and the first that failed. Fed on
// the producer's thread by callbacks and on the main thread by refusals; read when the producer is closed, except for
// the counters and `should_stop`, which may be read at any time.

#include <atomic>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>
#include <vector>

#include "ironbark/producer.h"

namespace ironbark::tools {

// Records that failed alike.
struct FailureKind {
    uint64_t first_line = 0;  // from 1
    uint64_t records = 0;
    Failure failure;
};

struct OffsetRange {
    int64_t first = -1;
    int64_t last = -1;
    uint64_t records = 0;
};

class ProduceTally {
  public:
    static constexpr size_t kinds_max = 10;  // nobody reads more; the counters count all

    void note_answer(uint64_t line, const Expected<Receipt>& answer);
    void note_refusal(uint64_t line, const Failure& failure);  // not accepted: not written
    void note_loss(const Loss& loss);

    // Something is wrong that will be wrong with the next record too.
    bool should_stop() const { return stop_.load(std::memory_order_relaxed); }
    uint64_t written() const { return written_.load(std::memory_order_relaxed); }
    // Sent with acks=none: nobody has said that they are written, and nobody will.
    uint64_t unacknowledged() const { return unacknowledged_.load(std::memory_order_relaxed); }
    uint64_t not_written() const { return not_written_.load(std::memory_order_relaxed); }
    uint64_t unknown() const { return unknown_.load(std::memory_order_relaxed); }
    uint64_t resolved() const { return written() + unacknowledged() + not_written() + unknown(); }
    const std::vector<FailureKind>& failures() const { return failures_; }
    uint64_t first_failed_line() const { return first_failed_line_; }  // 0: none
    const std::map<int32_t, OffsetRange>& partitions() const { return partitions_; }
    const std::vector<Loss>& losses() const { return losses_; }
    bool all_well() const { return not_written() == 0 && unknown() == 0 && losses_.empty(); }

  private:
    void note_failure(uint64_t line, const Failure& failure);

    std::atomic<uint64_t> written_ = 0;
    std::atomic<uint64_t> unacknowledged_ = 0;
    std::atomic<uint64_t> not_written_ = 0;
    std::atomic<uint64_t> unknown_ = 0;
    std::atomic<bool> stop_ = false;
    std::map<int32_t, OffsetRange> partitions_;  // by the producer's thread only
    OffsetRange* newest_ = nullptr;              // in partitions_: records come in runs
    int32_t newest_partition_ = -1;
    std::mutex mutex_;
    std::vector<FailureKind> failures_;  // under mutex_, as the rest
    uint64_t first_failed_line_ = 0;
    std::vector<Loss> losses_;
};

// Whether the fault is the record's own, so that the next one may fare better.
bool is_of_the_record(ErrorCode code);

}  // namespace ironbark::tools
