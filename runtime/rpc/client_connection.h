#pragma once
// One connection of a client: calls are sent as they come and matched with their answers by correlation id. When it
// ends, every call that waits learns whether it was ever sent. It does not reconnect: channel.h does.

#include <cstdint>
#include <map>
#include <memory>

#include "runtime/io/world.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/frame_reader.h"
#include "runtime/rpc/frame_writer.h"
#include "runtime/task/scope.h"

namespace ironbark::rpc {

struct ClientLimits {
    ReadLimits read;
    WriteLimits write;
    // A call that ran out of time ends the connection if nothing at all came for so long since the first such call
    // began, however short their deadlines: the peer or the path is dead, and the next call should not wait for it too.
    Duration silence_time_max = 10s;
};

class ClientConnection {
  public:
    ClientConnection(World& world, std::unique_ptr<Socket> socket, ClientLimits limits, Traffic& traffic);
    ClientConnection(const ClientConnection&) = delete;
    ClientConnection& operator=(const ClientConnection&) = delete;

    // Carries calls. Suspends until the connection has ended and nobody is left in it; then it may be destroyed.
    Task<void> run();

    // Suspends until the answer is there, the connection has ended or the deadline has passed. `message` outlives it.
    Task<CallResult> call(const Message* message, Instant deadline);
    // Queues a one-way message; `held` is given back when it was sent. An error: it is certainly never sent.
    Result<void> send(const Message& message, Units held);

    void close(const Error& error, std::string hint = {});
    bool is_closed() const { return closed_; }
    const Error& error() const { return error_; }  // why it was closed
    Event& ended() { return ended_; }              // set when it was closed
    bool is_idle() const { return waiting_.empty(); }
    Instant last_received() const { return last_received_; }
    uint64_t answers() const { return answers_; }

  private:
    struct Waiting {
        Waiting(Executor& executor, const MethodLimits& row) : method(row), done(executor) {}
        const MethodLimits& method;
        const Preview* preview = nullptr;
        Event done;
        CallResult result;
        uint64_t frame = 0;
    };
    Task<void> read();
    Task<void> write();
    void preview(const FrameHeader& header, Bytes metadata);
    Refusal accept(Frame frame);
    void finish(Waiting* waiting, CallResult result);
    CallResult give_up(uint64_t correlation, Waiting* waiting, Instant begun);
    uint64_t push(const Message& message, uint64_t correlation, Units held);

    World& world_;
    std::unique_ptr<Socket> socket_;
    ClientLimits limits_;
    FrameReader reader_;
    FrameWriter writer_;
    std::map<uint64_t, Waiting*> waiting_;  // by correlation; they live in the frames of `call`
    uint64_t correlations_ = 0;
    size_t callers_ = 0;
    Event callers_left_;
    Event ended_;
    Instant last_received_;
    // Not before `last_received_`: since then a call has run out of time, and nothing came.
    Instant silent_since_{};
    uint64_t answers_ = 0;
    bool closed_ = false;
    Error error_{ErrorCode::none};
    std::string hint_;
    Scope scope_;
};

}  // namespace ironbark::rpc
