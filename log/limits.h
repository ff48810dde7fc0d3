#pragma once
// Every bound of the storage engine, with its reason.

#include <cstddef>
#include <cstdint>

#include "log/record/frame.h"
#include "runtime/base/time.h"
#include "runtime/io/buffer.h"

namespace ironbark::log {

constexpr uint64_t block_size = io_alignment;  // rounds, heads and commits start on multiples of it

constexpr size_t round_size_max = size_t{4} << 20;  // one write: larger ones gain nothing (ADR 0003) and delay syncs

constexpr size_t chunk_size_min = size_t{16} << 10;  // first memory of a log that wakes up: ten thousand may
constexpr size_t chunk_size_max = size_t{1} << 20;   // of a busy one: fewer, larger writes

constexpr uint64_t index_interval = uint64_t{64} << 10;  // bytes of log per index entry: a lookup reads at most that

constexpr uint64_t segment_bytes_min = uint64_t{64} << 10;
constexpr uint64_t segment_bytes_max = uint64_t{2} << 30;

// How much of a log recovery may have to read again: a checkpoint (index, producers, floor) is made after so much.
constexpr uint64_t checkpoint_bytes_default = uint64_t{32} << 20;

// What can be unsynced at a crash: rounds written behind since the last sync, and one in flight. Recovery looks so far
// beyond the first bad frame for proof that later bytes had been promised.
constexpr uint64_t flush_bytes_max = uint64_t{32} << 20;
constexpr uint64_t unsynced_bytes_max = flush_bytes_max + round_size_max;
// Where the log ends exactly at its floor, which is the rule after a quiet second: proof would stand in the first round
// behind it. A thousand quiet logs in reused segments are a gigabyte, and not thirty-six.
constexpr uint64_t look_beyond_floor_bytes = uint64_t{1} << 20;

constexpr size_t journal_record_size_max = size_t{8} << 20;
constexpr uint64_t journal_allocation_step = uint64_t{1} << 20;
constexpr uint64_t journal_rewrite_bytes = uint64_t{8} << 20;  // rewritten when longer, and longer than 4 x live

constexpr size_t read_size = size_t{1} << 20;  // one read from disk for a consumer

// What was read ahead for consumers and not yet asked for, of all logs of a shard: thirty readers at 1 MiB each.
constexpr uint64_t read_ahead_bytes_max = uint64_t{32} << 20;
// Windows of one sequential reader, while they all take less than half of that: one is verified and sent, the others
// are read or wait in the disk's queue, which one read at a time would leave empty between two.
constexpr size_t read_ahead_windows_max = 4;

constexpr size_t producers_per_partition_max = 10'000;  // beyond, the longest idle one is forgotten
constexpr size_t batches_per_producer = 5;              // Kafka's: bounds requests in flight of an idempotent producer

}  // namespace ironbark::log
