// A second process for the other end of a socket, or to keep a core busy. The body runs in a fork
// of the caller, so it must do with system calls and memory that exists already; it ends when the
// body returns, and is killed, if it still runs, when the object goes.
#pragma once

#include <sys/types.h>

#include <functional>
#include <vector>

namespace ironbark::bench {

class ChildProcess {
  public:
    explicit ChildProcess(const std::function<void()>& body);
    ~ChildProcess();
    ChildProcess(ChildProcess&& other) noexcept;
    ChildProcess& operator=(ChildProcess&&) = delete;

  private:
    pid_t id_;
};

// One process per core, each pinned to its core and spinning at ordinary priority.
std::vector<ChildProcess> spin_on_every_core();

}  // namespace ironbark::bench
