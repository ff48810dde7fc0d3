#pragma once
// A network that cuts its first connection after an exact number of bytes, in one direction; later connections are
// refused or left alone. Everything else is the network underneath.

#include <cstdint>
#include <memory>

#include "runtime/io/world.h"

namespace ironbark::rpc {

struct Cut {
    size_t sent_max = SIZE_MAX;      // bytes that leave before the connection is cut
    size_t received_max = SIZE_MAX;  // bytes that arrive before it is
    bool is_silent = false;          // what is cut off looks sent, as it does when a kernel has taken it
    bool refuses_later = true;
};

class CuttingNetwork final : public Network {
  public:
    CuttingNetwork(Network& network, Cut cut) : network_(network), cut_(cut) {}

    Task<Result<std::unique_ptr<Listener>>> listen(Address address) override;
    Result<std::unique_ptr<Listener>> share(const Listener& listener) override { return network_.share(listener); }
    Task<Result<std::unique_ptr<Socket>>> connect(Address address, Instant deadline) override;

    size_t connections = 0;
    size_t sent = 0;      // on the first connection
    size_t received = 0;

  private:
    friend class CutSocket;
    Network& network_;
    Cut cut_;
};

}  // namespace ironbark::rpc
