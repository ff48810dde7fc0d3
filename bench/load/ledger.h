#pragma once
// What was promised about each record that was sent, and the comparison with what the log has in the end. Record n of a
// run goes to partition n modulo their number; its value is record n of bench/load/pattern.h. Pure; each entry is
// written once, by one thread, and read after the threads that write have been joined.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "bench/load/pattern.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

enum class Fate : uint8_t {
    open,          // not sent, or never resolved
    acknowledged,  // must be there
    refused,       // not written: must not be there
    unknown,       // may be there, once
};

struct Entry {
    int64_t offset = -1;  // by its receipt; -1: written, but nobody knows where
    Nanoseconds resolved = 0;
    int32_t leader_epoch = -1;
    Fate fate = Fate::open;
};

class Ledger {
  public:
    Ledger(size_t partitions, size_t records) : partitions_(partitions), entries_(records) {}

    size_t partitions() const { return partitions_; }
    size_t records() const { return entries_.size(); }
    size_t partition_of(size_t number) const { return number % partitions_; }
    Entry& entry(size_t number) { return entries_[number]; }
    const Entry& entry(size_t number) const { return entries_[number]; }
    size_t count(Fate fate) const;
    // When records of the partition were acknowledged, ascending.
    std::vector<Nanoseconds> acknowledgements(size_t partition) const;
    // When the first record after `since` was acknowledged in this partition by a leader of a later epoch.
    std::optional<Nanoseconds> first_later(size_t partition, Nanoseconds since, int32_t epoch) const;

  private:
    size_t partitions_;
    std::vector<Entry> entries_;
};

struct Findings {
    uint64_t read = 0;
    uint64_t confirmed = 0;     // acknowledged, and there
    uint64_t missing = 0;       // acknowledged, and not there
    uint64_t duplicated = 0;    // there more than once, each further time
    uint64_t reordered = 0;     // not at the offset of the receipt, or behind a record that was sent later
    uint64_t altered = 0;       // not what was sent to this partition
    uint64_t contradicted = 0;  // said not to be written, and there

    bool is_whole() const { return missing + duplicated + reordered + altered + contradicted == 0; }
};

// Takes what a reader finds, the records of each partition in the reader's order.
class Verifier {
  public:
    Verifier(const Ledger& ledger, size_t record_size);

    void take(size_t partition, int64_t offset, std::optional<std::string_view> value);
    // After the last record.
    Findings finish() const;

  private:
    struct Position {
        int64_t offset = -1;
        int64_t number = -1;  // the highest so far
    };
    // Which record of this partition the value says it is.
    std::optional<size_t> number_in(size_t partition, std::optional<std::string_view> value) const;

    const Ledger& ledger_;
    Pattern pattern_;
    std::vector<bool> seen_;
    std::vector<Position> positions_;  // of what was read last, by partition
    Findings findings_;
};

}  // namespace ironbark::bench
