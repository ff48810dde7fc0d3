#pragma once
// Messages that the tests send, and frames around them.

#include <string>
#include <vector>

#include "runtime/io/buffer.h"
#include "runtime/rpc/frame.h"
#include "runtime/rpc/method.h"
#include "wire/client_generated.h"

namespace ironbark::rpc {

inline Metadata produce_request(size_t payload_size, wire::AckLevel level = wire::AckLevel::leader) {
    flatbuffers::FlatBufferBuilder builder;
    wire::Uuid topic;
    auto partition = wire::CreateProducePartition(builder, &topic, 0, -1, static_cast<uint32_t>(payload_size));
    auto partitions = builder.CreateVector(&partition, 1);
    return finish(builder, wire::CreateProduceRequest(builder, level, 30'000, partitions));
}

inline Metadata produce_response(int64_t base_offset) {
    flatbuffers::FlatBufferBuilder builder;
    auto receipt = wire::CreateProduceReceipt(builder, 0, base_offset, base_offset);
    auto receipts = builder.CreateVector(&receipt, 1);
    return finish(builder, wire::CreateProduceResponse(builder, 0, receipts));
}

// Asks the test's handler to wait, then for an answer with that much payload.
inline Metadata fetch_request(int32_t wait_ms, uint32_t bytes) {
    flatbuffers::FlatBufferBuilder builder;
    return finish(builder, wire::CreateFetchRequest(builder, wait_ms, 1, bytes));
}

inline Metadata fetch_response(size_t payload_size) {
    flatbuffers::FlatBufferBuilder builder;
    auto partition = wire::CreateFetchedPartition(builder, 0, 1, 0, 0, 0, 0, static_cast<uint32_t>(payload_size));
    auto partitions = builder.CreateVector(&partition, 1);
    return finish(builder, wire::CreateFetchResponse(builder, 0, partitions));
}

inline Metadata metadata_request() {
    flatbuffers::FlatBufferBuilder builder;
    return finish(builder, wire::CreateMetadataRequest(builder));
}

inline Metadata metadata_response() {
    flatbuffers::FlatBufferBuilder builder;
    wire::MetadataResponseBuilder answer(builder);
    answer.add_metadata_version(7);
    return finish(builder, answer.Finish());
}

using Text = std::vector<uint8_t>;

inline Text text(std::string_view characters) { return Text(characters.begin(), characters.end()); }

// A whole frame as bytes.
inline Text frame_of(uint16_t method, uint64_t correlation, Bytes metadata, Bytes payload = {}, uint16_t flags = 0) {
    FrameHeader header;
    header.method = method;
    header.flags = flags;
    header.correlation = correlation;
    header.metadata_size = static_cast<uint32_t>(metadata.size());
    header.body_size = static_cast<uint32_t>(metadata.size() + payload.size());
    Text bytes(frame_header_size);
    encode(header, metadata, bytes);
    bytes.insert(bytes.end(), metadata.begin(), metadata.end());
    bytes.insert(bytes.end(), payload.begin(), payload.end());
    return bytes;
}
inline Text frame_of(Method method, uint64_t correlation, const Metadata& metadata, Bytes payload = {}) {
    return frame_of(static_cast<uint16_t>(method), correlation, bytes_of(metadata), payload);
}

inline Text operator+(Text left, const Text& right) {
    left.insert(left.end(), right.begin(), right.end());
    return left;
}

// The frames that these bytes consist of; what is left over is dropped.
struct ReceivedFrame {
    FrameHeader header;
    Text metadata;  // aligned: a vector of its own
    Text payload;
    const wire::ErrorInfo& error() const { return *flatbuffers::GetRoot<wire::ErrorInfo>(metadata.data()); }
};
inline std::vector<ReceivedFrame> frames_in(Bytes bytes) {
    std::vector<ReceivedFrame> frames;
    while (bytes.size() >= frame_header_size) {
        ReceivedFrame frame;
        if (decode(bytes, frame_size_max, &frame.header) != Refusal::none) break;
        if (bytes.size() < frame.header.frame_size() || !verify_checksum(bytes, frame.header)) break;
        Bytes body = bytes.subspan(frame_header_size, frame.header.body_size);
        frame.metadata.assign(body.begin(), body.begin() + frame.header.metadata_size);
        frame.payload.assign(body.begin() + frame.header.metadata_size, body.end());
        bytes = bytes.subspan(frame.header.frame_size());
        frames.push_back(std::move(frame));
    }
    return frames;
}

}  // namespace ironbark::rpc
