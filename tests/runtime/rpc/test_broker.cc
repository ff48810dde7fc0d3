#include "tests/runtime/rpc/test_broker.h"

#include "runtime/rpc/socket_deadline.h"

namespace ironbark::rpc {

Task<Response> TestHandler::handle(Session& session, Request request) {
    started.push_back(request.correlation);
    running_most = std::max(running_most, ++running);
    Response response;
    if (request.method == Method::handshake) {
        response = handshake(session, request);
    } else if (request.method == Method::produce) {
        Task<Response> task = produce(std::move(request));
        response = co_await std::move(task);
    } else if (request.method == Method::fetch) {
        Task<Response> task = fetch(std::move(request));
        response = co_await std::move(task);
    } else if (request.method == Method::metadata) {
        response.metadata = metadata_response();
    } else {
        response = error_response(Error(ErrorCode::invalid_request, "not in this test"), Outcome::not_written);
    }
    --running;
    co_return response;
}

Response TestHandler::handshake(Session& session, const Request& request) {
    ServerIdentity identity;
    identity.cluster = Uuid::from_words(1, 2);
    identity.broker = BrokerId(5);
    identity.incarnation = Incarnation(9);
    identity.version = "1.2.3";
    identity.features = {"one", "two"};
    identity.frame_size_max = frame_size_max;
    identity.batch_size_max = 1 << 20;
    Response response = answer_handshake(session, request, identity);
    last_client_name = session.client_name;
    last_client_version = session.client_version;
    return response;
}

Task<Response> TestHandler::produce(Request request) {
    if (request.is_one_way) ++one_way;
    co_await released.wait();
    Response response;
    response.metadata = produce_response(static_cast<int64_t>(produced.size()));
    produced.emplace_back(as_text(request.payload.bytes()));
    co_return response;
}

Task<Response> TestHandler::fetch(Request request) {
    const auto& asked = request.as<wire::FetchRequest>();
    auto wait = std::chrono::milliseconds(asked.max_wait_ms());
    size_t size = asked.max_bytes();
    request = Request();
    co_await sleep_for(world_.executor, wait);
    Response response;
    response.metadata = fetch_response(size);
    if (size > 0) response.payload.push_back(world_.buffers.copy_of(Text(size, 'f')));
    co_return response;
}

Task<void> start_listening(TestBroker* broker) {
    Address address{"0.0.0.0", test_port};
    Result<std::unique_ptr<Listener>> listener = co_await broker->world.network.listen(std::move(address));
    ASSERT(listener.ok());
    broker->listener = std::move(listener).value();
    broker->accepting.spawn(broker->server.serve(broker->listener.get()));
}

Task<void> stop_orderly(TestBroker* broker) {
    broker->server.stop();
    co_await broker->accepting.join();
    co_await broker->server.join();
}

RpcTest::RpcTest(ServerLimits server_limits, uint64_t seed, simulation::Options options)
    : limits(server_limits),
      simulation(seed, options),
      broker_node(simulation.node("broker")),
      client(simulation.node("client")) {
    client.boot();
    start_broker();
    simulation.run_until([this] { return broker->listener != nullptr; }, 1s);
}

void RpcTest::start_broker() {
    broker = &broker_node.start([this](World& world) { return std::make_unique<TestBroker>(world, limits); });
    broker_node.spawn(start_listening(broker));
}

Text handshake_frame(uint64_t correlation) {
    ClientIdentity identity{"test", "0.1", {}};
    return frame_of(Method::handshake, correlation, handshake_request(identity));
}

Task<Result<std::unique_ptr<Socket>>> connect_to_broker(World* world) {
    Address address{"broker", test_port};
    return world->network.connect(std::move(address), world->executor.now() + 10s);
}

Task<bool> send_bytes(World* world, Socket* socket, Text bytes) {
    std::vector<BufferSlice> slices;
    slices.push_back(world->buffers.copy_of(bytes));
    Result<void> sent = co_await socket->send(std::move(slices));
    co_return sent.ok();
}

Task<std::string> read_to_end(World* world, Socket* socket, Duration patience) {
    SocketDeadline deadline(world->executor, *socket);
    deadline.arm(world->executor.now() + patience);
    std::string all;
    while (true) {
        BufferSlice into(world->buffers.take(64 << 10), 0, 64 << 10);
        Result<size_t> count = co_await socket->receive(into);
        if (!count.ok() || *count == 0) break;
        all += as_text(into.part(0, *count).bytes());
    }
    socket->close();
    co_return all;
}

namespace {

Task<std::string> exchange_bytes(World* world, Text bytes, Duration patience) {
    Result<std::unique_ptr<Socket>> socket = co_await connect_to_broker(world);
    ASSERT(socket.ok());
    // A broker that refuses early may end the connection while this is under way.
    co_await send_bytes(world, socket->get(), std::move(bytes));
    std::string answer = co_await read_to_end(world, socket->get(), patience);
    co_return answer;
}

}  // namespace

std::string RpcTest::exchange(Text bytes, Duration patience) {
    std::string answer = client.run(exchange_bytes(&client_world(), std::move(bytes), patience));
    simulation.run_for(100ms);  // until the broker has seen the end, too
    return answer;
}

std::vector<ReceivedFrame> RpcTest::exchange_frames(Text bytes, Duration patience) {
    std::string answer = exchange(std::move(bytes), patience);
    return frames_in(as_bytes(answer));
}

}  // namespace ironbark::rpc
