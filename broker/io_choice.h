#pragma once
// Which world the daemon runs in, and why: io_uring where the kernel allows it, else posix.

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/config.h"
#include "broker/metrics.h"
#include "runtime/io/thread_world.h"

namespace ironbark::broker {

struct IoChoice {
    std::vector<std::unique_ptr<ThreadWorld>> worlds;      // one per shard
    std::vector<std::function<IoCounters()>> io_counters;  // of each, if it has any; read on its thread
    std::string name;
    std::string reason;
};

// Errors: unsupported, if `io = io_uring` was asked for and is not possible; `problem` says why and how to allow it.
Result<IoChoice> choose_io(const Config& config, size_t shards, std::string* problem);

}  // namespace ironbark::broker
