#pragma once
// Serves requests that come in frames over any number of connections, on one executor. A peer can make it do nothing
// but answer: every byte is checked before it is believed, and memory, connections, requests and time have limits.
//
//     Server server(world, limits, handler);
//     scope.spawn(server.serve(listener));   // as many listeners as you like
//     ...
//     server.stop();
//     co_await server.join();
//
// When memory is short it stops reading (back-pressure); nothing is dropped. After `stop` no request is begun: what
// comes is answered with `stopping` (not written), what runs is finished and answered.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/rpc/frame_reader.h"
#include "runtime/rpc/frame_writer.h"
#include "runtime/rpc/memory.h"
#include "runtime/rpc/method.h"
#include "runtime/rpc/refusal.h"
#include "runtime/rpc/service.h"
#include "runtime/rpc/traffic.h"
#include "runtime/task/scope.h"

namespace ironbark::rpc {

struct ServerLimits {
    Audience audience = Audience::clients;
    size_t connections_max = 4096;
    // Begun and not yet answered, per connection; beyond it the connection is not read.
    size_t requests_max = 256;
    // What received bytes may occupy. Every connection needs one smallest block, and nobody reads further ahead once
    // half of it is used; so with a quarter for the smallest blocks of all connections, and a quarter that holds the
    // largest frame, whoever waits for a body gets it in the end. `check` insists on that.
    size_t memory_bytes = 128 << 20;
    size_t frame_size_max = rpc::frame_size_max;
    // Answers that a peer has not read yet. Room for four of the largest; beyond it the connection is closed.
    size_t backlog_bytes_max = 64 << 20;
    Duration handshake_time_max = 10s;
    size_t handshake_frames_max = 8;
    Duration idle_time_max = std::chrono::minutes(10);
    // How long `stop` waits for what runs, and how long a peer is given to read why it is refused.
    Duration drain_time_max = 5s;
    Duration farewell_time_max = 1s;
    ReadLimits read;  // its frame_size_max is replaced by the one above, or the smaller one for strangers
    WriteLimits write;
};

// Whether the limits fit each other; the text says which do not.
Result<void> check(const ServerLimits& limits);

struct ServerCounters {
    std::array<uint64_t, method_count> requests{};   // by method, begun
    std::array<uint64_t, refusal_count> refused{};   // by reason: connections closed, requests refused
    uint64_t connections_accepted = 0;
    uint64_t accept_errors = 0;
    Traffic traffic;
};

class Connection;

class Server {
  public:
    // REQUIRES: check(limits). The handler outlives the server.
    Server(World& world, ServerLimits limits, Handler& handler);
    Server(const Server&) = delete;
    Server& operator=(const Server&) = delete;
    ~Server();

    // Accepts until the listener is closed or the server stops, which closes it. To be awaited before `join`.
    Task<void> serve(Listener* listener);
    // Serves a socket that was accepted elsewhere.
    void adopt(std::unique_ptr<Socket> socket);
    void stop();
    // Suspends until every connection has ended. REQUIRES: stop() was called
    Task<void> join();

    const ServerCounters& counters() const { return counters_; }
    size_t connections() const { return open_; }
    size_t memory_used() const { return budget_.used(); }
    Duration time_blocked_on_memory() const { return budget_.time_blocked(); }

  private:
    Task<void> run(std::unique_ptr<Socket> socket);
    Task<void> turn_away(std::unique_ptr<Socket> socket);

    World& world_;
    ServerLimits limits_;
    Handler& handler_;
    MemoryBudget budget_;
    ServerCounters counters_;
    std::vector<Listener*> listeners_;             // of `serve`
    std::map<uint64_t, Connection*> connections_;  // by number; owned by their coroutines
    size_t open_ = 0;                              // adopted and not yet ended
    size_t turning_away_ = 0;
    uint64_t connections_made_ = 0;
    bool stopping_ = false;
    Scope scope_;
};

}  // namespace ironbark::rpc
