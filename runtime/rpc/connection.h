#pragma once
// One connection of a server: a coroutine that reads requests and starts them, one that sends what they answer, and
// the requests themselves. Owned by Server::run, which awaits `run` and then destroys it.

#include <deque>
#include <memory>

#include "runtime/rpc/server.h"

namespace ironbark::rpc {

class Connection {
  public:
    Connection(World& world, std::unique_ptr<Socket> socket, const ServerLimits& limits, Handler& handler,
               MemoryBudget& budget, ServerCounters& counters, uint64_t number);
    Connection(const Connection&) = delete;
    Connection& operator=(const Connection&) = delete;

    // Suspends until the connection has ended, and all of its requests with it.
    Task<void> run();
    // Lets what runs be answered, then closes.
    void stop();

  private:
    // Ends a handshake that takes too long, later a connection that nobody uses.
    struct Watch : Timer {
        explicit Watch(Connection& owner) : Timer(&Connection::look), connection(owner) {}
        Connection& connection;
    };
    struct Begun {
        FrameHeader header;
        Request request;
        Units slot;
    };

    static void look(Timer& timer);
    Task<Refusal> read();
    Task<Refusal> dispatch(Frame frame);
    void begin(Frame frame, Units slot);
    void open_session();
    Refusal check(const Frame& frame) const;
    Task<void> run_next();
    Task<void> write();
    Task<void> farewell(Refusal refusal);
    Task<void> drain();
    void refuse(const FrameHeader& request, Refusal refusal);
    void answer(const FrameHeader& request, Response response, Units slot);
    void count(Refusal refusal) { ++counters_.refused[static_cast<size_t>(refusal)]; }
    void close(Refusal refusal);

    World& world_;
    std::unique_ptr<Socket> socket_;
    const ServerLimits& limits_;
    Handler& handler_;
    ServerCounters& counters_;
    Session session_;
    Semaphore slots_;  // a slot for each request, from when it is begun until its answer was sent
    FrameReader reader_;
    FrameWriter writer_;
    std::deque<Begun> begun_;  // to be started, in this order whichever coroutine runs first
    Watch watch_;
    Instant last_used_;
    size_t handshake_frames_ = 0;
    FrameHeader refused_;  // the request that ended the connection, if it was one
    Refusal closed_for_ = Refusal::none;
    bool stopping_ = false;
    Scope scope_;
};

}  // namespace ironbark::rpc
