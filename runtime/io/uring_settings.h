#pragma once
// The choices and the counters of an io_uring world. No liburing in here: programs include it.

#include <cstddef>
#include <cstdint>

#include "runtime/base/time.h"

namespace ironbark {

// How a write with Sync::data reaches the disk; docs/adr/0004 has the measurements.
enum class SyncForm : uint8_t {
    // A blocking write with RWF_DSYNC on a thread kept for that. Alone among the forms it stays fast beside busy cores.
    flush_thread,
    // A write and an fdatasync linked to it: one submission, and the sync runs on a kernel worker.
    linked,
    // One write with RWF_DSYNC. On direct I/O it may complete on a kernel worker that waits for a scheduler tick when
    // a thread spins on its core.
    dsync,
    // A write and, when it has completed, an fdatasync: two submissions.
    write_then_sync,
};

struct UringSettings {
    // How long an idle loop polls before it blocks; see ThreadExecutor.
    Duration spin{0};
    SyncForm sync_form = SyncForm::flush_thread;
    // Synced writes and syncs in progress at a time, with SyncForm::flush_thread: each of another log (docs/adr/0004).
    size_t flush_threads_max = 16;
    // Places for operations that were prepared and not yet submitted. When full, they are submitted early.
    uint32_t submission_entries = 1024;
    // Places for completions. More than that are kept by the kernel and counted as overflows: they cost, but nothing
    // is lost.
    uint32_t completion_entries = 4096;
    // Kernel workers of this thread for what blocks. With the forms that sync through the ring, their number bounds how
    // many files are synced at a time; an idle worker ends by itself.
    uint32_t kernel_workers_max = 32;
    // Threads for names, directories and opening.
    size_t io_threads_max = 4;
    size_t io_queue_max = 1024;
    size_t buffer_stock_bytes_max = size_t{32} << 20;
};

// Since the start of the world. Read on its thread.
struct UringCounters {
    uint64_t submits = 0;    // system calls that carried operations
    uint64_t sqes = 0;       // operations carried
    uint64_t waits = 0;      // system calls that only looked or waited
    uint64_t syncs = 0;      // synced writes and syncs
    uint64_t punts = 0;      // operations of a kind that always goes to a kernel worker: other punts cannot be seen
    uint64_t short_reads = 0;
    uint64_t short_writes = 0;
    uint64_t retries = 0;    // operations that the kernel refused for the moment (EAGAIN, EINTR)
    uint64_t overflows = 0;  // completions that found the queue full
};

}  // namespace ironbark
