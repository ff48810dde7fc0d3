// What a server does with bytes that are not what it expects: the one who sent them is told, everybody else goes on.
#include <gtest/gtest.h>

#include "tests/runtime/rpc/test_broker.h"

namespace ironbark::rpc {
namespace {

Text request(uint64_t correlation, Method method, const Metadata& metadata) {
    return frame_of(method, correlation, metadata);
}

// Expects that the connection was ended with this error, and that another one is served.
void expect_refused(RpcTest* test, const Text& bytes, Refusal refusal, uint64_t correlation = 0) {
    std::vector<ReceivedFrame> frames = test->exchange_frames(bytes);
    ASSERT_FALSE(frames.empty());
    const ReceivedFrame& last = frames.back();
    EXPECT_TRUE(last.header.has(flag_response));
    ASSERT_TRUE(last.header.has(flag_error));
    ASSERT_TRUE(verify(error_limits, last.metadata));
    EXPECT_EQ(last.header.correlation, correlation);
    EXPECT_EQ(last.error().code(), static_cast<int16_t>(error_of(refusal).code));
    EXPECT_EQ(last.error().outcome(), wire::Outcome::not_written);
    ASSERT_NE(last.error().hint(), nullptr);
    EXPECT_EQ(last.error().hint()->str(), error_of(refusal).text);
    EXPECT_EQ(test->refused(refusal), 1u);

    std::vector<ReceivedFrame> others = test->exchange_frames(
        handshake_frame() + request(2, Method::metadata, metadata_request()), 1s);
    ASSERT_EQ(others.size(), 2u);
    EXPECT_FALSE(others[1].header.has(flag_error));
    EXPECT_EQ(test->broker->server.connections(), 0u);
    EXPECT_EQ(test->broker->server.memory_used(), 0u);
}

TEST(BadInput, HttpIsAnsweredInHttp) {
    RpcTest test;
    std::string answer = test.exchange(text("GET /metrics HTTP/1.1\r\nHost: broker:9400\r\n\r\n"));
    EXPECT_TRUE(answer.starts_with("HTTP/1.1 400 Bad Request\r\n")) << answer;
    EXPECT_NE(answer.find("client port"), std::string::npos);
    EXPECT_NE(answer.find("9401"), std::string::npos);
    size_t body = answer.find("\r\n\r\n") + 4;
    EXPECT_NE(answer.find("Content-Length: " + std::to_string(answer.size() - body)), std::string::npos);
    EXPECT_EQ(test.refused(Refusal::http), 1u);
}

TEST(BadInput, AShortHttpRequestIsAnsweredWithoutWaitingForMore) {
    RpcTest test;
    Instant begin = test.simulation.now();
    EXPECT_TRUE(test.exchange(text("GET "), 60s).starts_with("HTTP/1.1 400"));
    EXPECT_LT(test.simulation.now() - begin, 2s);
}

TEST(BadInput, ATlsHelloIsToldThatThereIsNoTls) {
    RpcTest test;
    expect_refused(&test, text(std::string_view("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 11)), Refusal::tls);
}

TEST(BadInput, AnotherProtocolIsToldThatThisIsNotIt) {
    RpcTest test;
    expect_refused(&test, text(std::string_view("\x00\x00\x00\x20\x00\x12\x00\x03", 8)), Refusal::foreign);
}

TEST(BadInput, ALongStreamOfGarbageIsToldToo) {
    RpcTest test;
    expect_refused(&test, Text(300'000, 0xaa), Refusal::foreign);
}

TEST(BadInput, AFrameAfterTheHandshakeThatIsNone) {
    RpcTest test;
    expect_refused(&test, handshake_frame() + text("GARBAGE GARBAGE GARBAGE GARBAGE GARBAGE"), Refusal::foreign);
}

TEST(BadInput, AnOversizedLength) {
    RpcTest test;
    Text frame = request(2, Method::metadata, metadata_request());
    store_le<uint32_t>(frame.data() + 4, UINT32_MAX);
    expect_refused(&test, handshake_frame() + frame, Refusal::too_large);
    EXPECT_LT(test.broker_node.buffers().bytes_in_stock(), size_t{1} << 20);
}

TEST(BadInput, AFrameLargerThanAStrangerMaySend) {
    RpcTest test;
    flatbuffers::FlatBufferBuilder builder;
    auto name = builder.CreateString(std::string(stranger_frame_size_max, 'n'));
    Metadata large = finish(builder, wire::CreateHandshakeRequest(builder, 1, 1, name));
    expect_refused(&test, request(1, Method::handshake, large), Refusal::too_large);
}

TEST(BadInput, MetadataLargerThanTheBody) {
    RpcTest test;
    Text frame = request(2, Method::metadata, metadata_request());
    store_le<uint32_t>(frame.data() + 12, 1000);
    expect_refused(&test, handshake_frame() + frame, Refusal::malformed_header);
}

TEST(BadInput, AnUnknownFlag) {
    RpcTest test;
    Metadata metadata = metadata_request();
    Text frame = frame_of(static_cast<uint16_t>(Method::metadata), 2, bytes_of(metadata), {}, 0x10);
    expect_refused(&test, handshake_frame() + frame, Refusal::malformed_header);
}

TEST(BadInput, AWrongChecksum) {
    RpcTest test;
    Text frame = request(2, Method::metadata, metadata_request());
    frame.back() ^= 1;
    expect_refused(&test, handshake_frame() + frame, Refusal::checksum);
}

TEST(BadInput, MetadataThatFailsVerification) {
    RpcTest test;
    Text metadata(64, 0xff);
    Text frame = frame_of(static_cast<uint16_t>(Method::metadata), 2, metadata);
    expect_refused(&test, handshake_frame() + frame, Refusal::metadata, 2);
}

TEST(BadInput, ARequestWithoutMetadata) {
    RpcTest test;
    expect_refused(&test, handshake_frame() + frame_of(static_cast<uint16_t>(Method::metadata), 2, {}),
                   Refusal::metadata, 2);
}

TEST(BadInput, APayloadWhereTheMethodHasNone) {
    RpcTest test;
    Text frame = frame_of(Method::metadata, 2, metadata_request(), as_bytes("payload"));
    expect_refused(&test, handshake_frame() + frame, Refusal::payload, 2);
}

TEST(BadInput, AnAnswerToTheServer) {
    RpcTest test;
    Metadata metadata = metadata_response();
    Text frame = frame_of(static_cast<uint16_t>(Method::metadata), 2, bytes_of(metadata), {}, flag_response);
    expect_refused(&test, handshake_frame() + frame, Refusal::direction, 2);
}

TEST(BadInput, ARequestBeforeTheHandshake) {
    RpcTest test;
    expect_refused(&test, request(7, Method::metadata, metadata_request()), Refusal::not_introduced, 7);
}

TEST(BadInput, AnUnknownMethodBeforeTheHandshake) {
    RpcTest test;
    expect_refused(&test, frame_of(999, 7, Text(8)), Refusal::not_introduced, 7);
}

TEST(BadInput, HandshakesThatFailAgainAndAgain) {
    RpcTest test;
    flatbuffers::FlatBufferBuilder builder;
    Metadata future = finish(builder, wire::CreateHandshakeRequest(builder, 900, 901));
    Text frames;
    for (uint64_t attempt = 1; attempt <= 9; ++attempt) frames = frames + request(attempt, Method::handshake, future);
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames);
    ASSERT_EQ(answers.size(), 9u);
    for (size_t index = 0; index < 8; ++index) {
        ASSERT_FALSE(answers[index].header.has(flag_error));
        const auto& answer = *flatbuffers::GetRoot<wire::HandshakeResponse>(answers[index].metadata.data());
        EXPECT_EQ(answer.protocol(), 0);
        EXPECT_EQ(answer.protocol_max(), protocol_max);
        EXPECT_EQ(answer.error()->code(), static_cast<int16_t>(ErrorCode::unsupported_version));
    }
    EXPECT_TRUE(answers[8].header.has(flag_error));
    EXPECT_EQ(test.refused(Refusal::not_introduced), 1u);
}

TEST(BadInput, AnUnknownMethodIsAnsweredAndTheConnectionGoesOn) {
    RpcTest test;
    Text frames = handshake_frame() + frame_of(999, 2, Text(24, 0xff), as_bytes("whatever comes with it")) +
                  request(3, Method::metadata, metadata_request());
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 1s);
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_EQ(answers[1].header.correlation, 2u);
    EXPECT_EQ(answers[1].header.method, 999);
    ASSERT_TRUE(answers[1].header.has(flag_error));
    EXPECT_EQ(answers[1].error().code(), static_cast<int16_t>(ErrorCode::unsupported_version));
    EXPECT_FALSE(answers[2].header.has(flag_error));
}

TEST(BadInput, ASecondHandshakeIsRefusedAndTheConnectionGoesOn) {
    RpcTest test;
    Text frames = handshake_frame(1) + handshake_frame(2) + request(3, Method::metadata, metadata_request());
    std::vector<ReceivedFrame> answers = test.exchange_frames(frames, 1s);
    ASSERT_EQ(answers.size(), 3u);
    EXPECT_TRUE(answers[1].header.has(flag_error));
    EXPECT_FALSE(answers[2].header.has(flag_error));
}

TEST(BadInput, AFrameThatEndsEarlyIsNoRequest) {
    Text whole = handshake_frame() + frame_of(Method::produce, 2, produce_request(100), Text(100, 'p'));
    for (size_t size = 0; size < whole.size(); size += 7) {
        RpcTest test;
        test.exchange(Text(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)), 1s);
        EXPECT_TRUE(test.broker->handler.produced.empty());
        EXPECT_EQ(test.broker->server.connections(), 0u);
    }
}

TEST(BadInput, RandomBytesNeverHurt) {
    uint64_t refused = 0;
    uint64_t produced = 0;
    for (uint64_t seed = 0; seed < 1000; ++seed) {
        RpcTest test({}, seed);
        simulation::RandomStream random = test.simulation.stream("garbage");
        Text bytes = random.below(2) == 0 ? handshake_frame() : Text();
        Text frame = frame_of(Method::produce, 2, produce_request(5000), Text(5000, 'p'));
        for (uint64_t changes = random.below(4); changes > 0; --changes) {
            frame[random.below(frame.size() >> random.below(12))] = static_cast<uint8_t>(random.next());
        }
        test.exchange(bytes + frame, 30s);
        for (uint64_t count : test.counters().refused) refused += count;
        refused -= test.refused(Refusal::peer_closed);
        produced += test.broker->handler.produced.size();
        EXPECT_EQ(test.broker->server.connections(), 0u) << "seed " << seed;
        EXPECT_EQ(test.broker->server.memory_used(), 0u) << "seed " << seed;
    }
    EXPECT_GT(refused, 100u);
    EXPECT_GT(produced, 100u);
}

}  // namespace
}  // namespace ironbark::rpc
