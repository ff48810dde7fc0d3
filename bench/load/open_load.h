#pragma once
// Records sent at a fixed schedule, whatever becomes of those before: record n is due n periods after the beginning,
// and its latency counts from then, so that an outage delays every record that was due in it, as it would delay real
// users. Before, one record to each partition, which no latency counts. `send` blocks; callbacks fill the ledger on the
// producer's thread.

#include <atomic>
#include <map>
#include <string>
#include <vector>

#include "bench/load/histogram.h"
#include "bench/load/ledger.h"
#include "ironbark/producer.h"

namespace ironbark::bench {

struct OpenSchedule {
    std::string topic;
    size_t partitions = 1;
    size_t record_size = 1024;
    double rate = 1000;  // records a second, over all partitions
    double seconds = 10;

    size_t records() const { return static_cast<size_t>(rate * seconds); }
};

class OpenLoad {
  public:
    OpenLoad(const Settings& settings, const OpenSchedule& schedule);

    // Connects: one record to each partition.
    void warm_up();
    // Sends everything, and waits until everything is resolved.
    void run();

    const Ledger& ledger() const { return ledger_; }
    Nanoseconds begin() const { return begin_; }
    Nanoseconds end() const { return begin_ + from_seconds(schedule_.seconds); }
    // Of the partition: the newest leader epoch in which a record was acknowledged. Any thread.
    int32_t epoch(size_t partition) const { return epochs_[partition]; }
    // The rest after `run`.
    const Histogram& latency() const { return latency_; }
    // How many were not acknowledged, by outcome and error code.
    const std::map<std::string, uint64_t>& failures() const { return failures_; }
    ProducerStatistics statistics() const { return producer_.statistics(); }

  private:
    void send(size_t number);
    void resolved(size_t number, const Expected<Receipt>& receipt);
    void failed(size_t number, const Failure& failure);
    bool is_warm_up(size_t number) const { return number < schedule_.partitions; }
    Nanoseconds due(size_t number) const;

    OpenSchedule schedule_;
    Pattern pattern_;
    Ledger ledger_;
    std::vector<std::atomic<int32_t>> epochs_;
    Histogram latency_;
    std::map<std::string, uint64_t> failures_;
    std::map<std::string, uint64_t> not_accepted_;  // by the sending thread; joins the others in the end
    Nanoseconds begin_ = 0;
    Producer producer_;  // the last one: its thread fills the others
};

}  // namespace ironbark::bench
