#pragma once
// Every bound of what a voter keeps on disk, with its reason.

#include <cstddef>
#include <cstdint>

#include "log/limits.h"
#include "runtime/base/time.h"

namespace ironbark::consensus {

// One commit of the journal, and one write more: what comes later, a vote say, waits for no more than this.
constexpr uint64_t commit_bytes_max = uint64_t{4} << 20;
// Of the journal's file, kept for terms and votes when the disk is full: 64 of them, two blocks each. A term takes an
// election that somebody wins or that fails, and pre-votes keep lonely voters from raising it.
constexpr uint64_t term_reserve_bytes = uint64_t{512} << 10;
static_assert(term_reserve_bytes <= log::journal_allocation_step / 2, "what the journal has ahead of need is enough");
// A commit's second copy goes with the next commit, or after so long without one: a voter that is busy writes it for
// free, and an isolated commit that meets the write of it waits for one write more.
constexpr Duration copy_delay = 10ms;
// What waits for room on a full disk is tried again so often: somebody is making room by hand.
constexpr Duration full_retry_interval = 1s;

// The journal is rewritten when it is longer than 8 MiB and than four times what is live, as all journals, but not
// later than this much beyond: with a log of the largest size it stays below the largest journal.
constexpr uint64_t journal_garbage_bytes_max = uint64_t{256} << 20;
// Entries that a snapshot stands for are kept back to the snapshot before, which then stands in for a damaged one; so
// many bytes of them at most.
constexpr uint64_t repair_bytes_max = uint64_t{64} << 20;

// A snapshot is written, verified and read in pieces of this size; part of the format. One of them holds the loop for
// some 30 us, and a gigabyte has 4096.
constexpr uint64_t snapshot_piece_size = uint64_t{256} << 10;
// One record of a snapshot of the state machine: what a journal takes, too.
constexpr uint64_t snapshot_record_size_max = log::journal_record_size_max;

}  // namespace ironbark::consensus
