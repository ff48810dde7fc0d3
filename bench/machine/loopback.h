// A connected pair of TCP sockets over loopback, both ends in this process: a probe keeps one and
// lets a forked child use the other. Nagle's delay is off. Blocking.
#pragma once

#include <cstddef>

namespace ironbark::bench {

class LoopbackPair {
  public:
    LoopbackPair();
    ~LoopbackPair();
    LoopbackPair(const LoopbackPair&) = delete;
    LoopbackPair& operator=(const LoopbackPair&) = delete;

    int near() const { return near_; }
    int far() const { return far_; }

  private:
    int near_ = -1;
    int far_ = -1;
};

// Both return false once the other end has closed; any other failure ends the program.
bool send_all(int socket, const void* data, std::size_t size);
bool receive_all(int socket, void* data, std::size_t size);

}  // namespace ironbark::bench
