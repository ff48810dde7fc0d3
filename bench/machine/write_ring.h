// The few io_uring operations that the probes compare, set up as the daemon's rings are
// (SINGLE_ISSUER, DEFER_TASKRUN), and the flush threads beside them, which start with the first
// write that asks for them. Everything else happens on the thread that made the ring.
//
// write() and the like only queue; submit() or wait() hands the queue to the kernel. The data must
// stay untouched until the tag comes back. A failed operation ends the program.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>

#include "bench/machine/flush_threads.h"

namespace ironbark::bench {

enum class SyncForm {
    none,              // durable when somebody syncs later
    dsync,             // RWF_DSYNC on the write itself
    linked_fdatasync,  // a second operation, started by the kernel when the write is done
    flush_thread,      // a blocking write with RWF_DSYNC on another thread
};

class WriteRing {
  public:
    using Tag = std::uint64_t;

    // With one flush thread all its writes queue behind each other, but it is always the same one
    // that wakes; several take turns.
    explicit WriteRing(unsigned entries, std::size_t flush_thread_count = 1);
    ~WriteRing();
    WriteRing(const WriteRing&) = delete;
    WriteRing& operator=(const WriteRing&) = delete;

    // One tag comes back per call, also for a write with its linked sync.
    void write(int descriptor,
               const void* data,
               std::uint64_t size,
               std::uint64_t position,
               SyncForm form,
               Tag tag);
    void sync_data(int descriptor, Tag tag);
    void read(int descriptor, void* data, std::uint64_t size, std::uint64_t position, Tag tag);

    void submit();
    // Submits what is queued and sleeps until an operation is done.
    Tag wait();
    // Submits what is queued and spins until an operation is done.
    Tag wait_spinning();
    // An operation that is already done, without sleeping.
    std::optional<Tag> take_done();

  private:
    io_uring_sqe* next_entry(unsigned entries_needed);
    void await_flush_threads();

    io_uring ring_{};
    const std::size_t flush_thread_count_;
    std::unique_ptr<FlushThreads> flush_threads_;
    std::uint64_t event_count_ = 0;  // what the ring reads from the threads' eventfd
    std::size_t flushes_in_flight_ = 0;
    std::deque<Tag> flushed_;
};

}  // namespace ironbark::bench
