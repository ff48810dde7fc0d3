// What a channel makes of a server that is not what it should be.
#include <gtest/gtest.h>

#include "tests/runtime/rpc/channel_fixture.h"

namespace ironbark::rpc {
namespace {

Task<void> receive_something(World* world, Socket* socket) {
    BufferSlice into(world->buffers.take(4096), 0, 4096);
    Result<size_t> count = co_await socket->receive(std::move(into));
    ASSERT(count.ok());
}

// Accepts one connection at the broker's address, answers the handshake with `greeting` and what comes then with
// `answer`, and waits for the end.
Task<void> impersonate(World* world, Text greeting, Text answer) {
    Address address{"0.0.0.0", test_port};
    Result<std::unique_ptr<Listener>> listener = co_await world->network.listen(std::move(address));
    ASSERT(listener.ok());
    Result<std::unique_ptr<Socket>> socket = co_await listener.value()->accept();
    ASSERT(socket.ok());
    co_await receive_something(world, socket->get());
    co_await send_bytes(world, socket->get(), std::move(greeting));
    if (!answer.empty()) {
        co_await receive_something(world, socket->get());
        co_await send_bytes(world, socket->get(), std::move(answer));
    }
    co_await read_to_end(world, socket->get(), 60s);
    listener.value()->close();
}

Text greeting(uint16_t protocol = protocol_max) {
    flatbuffers::FlatBufferBuilder builder;
    Metadata metadata = finish(builder, wire::CreateHandshakeResponse(builder, 0, protocol));
    return frame_of(static_cast<uint16_t>(Method::handshake), 1, bytes_of(metadata), {}, flag_response);
}

Text answer_frame(Method method, uint64_t correlation, const Metadata& metadata, uint16_t flags = 0,
                  Bytes payload = {}) {
    uint16_t all_flags = static_cast<uint16_t>(flags | flag_response);
    return frame_of(static_cast<uint16_t>(method), correlation, bytes_of(metadata), payload, all_flags);
}

// What a produce becomes when the other side says this.
CallResult produce_to_impostor(Text greeting_bytes, Text answer) {
    ChannelTest test(one_attempt());
    test.broker_node.kill();
    test.broker_node.boot();
    test.broker_node.spawn(impersonate(&test.broker_node.world(), std::move(greeting_bytes), std::move(answer)));
    test.simulation.run_for(1ms);
    CallResult result = test.client.run(test.produce({}, 5s));
    test.client.run(test.program->channel.close());
    test.simulation.run_for(61s);
    return result;
}

void expect_hopeless(Text greeting_bytes, Refusal refusal) {
    CallResult result = produce_to_impostor(std::move(greeting_bytes), {});
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, error_of(refusal).code);
    EXPECT_EQ(result.hint, error_of(refusal).text);
}

void expect_unknown(Text answer, Refusal refusal) {
    CallResult result = produce_to_impostor(greeting(), std::move(answer));
    EXPECT_EQ(result.delivery, Delivery::unknown);
    EXPECT_EQ(result.error.code, error_of(refusal).code);
    EXPECT_EQ(result.hint, error_of(refusal).text);
}

TEST(Channel, RecognisesAPortThatIsNotABrokers) {
    expect_hopeless(text("HTTP/1.1 400 Bad Request\r\n\r\n"), Refusal::http);
    expect_hopeless(text("\x15\x03\x03 alert"), Refusal::tls);
    expect_hopeless(text("220 smtp.example.org"), Refusal::foreign);
}

TEST(Channel, RecognisesABrokerWithoutACommonVersion) {
    CallResult result = produce_to_impostor(greeting(0), {});
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::unsupported_version);
    result = produce_to_impostor(greeting(protocol_max + 1), {});
    EXPECT_EQ(result.error.code, ErrorCode::unsupported_version);
}

TEST(Channel, HearsWhyItsConnectionIsRefused) {
    Response full = error_response(error_of(Refusal::connections_full), Outcome::not_written);
    CallResult result = produce_to_impostor(answer_frame(Method::none, 0, full.metadata, flag_error), {});
    EXPECT_EQ(result.delivery, Delivery::never_sent);
    EXPECT_EQ(result.error.code, ErrorCode::overloaded);
}

TEST(Channel, EndsAConnectionWithAnswersThatCannotBe) {
    Metadata good = produce_response(0);
    Text altered = answer_frame(Method::produce, 2, good);
    altered.back() ^= 1;
    expect_unknown(altered, Refusal::checksum);
    Text large = answer_frame(Method::produce, 2, good);
    store_le<uint32_t>(large.data() + 4, UINT32_MAX);
    expect_unknown(large, Refusal::too_large);
    expect_unknown(answer_frame(Method::produce, 3, good), Refusal::direction);
    expect_unknown(answer_frame(Method::fetch, 2, good), Refusal::direction);
    expect_unknown(frame_of(Method::produce, 2, good), Refusal::direction);
    expect_unknown(answer_frame(Method::produce, 2, good, 0, as_bytes("payload")), Refusal::payload);
    Text junk = frame_of(static_cast<uint16_t>(Method::produce), 2, Text(40, 0xff), {}, flag_response);
    expect_unknown(junk, Refusal::metadata);
    expect_unknown(text("what is this, then?"), Refusal::foreign);
}

}  // namespace
}  // namespace ironbark::rpc
