#include "runtime/rpc/server.h"

#include <algorithm>

#include "runtime/rpc/connection.h"

namespace ironbark::rpc {

namespace {

// How long accepting pauses after an error: descriptors that are used up do not come back at once.
constexpr Duration accept_pause = 10ms;
// Connections beyond the limit that are told so at a time; more are closed without a word.
constexpr size_t turning_away_max = 32;

}  // namespace

Result<void> check(const ServerLimits& limits) {
    static constexpr ErrorCode code = ErrorCode::invalid_config;
    if (limits.connections_max == 0 || limits.requests_max == 0) {
        return Error(code, "a server needs at least one connection and one request on it");
    }
    if (limits.frame_size_max < stranger_frame_size_max || limits.frame_size_max > frame_size_max) {
        return Error(code, "the largest frame must be between 8 KiB and 16 MiB");
    }
    if (limits.memory_bytes / 4 < block_size_for(limits.frame_size_max)) {
        return Error(code, "the memory for requests must hold four of the largest frames");
    }
    if (limits.memory_bytes / 4 < limits.connections_max * read_ahead_min) {
        return Error(code, "the memory for requests must hold 16 KiB for each connection allowed");
    }
    if (limits.backlog_bytes_max < limits.frame_size_max) {
        return Error(code, "the room for unread answers must hold the largest frame");
    }
    return {};
}

Server::Server(World& world, ServerLimits limits, Handler& handler)
    : world_(world),
      limits_(limits),
      handler_(handler),
      budget_(world.executor, limits.memory_bytes),
      scope_(world.executor) {
    ASSERT(check(limits_).ok());
}

Server::~Server() { ASSERT(open_ == 0 || world_.executor.has_crashed()); }

Task<void> Server::serve(Listener* listener) {
    if (stopping_) listener->close();
    listeners_.push_back(listener);
    while (true) {
        Result<std::unique_ptr<Socket>> socket = co_await listener->accept();
        if (socket.ok()) {
            adopt(std::move(socket).value());
            continue;
        }
        if (stopping_ || socket.error().code == ErrorCode::cancelled) break;
        ++counters_.accept_errors;
        co_await sleep_for(world_.executor, accept_pause);
    }
    std::erase(listeners_, listener);
}

void Server::adopt(std::unique_ptr<Socket> socket) {
    ++counters_.connections_accepted;
    if (!stopping_ && open_ < limits_.connections_max) {
        ++open_;
        scope_.spawn(run(std::move(socket)));
        return;
    }
    ++counters_.refused[static_cast<size_t>(stopping_ ? Refusal::stopping : Refusal::connections_full)];
    if (!stopping_ && turning_away_ < turning_away_max) {
        ++turning_away_;
        scope_.spawn(turn_away(std::move(socket)));
    } else {
        socket->close();
    }
}

Task<void> Server::run(std::unique_ptr<Socket> socket) {
    uint64_t number = ++connections_made_;
    auto connection = std::make_unique<Connection>(world_, std::move(socket), limits_, handler_, budget_, counters_,
                                                   number);
    connections_.emplace(number, connection.get());
    if (stopping_) connection->stop();
    co_await connection->run();
    connections_.erase(number);
    connection.reset();
    --open_;
}

Task<void> Server::turn_away(std::unique_ptr<Socket> socket) {
    FrameWriter writer(world_, *socket, limits_.write, counters_.traffic);
    FrameReader reader(world_, *socket, limits_.read, nullptr, counters_.traffic);
    SocketDeadline deadline(world_.executor, *socket);
    deadline.arm(world_.executor.now() + limits_.farewell_time_max);
    Response response = error_response(error_of(Refusal::connections_full), Outcome::not_written);
    FrameHeader header;
    header.flags = flag_response | flag_error;
    writer.push(header, bytes_of(response.metadata), {});
    writer.finish();
    bool is_sent = co_await writer.run();
    if (is_sent) co_await reader.drain();
    socket->close();
    --turning_away_;
}

void Server::stop() {
    if (stopping_) return;
    stopping_ = true;
    for (Listener* listener : listeners_) listener->close();
    for (auto& [number, connection] : connections_) connection->stop();
    budget_.close();
}

Task<void> Server::join() {
    ASSERT(stopping_);
    co_await scope_.join();
}

}  // namespace ironbark::rpc
