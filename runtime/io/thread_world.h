#pragma once
// A real world: everything that one thread needs to run logic on this machine. Made and destroyed on any one thread,
// used on the thread that runs its executor. The programs choose between posix and io_uring here, once; nothing else
// knows which it is.

#include "runtime/io/thread_executor.h"
#include "runtime/io/world.h"

namespace ironbark {

class ThreadWorld {
  public:
    virtual ~ThreadWorld() = default;

    virtual const char* name() const = 0;  // "posix", "io_uring"
    virtual ThreadExecutor& executor() = 0;
    virtual World& world() = 0;
};

}  // namespace ironbark
