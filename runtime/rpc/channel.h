#pragma once
// A client's way to one address. Connects when somebody calls, introduces itself, pipelines calls, and connects again
// when the connection was lost. Calls that were certainly never sent wait for the next connection, as long as their
// deadline allows; a call that may have been sent is never sent again: its caller is told `unknown` and decides.
//
// Attempts to connect: the first one at once, then after pauses that double up to a second. Requests in flight are
// bounded in number and bytes; beyond that `call` waits. Belongs to one executor; `close` before destruction.
//
// One that keeps itself connected does all of this without being called, from `open` until `close`: whoever watches it
// learns within a round trip that the other process has ended.

#include <cstdint>
#include <vector>

#include "runtime/io/world.h"
#include "runtime/rpc/call.h"
#include "runtime/rpc/client_connection.h"
#include "runtime/rpc/handshake.h"
#include "runtime/task/scope.h"

namespace ironbark::rpc {

// Told what becomes of a channel's connections, in their order. Called by the channel's coroutine: it may `post`, but
// neither waits for the channel nor closes it.
class ChannelObserver {
  public:
    virtual ~ChannelObserver() = default;
    virtual void connected() {}                   // and greeted; what waited for it goes out after this
    virtual void ended(const Error&) {}           // that connection, for this reason
    virtual void attempt_failed(const Error&) {}  // to connect, or to greet
};

struct ChannelOptions {
    size_t calls_max = 256;          // in flight; no more than a server serves of one connection
    size_t bytes_max = 32 << 20;     // of calls in flight
    Duration connect_time_max = 5s;  // with the handshake
    Duration pause_min = 10ms;
    Duration pause_max = 1s;
    // A connection that lived shorter, without an answer, counts as a failed attempt.
    Duration stable_time = 1s;
    // After so many attempts that failed since it began to wait, a call ends with their error; 0: at its deadline.
    uint64_t attempts_max = 0;
    bool keep_connected = false;          // see `open`
    ChannelObserver* observer = nullptr;  // may be null; outlives the channel
    // Below the server's limit, so that no call is sent into a connection that is being closed.
    Duration idle_time_max = std::chrono::minutes(5);
    ClientLimits limits;
};

// What is said first on every connection. Owned by the user of the channel, outlives it.
class Greeter {
  public:
    virtual ~Greeter() = default;
    // An error closes the connection; one that is not retriable ends the calls that wait for it, too.
    virtual Task<Result<void>> greet(ClientConnection* connection, Instant deadline) = 0;
};

// The handshake of a client.
class Introduction final : public Greeter {
  public:
    explicit Introduction(ClientIdentity identity) : identity_(std::move(identity)) {}
    Task<Result<void>> greet(ClientConnection* connection, Instant deadline) override;
    // What the server said at the last greeting that succeeded.
    const ServerDescription& server() const { return server_; }

  private:
    ClientIdentity identity_;
    ServerDescription server_;
};

struct ChannelCounters {
    uint64_t connections = 0;  // greeted
    uint64_t attempts_failed = 0;
    Traffic traffic;
};

class Channel {
  public:
    Channel(World& world, Address address, Greeter& greeter, ChannelOptions options = {});
    Channel(const Channel&) = delete;
    Channel& operator=(const Channel&) = delete;
    ~Channel();

    // Connects now, and again whenever the connection was lost, whether somebody calls or not. REQUIRES: keep_connected
    void open();
    // Suspends until answered or given up, at the deadline at the latest.
    Task<CallResult> call(
        Method method, Metadata metadata, std::vector<BufferSlice> payload, Instant deadline, Preview preview = {});
    // Suspends until the message is queued on a connection. Nobody will say whether it arrived; an error says that it
    // was never sent.
    Task<Result<void>> send(Method method, Metadata metadata, std::vector<BufferSlice> payload, Instant deadline);
    // The same without waiting for anything: queued on the connection that is there, or refused at once. Errors:
    // connection_closed (there is none), queue_full (so much waits to be sent already), message_too_large.
    Result<void> post(Method method, Bytes metadata, std::vector<BufferSlice> payload);
    // Ends the connection that there is, or waiting for one, for this reason: whoever calls is told. The next call
    // connects anew.
    void drop(const Error& reason);
    // Ends all calls; waits for them, and for an attempt to connect. Idempotent.
    Task<void> close();

    const Address& address() const { return address_; }
    bool is_connected() const { return connection_ != nullptr && is_greeted_ && !connection_->is_closed(); }
    const ChannelCounters& counters() const { return counters_; }
    const Error& last_error() const { return last_error_; }  // of the last attempt to connect that failed

  private:
    struct Room {  // what a call occupies
        Units call;
        Units bytes;
    };
    Task<Result<Room>> admit(size_t size, Instant deadline);
    Task<Result<ClientConnection*>> connected(Instant deadline);
    Task<CallResult> exchange(const Message* message, Instant deadline);
    Task<void> maintain();
    Task<void> attempt();
    Task<void> serve(ClientConnection* connection);
    Duration pause();
    void failed(const Error& error);
    void start();
    void begin();
    void leave();

    World& world_;
    Address address_;
    Greeter& greeter_;
    ChannelOptions options_;
    Semaphore calls_;
    Semaphore bytes_;
    Event wanted_;   // set by who waits for a connection
    Event changed_;  // pulsed when a connection is ready, or an attempt has failed
    Event closing_;
    Event users_left_;
    ClientConnection* connection_ = nullptr;  // lives in `attempt`
    bool is_greeted_ = false;
    bool started_ = false;
    bool closed_ = false;
    size_t waiting_ = 0;  // for a connection
    size_t users_ = 0;    // inside `call` or `send`
    uint64_t failures_in_row_ = 0;
    Error last_error_{ErrorCode::none};
    uint64_t drops_ = 0;
    Error drop_reason_{ErrorCode::none};
    ChannelCounters counters_;
    Scope scope_;
};

}  // namespace ironbark::rpc
