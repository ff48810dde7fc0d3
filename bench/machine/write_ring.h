// The few io_uring operations that the probes compare, set up as the daemon's rings are
// (SINGLE_ISSUER, DEFER_TASKRUN). Everything happens on the thread that made the ring.
//
// write() and the like only queue; submit() or wait() hands the queue to the kernel. The data must
// stay untouched until the tag comes back. A failed operation ends the program.
#pragma once

#include <liburing.h>

#include <cstdint>
#include <optional>

namespace ironbark::bench {

enum class SyncForm {
    none,              // durable when somebody syncs later
    dsync,             // RWF_DSYNC on the write itself
    linked_fdatasync,  // a second operation, started by the kernel when the write is done
};

class WriteRing {
  public:
    using Tag = std::uint64_t;

    explicit WriteRing(unsigned entries);
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

    io_uring ring_{};
};

}  // namespace ironbark::bench
