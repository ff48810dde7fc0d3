#include "runtime/rpc/channel.h"

#include <algorithm>

#include "wire/client_generated.h"

namespace ironbark::rpc {

namespace {

constexpr Error channel_closed(ErrorCode::closed, "the channel was closed");
constexpr Error call_too_large(ErrorCode::message_too_large,
                               "the request does not fit a frame (16 MiB); send less at once");
constexpr Error not_connected(ErrorCode::connection_closed, "there is no connection now");
constexpr Error backlog_full(ErrorCode::queue_full, "the other side does not take what is sent to it");

}  // namespace

Task<Result<void>> Introduction::greet(ClientConnection* connection, Instant deadline) {
    Metadata metadata = handshake_request(identity_);
    Message message;
    message.method = Method::handshake;
    message.metadata = bytes_of(metadata);
    CallResult result = co_await connection->call(&message, deadline);
    if (!result.ok()) co_return result.error;
    CO_TRY(server_, read_handshake(result.metadata.bytes()));
    co_return Result<void>();
}

Channel::Channel(World& world, Address address, Greeter& greeter, ChannelOptions options)
    : world_(world),
      address_(std::move(address)),
      greeter_(greeter),
      options_(options),
      calls_(world.executor, static_cast<int64_t>(options.calls_max)),
      bytes_(world.executor, static_cast<int64_t>(options.bytes_max)),
      wanted_(world.executor),
      changed_(world.executor),
      closing_(world.executor),
      users_left_(world.executor),
      scope_(world.executor) {
    users_left_.set();
}

Channel::~Channel() {
    ASSERT((users_ == 0 && scope_.count() == 0) || world_.executor.has_crashed());
}

Task<CallResult> Channel::call(
    Method method, Metadata metadata, std::vector<BufferSlice> payload, Instant deadline, Preview preview) {
    start();
    Message message;
    message.method = method;
    message.metadata = bytes_of(metadata);
    message.payload = &payload;
    if (preview) message.preview = &preview;
    CallResult result = co_await exchange(&message, deadline);
    leave();
    co_return result;
}

Task<CallResult> Channel::exchange(const Message* message, Instant deadline) {
    size_t size = frame_header_size + message->metadata.size() + total_size(*message->payload);
    Result<Room> room = co_await admit(size, deadline);
    if (!room.ok()) co_return never_sent(room.error());
    while (true) {
        Result<ClientConnection*> connection = co_await connected(deadline);
        if (!connection.ok()) co_return never_sent(connection.error());
        CallResult result = co_await connection.value()->call(message, deadline);
        bool may_go_again = result.delivery == Delivery::never_sent && !closed_ && world_.executor.now() < deadline;
        if (!may_go_again) co_return result;
    }
}

Task<Result<void>> Channel::send(Method method, Metadata metadata, std::vector<BufferSlice> payload, Instant deadline) {
    start();
    Message message;
    message.method = method;
    message.metadata = bytes_of(metadata);
    message.payload = &payload;
    message.is_one_way = true;
    Result<Room> room = co_await admit(frame_header_size + metadata.size() + total_size(payload), deadline);
    Result<void> sent;
    if (room.ok()) {
        Result<ClientConnection*> connection = co_await connected(deadline);
        sent = connection.ok() ? connection.value()->send(message, std::move(room->bytes)) : connection.error();
    } else {
        sent = room.error();
    }
    leave();
    co_return sent;
}

Result<void> Channel::post(Method method, Bytes metadata, std::vector<BufferSlice> payload) {
    if (!is_connected()) return closed_ ? channel_closed : not_connected;
    size_t size = frame_header_size + metadata.size() + total_size(payload);
    if (size > frame_size_max) return call_too_large;
    std::optional<Units> bytes = bytes_.try_take(static_cast<int64_t>(size));
    if (!bytes) return backlog_full;
    Message message;
    message.method = method;
    message.metadata = metadata;
    message.payload = &payload;
    message.is_one_way = true;
    return connection_->send(message, std::move(*bytes));
}

// Waits until a message of `size` bytes may be in flight.
Task<Result<Channel::Room>> Channel::admit(size_t size, Instant deadline) {
    if (closed_) co_return channel_closed;
    if (size > frame_size_max) co_return call_too_large;
    std::optional<Units> call = co_await calls_.take(1, deadline);
    if (!call) co_return closed_ ? channel_closed : deadline_passed;
    std::optional<Units> bytes = co_await bytes_.take(static_cast<int64_t>(size), deadline);
    if (!bytes) co_return closed_ ? channel_closed : deadline_passed;
    Room room;
    room.call = std::move(*call);
    room.bytes = std::move(*bytes);
    co_return room;
}

// Waits for a connection that was greeted. The pointer is good until the next suspension.
Task<Result<ClientConnection*>> Channel::connected(Instant deadline) {
    uint64_t failures_before = counters_.attempts_failed;
    const uint64_t drops_before = drops_;
    ++waiting_;
    std::optional<Error> error;
    while (!error && !is_connected()) {
        uint64_t failures = counters_.attempts_failed - failures_before;
        bool is_hopeless = failures > 0 && !is_retriable(last_error_.code);
        bool is_enough = options_.attempts_max > 0 && failures >= options_.attempts_max;
        if (closed_) {
            error = channel_closed;
        } else if (drops_ != drops_before) {
            error = drop_reason_;
        } else if (is_hopeless || is_enough) {
            error = last_error_;
        } else {
            wanted_.set();
            Wake wake = co_await changed_.wait(deadline);
            bool has_failed = counters_.attempts_failed > failures_before;
            if (wake == Wake::timed_out) error = has_failed ? last_error_ : deadline_passed;
        }
    }
    --waiting_;
    if (error) co_return *error;
    co_return connection_;
}

Task<void> Channel::maintain() {
    while (!closed_) {
        if (waiting_ == 0 && !options_.keep_connected) {
            co_await wanted_.wait();
            wanted_.reset();
            if (waiting_ == 0) continue;
        }
        if (failures_in_row_ > 0) co_await closing_.wait(world_.executor.now() + pause());
        if (!closed_) co_await attempt();
    }
}

// Half to the whole of the doubled pause: clients that lost the same broker do not come back all at once.
Duration Channel::pause() {
    uint64_t doublings = std::min<uint64_t>(failures_in_row_ - 1, 20);
    Duration full = std::min(options_.pause_max, options_.pause_min * (int64_t{1} << doublings));
    uint64_t half = static_cast<uint64_t>(full.count() / 2);
    return Duration(static_cast<int64_t>(half + world_.random.below(half + 1)));
}

// Connects once, and carries calls until that connection has ended.
Task<void> Channel::attempt() {
    Instant deadline = world_.executor.now() + options_.connect_time_max;
    Result<std::unique_ptr<Socket>> socket = co_await world_.network.connect(address_, deadline);
    if (!socket.ok()) {
        failed(socket.error());
        co_return;
    }
    ClientConnection connection(world_, std::move(socket).value(), options_.limits, counters_.traffic);
    connection_ = &connection;
    Scope scope(world_.executor);
    scope.spawn(connection.run());
    if (closed_) connection.close(channel_closed);
    Result<void> greeted = co_await greeter_.greet(&connection, deadline);
    if (greeted.ok()) {
        co_await serve(&connection);
    } else {
        connection.close(greeted.error());
        failed(greeted.error());
    }
    is_greeted_ = false;
    connection_ = nullptr;
    co_await scope.join();
}

Task<void> Channel::serve(ClientConnection* connection) {
    Instant begun = world_.executor.now();
    uint64_t answers_before = connection->answers();
    ++counters_.connections;
    is_greeted_ = true;
    if (options_.observer != nullptr) options_.observer->connected();
    changed_.pulse();
    Instant last_used = begun;
    while (!connection->is_closed()) {
        Wake wake = co_await connection->ended().wait(last_used + options_.idle_time_max);
        if (wake != Wake::timed_out) break;
        last_used = connection->is_idle() ? connection->last_received() : world_.executor.now();
        bool is_idle = world_.executor.now() - last_used >= options_.idle_time_max;
        if (is_idle) connection->close(error_of(Refusal::idle));
    }
    bool was_useful = connection->answers() > answers_before;
    if (was_useful || world_.executor.now() - begun >= options_.stable_time) {
        failures_in_row_ = 0;
    } else {
        ++failures_in_row_;
        last_error_ = connection->error();
    }
    is_greeted_ = false;
    if (options_.observer != nullptr) options_.observer->ended(connection->error());
}

void Channel::failed(const Error& error) {
    ++failures_in_row_;
    ++counters_.attempts_failed;
    last_error_ = error;
    if (options_.observer != nullptr) options_.observer->attempt_failed(error);
    changed_.pulse();
}

// Every call of the outside comes through here and ends with `leave`.
void Channel::start() {
    ++users_;
    users_left_.reset();
    begin();
}

void Channel::begin() {
    if (started_ || closed_) return;
    started_ = true;
    scope_.spawn(maintain());
}

void Channel::open() {
    ASSERT(options_.keep_connected);
    begin();
}

void Channel::leave() {
    if (--users_ == 0) users_left_.set();
}

void Channel::drop(const Error& reason) {
    ++drops_;
    drop_reason_ = reason;
    if (connection_ != nullptr) connection_->close(reason);
    changed_.pulse();
}

Task<void> Channel::close() {
    closed_ = true;
    calls_.close();
    bytes_.close();
    closing_.set();
    wanted_.set();
    changed_.pulse();
    if (connection_ != nullptr) connection_->close(channel_closed);
    while (users_ != 0) co_await users_left_.wait();
    co_await scope_.join();
}

}  // namespace ironbark::rpc
