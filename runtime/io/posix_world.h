#pragma once
// The world of epoll and I/O threads. It needs nothing that a container could forbid: the client library runs in it,
// and the daemon where io_uring is not allowed.

#include <memory>

#include "runtime/io/thread_world.h"

namespace ironbark {

struct PosixSettings {
    // How long an idle loop polls before it blocks; see ThreadExecutor.
    Duration spin{0};
    // File operations in progress at a time. Synced writes to different files gain from company up to the depth of the
    // disk's queue; an idle thread costs only its stack.
    size_t io_threads_max = 16;
    // File operations accepted; further ones wait. Bounds what is held in memory for them.
    size_t io_queue_max = 1024;
    size_t buffer_stock_bytes_max = size_t{32} << 20;
};

std::unique_ptr<ThreadWorld> make_posix_world(const PosixSettings& settings = {});

}  // namespace ironbark
