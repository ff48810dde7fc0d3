#include "runtime/rpc/handshake.h"

#include <algorithm>

#include "runtime/rpc/convert.h"
#include "wire/client_generated.h"

namespace ironbark::rpc {

namespace {

constexpr size_t name_size_max = 255;  // it is kept for diagnostics, for as long as the connection lives

constexpr Error no_common_version(
    ErrorCode::unsupported_version,
    "client and broker speak no common version of the protocol; update the older one");

std::string cut(std::string_view text) { return std::string(text.substr(0, name_size_max)); }

std::vector<std::string> strings(const flatbuffers::Vector<flatbuffers::Offset<flatbuffers::String>>* list) {
    std::vector<std::string> result;
    if (list == nullptr) return result;
    for (const flatbuffers::String* text : *list) result.emplace_back(from_wire(text));
    return result;
}

}  // namespace

Response answer_handshake(Session& session, const Request& request, const ServerIdentity& identity) {
    const auto& asked = request.as<wire::HandshakeRequest>();
    uint16_t protocol = std::min(asked.protocol_max(), protocol_max);
    bool is_common = protocol >= std::max(asked.protocol_min(), protocol_min);
    if (is_common) {
        session.is_open = true;
        session.protocol = protocol;
        session.client_name = cut(from_wire(asked.client_name()));
        session.client_version = cut(from_wire(asked.client_version()));
    }
    flatbuffers::FlatBufferBuilder builder(512);
    flatbuffers::Offset<wire::ErrorInfo> error;
    if (!is_common) {
        auto hint = builder.CreateString(no_common_version.text);
        auto code = static_cast<int16_t>(no_common_version.code);
        error = wire::CreateErrorInfo(builder, code, wire::Outcome::not_written, hint);
    }
    auto version = builder.CreateString(identity.version);
    auto features = builder.CreateVectorOfStrings(identity.features);
    wire::Uuid cluster = to_wire(identity.cluster);
    wire::HandshakeResponseBuilder answer(builder);
    answer.add_error(error);
    answer.add_protocol(is_common ? protocol : 0);
    answer.add_protocol_min(protocol_min);
    answer.add_protocol_max(protocol_max);
    answer.add_cluster_id(&cluster);
    answer.add_broker_id(identity.broker.value);
    answer.add_incarnation(identity.incarnation.value);
    answer.add_server_version(version);
    answer.add_features(features);
    answer.add_frame_size_max(identity.frame_size_max);
    answer.add_batch_size_max(identity.batch_size_max);
    Response response;
    response.metadata = finish(builder, answer.Finish());
    return response;
}

Metadata handshake_request(const ClientIdentity& identity) {
    flatbuffers::FlatBufferBuilder builder(256);
    auto name = builder.CreateString(cut(identity.name));
    auto version = builder.CreateString(cut(identity.version));
    auto features = builder.CreateVectorOfStrings(identity.features);
    return finish(builder,
                  wire::CreateHandshakeRequest(builder, protocol_min, protocol_max, name, version, features));
}

Result<ServerDescription> read_handshake(Bytes metadata) {
    const auto& answer = *flatbuffers::GetRoot<wire::HandshakeResponse>(metadata.data());
    bool is_known = answer.protocol() >= protocol_min && answer.protocol() <= protocol_max;
    if (answer.error() != nullptr && answer.error()->code() != static_cast<int16_t>(no_common_version.code)) {
        return Error(static_cast<ErrorCode>(answer.error()->code()), "the broker refused the handshake");
    }
    if (answer.error() != nullptr || !is_known) return no_common_version;
    ServerDescription server;
    server.protocol = answer.protocol();
    server.identity.cluster = from_wire(answer.cluster_id());
    server.identity.broker = BrokerId(answer.broker_id());
    server.identity.incarnation = Incarnation(answer.incarnation());
    server.identity.version = from_wire(answer.server_version());
    server.identity.features = strings(answer.features());
    server.identity.frame_size_max = answer.frame_size_max();
    server.identity.batch_size_max = answer.batch_size_max();
    return server;
}

}  // namespace ironbark::rpc
