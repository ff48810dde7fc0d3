#include "broker/status_server.h"

#include <cstring>
#include <fmt/format.h>

#include "runtime/rpc/socket_deadline.h"

namespace ironbark::broker {
namespace {

constexpr size_t status_connections_max = 16;  // watchers are few; more wait in the listen queue
constexpr size_t request_size_max = 8192;  // of all headers
constexpr Duration request_time_max = 5s;
constexpr Duration accept_pause = 100ms;

std::string http(const char* status, const char* type, const std::string& body) {
    return fmt::format(
        "HTTP/1.1 {}\r\nContent-Type: {}\r\nContent-Length: {}\r\nConnection: close\r\nCache-Control: "
        "no-store\r\n\r\n{}",
        status, type, body.size(), body);
}

}  // namespace

StatusServer::StatusServer(World& world, const BrokerFacts* facts, std::unique_ptr<Listener> listener)
    : world_(world), facts_(*facts), listener_(std::move(listener)), scope_(world.executor) {}

StatusServer::~StatusServer() {
    listener_->close();
}

void StatusServer::start() {
    scope_.spawn(accept_loop());
}

Task<void> StatusServer::stop() {
    listener_->close();
    for (Socket* socket : sockets_) socket->close();
    co_await scope_.join();
}

Task<void> StatusServer::accept_loop() {
    while (true) {
        Result<std::unique_ptr<Socket>> socket = co_await listener_->accept();
        if (socket.ok()) {
            scope_.spawn(serve(std::move(socket).value()));
        } else if (socket.error().code == ErrorCode::cancelled) {
            co_return;
        }
        while (!socket.ok() || sockets_.size() >= status_connections_max) {
            co_await sleep_for(world_.executor, accept_pause);
            if (sockets_.size() < status_connections_max) break;
        }
    }
}

Task<void> StatusServer::serve(std::unique_ptr<Socket> socket) {
    sockets_.insert(socket.get());
    {
        rpc::SocketDeadline deadline(world_.executor, *socket);
        deadline.arm(world_.executor.now() + request_time_max);
        BufferSlice into(world_.buffers.take(request_size_max), 0, request_size_max);
        size_t size = 0;
        bool complete = false;
        while (!complete && size < request_size_max) {
            Result<size_t> count = co_await socket->receive(into.part(size, request_size_max - size));
            if (!count.ok() || *count == 0) break;
            size += *count;
            complete = as_text(into.bytes().first(size)).find("\r\n\r\n") != std::string_view::npos;
        }
        if (complete) {
            std::string_view text = as_text(into.bytes().first(size));
            std::string answer = co_await respond(std::string(text.substr(0, text.find("\r\n"))));
            deadline.arm(world_.executor.now() + request_time_max);
            std::vector<BufferSlice> slices;
            slices.push_back(world_.buffers.copy_of(as_bytes(answer)));
            (void)co_await socket->send(std::move(slices));
        }
    }
    sockets_.erase(socket.get());
    socket->close();
}

Task<std::string> StatusServer::respond(std::string request_line) {
    constexpr const char* plain = "text/plain; charset=utf-8";
    std::string_view line(request_line);
    if (!line.starts_with("GET ")) co_return http("405 Method Not Allowed", plain, "only GET\n");
    std::string_view path = line.substr(4, line.find_first_of(" ?", 4) - 4);
    if (path == "/metrics") {
        const ShardStatus shards = co_await gather();
        const ControlStatus control = co_await look_at_control();
        co_return http("200 OK", "text/plain; version=0.0.4; charset=utf-8",
                       metrics_text(facts_, shards, control, world_.executor.wall_milliseconds()));
    }
    if (path == "/healthz") {
        ShardStatus status = co_await gather();
        std::string problems;
        const ControlStatus control = co_await look_at_control();
        if (!control.problem.empty()) {
            problems += control.problem + "\n";
        } else if (control.incarnation.value < 0) {
            problems += "this broker is not registered with the controllers yet\n";
        }
        if (!control.controller_problem.empty()) problems += "controller: " + control.controller_problem + "\n";
        if (!status.marks_writable) problems += "the marks journal cannot be written\n";
        if (status.storage_full) problems += "the disk has no more than its reserve left: records are refused\n";
        if (status.partitions_failed > 0)
            problems += fmt::format("{} partitions are not available\n", status.partitions_failed);
        co_return problems.empty() ? http("200 OK", plain, "ok\n") : http("503 Service Unavailable", plain, problems);
    }
    co_return http("404 Not Found", plain, "there are /metrics and /healthz\n");
}

Task<ControlStatus> StatusServer::look_at_control() {
    struct Look {
        static Task<ControlStatus> at(const Control* control) { co_return control->status(); }
    };
    Control* control = facts_.control;
    auto make = [control] { return Look::at(control); };
    co_return co_await run_on<ControlStatus>(world_.executor, control->executor(), control->scope(), std::move(make));
}

Task<ShardStatus> StatusServer::gather() {
    std::vector<Task<ShardStatus>> calls;
    for (Shard* shard : facts_.shards) {
        auto make = [shard] { return look_at_shard(shard); };
        calls.push_back(run_on<ShardStatus>(world_.executor, shard->executor(), shard->scope(), std::move(make)));
    }
    std::vector<ShardStatus> shards = co_await all(world_.executor, std::move(calls));
    co_return merge(shards);
}

}  // namespace ironbark::broker
