#pragma once
// A network whose connections, made and accepted, can be cut at a given byte of either direction: once, the next time
// that many bytes have passed since it was armed.

#include <memory>
#include <optional>

#include "runtime/io/world.h"

namespace ironbark::client {

struct Cut {
    // Bytes that still pass, in the direction that is watched. The connection ends with the next one.
    std::optional<size_t> sent;
    std::optional<size_t> received;
    size_t cuts = 0;  // that happened
};

class CuttingNetwork final : public Network {
  public:
    CuttingNetwork(Network& network, Cut& cut) : network_(network), cut_(cut) {}

    Task<Result<std::unique_ptr<Listener>>> listen(Address address) override;
    Result<std::unique_ptr<Listener>> share(const Listener& listener) override { return network_.share(listener); }
    Task<Result<std::unique_ptr<Socket>>> connect(Address address, Instant deadline) override;

  private:
    Network& network_;
    Cut& cut_;
};

}  // namespace ironbark::client
