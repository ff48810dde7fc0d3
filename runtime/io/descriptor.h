#pragma once
// A file descriptor with an owner, and the errors of the system calls that use one.

#include <cerrno>
#include <utility>

#include "runtime/base/error.h"

namespace ironbark {

// Closes its descriptor when it goes. Negative: none.
class Descriptor {
  public:
    Descriptor() = default;
    explicit Descriptor(int fd) : fd_(fd) {}
    Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
    Descriptor& operator=(Descriptor&& other) noexcept {
        std::swap(fd_, other.fd_);
        return *this;
    }
    ~Descriptor() { close(); }

    int get() const { return fd_; }
    bool is_open() const { return fd_ >= 0; }
    int release() { return std::exchange(fd_, -1); }
    void close();

  private:
    int fd_ = -1;
};

// A descriptor that becomes readable each time that somebody, on any thread, notifies it. Watched by edges, so nobody
// needs to read it. A process that cannot have one ends at its start.
class WakeupDescriptor {
  public:
    WakeupDescriptor();
    int get() const { return fd_.get(); }
    void notify();

  private:
    Descriptor fd_;
};

// Like error_from_errno, and a limit of this process or machine (descriptors, memory) is `overloaded`.
Error system_error(int number, const char* static_text);

// Repeats a system call that a signal interrupted.
template <typename Call>
auto retry_interrupted(Call call) {
    while (true) {
        auto result = call();
        if (result != -1 || errno != EINTR) return result;
    }
}

}  // namespace ironbark
