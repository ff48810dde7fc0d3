#pragma once
// Looks up host names without blocking the loop. Lookups have threads of their own, because one may take half a minute
// when a name server is down, and disk operations must not queue behind it.

#include <vector>

#include "runtime/io/io_threads.h"
#include "runtime/io/socket_calls.h"

namespace ironbark {

class NameService {
  public:
    explicit NameService(Executor& executor) : executor_(executor), threads_(executor, thread_count, 1) {}

    // Suspends unless the host is numeric; resumed with the answer, or `timed_out`. A lookup that nobody waits for any
    // more goes on in its thread; with `lookups_max` of them the answer is `overloaded`.
    Task<Result<std::vector<SocketAddress>>> find(Address address, Instant deadline);

  private:
    struct Lookup;
    static constexpr size_t thread_count = 2;  // one that hangs leaves another
    static constexpr size_t lookups_max = 64;

    Executor& executor_;
    size_t lookups_ = 0;
    IoThreads threads_;
};

}  // namespace ironbark
