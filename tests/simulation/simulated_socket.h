#pragma once
// One end of a connection, held by a simulated process.

#include <memory>
#include <string>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/task/sync.h"
#include "tests/simulation/simulated_network.h"

namespace ironbark::simulation {

class SimulatedSocket final : public Socket, public ConnectionUser {
  public:
    SimulatedSocket(SimulatedNetwork& network, uint64_t connection, Connection::Side side, Executor& executor);
    ~SimulatedSocket() override;

    Task<Result<size_t>> receive(BufferSlice into) override;
    Task<Result<void>> send(std::vector<BufferSlice> slices) override;
    void close() override;
    std::string peer() const override { return peer_; }

    void readable() override { readable_.pulse(); }
    void writable() override { writable_.pulse(); }

  private:
    bool is_alive() const { return is_open_ && !executor_.has_crashed(); }
    Connection& connection() { return network_.connection(connection_); }
    Task<Result<size_t>> receive_some(BufferSlice into);
    Task<Result<void>> send_all(Bytes bytes);
    [[noreturn]] void fail(const char* what);

    SimulatedNetwork& network_;
    uint64_t connection_;
    Connection::Side side_;
    Executor& executor_;
    Event readable_;
    Event writable_;
    std::string peer_;
    bool is_open_ = true;
    bool is_receiving_ = false;
    bool is_sending_ = false;
};

}  // namespace ironbark::simulation
