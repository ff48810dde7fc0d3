#pragma once
// The world of io_uring: what the daemon runs in, one per shard thread. Linux 6.1 or newer; many containers forbid it,
// so whoever asks for it must be ready to run in the posix world instead.

#include <memory>

#include "runtime/base/result.h"
#include "runtime/io/thread_world.h"
#include "runtime/io/uring_settings.h"

namespace ironbark {

class UringWorld : public ThreadWorld {
  public:
    virtual const UringCounters& counters() const = 0;
};

// Fails like uring_available. The world belongs to the thread that runs its executor first; it may be made on another.
Result<std::unique_ptr<UringWorld>> make_uring_world(const UringSettings& settings = {});

// Whether this process may use io_uring; if not, the error's text says why and how to allow it.
Result<void> uring_available();

}  // namespace ironbark
