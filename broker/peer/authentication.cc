#include "broker/peer/authentication.h"

#include <algorithm>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <utility>

#include "runtime/base/encoding.h"
#include "runtime/rpc/convert.h"
#include "wire/controller_generated.h"

namespace ironbark::peer {
namespace {

using WireBytes = flatbuffers::Vector<uint8_t>;

// Changed with whatever is put behind it, so that proofs of different forms never meet.
constexpr std::string_view client_label = "ironbark daemon proof 1, by who connects";
constexpr std::string_view server_label = "ironbark daemon proof 1, by who listens ";
static_assert(client_label.size() == server_label.size());

constexpr size_t version_size_max = 64;

constexpr Error no_secret(ErrorCode::authentication_failed,
                          "cluster.secret is not set here; set the same one on all daemons of the cluster");
constexpr Error secrets_differ(ErrorCode::authentication_failed,
                               "the other daemon has another cluster.secret; set the same one on all daemons");
constexpr Error different_clusters(ErrorCode::wrong_cluster,
                                   "the two daemons belong to different clusters; check the addresses in "
                                   "controller.voters, and whether a data directory is that of another cluster");
constexpr Error another_node(ErrorCode::invalid_config,
                             "another daemon answers at this address; check controller.voters and the broker.id there");
constexpr Error same_node(ErrorCode::invalid_config,
                          "another daemon has this daemon's broker.id; give each daemon one of its own");
constexpr Error no_common_version(ErrorCode::unsupported_version,
                                  "the two daemons speak no common version; update the older one");
constexpr Error out_of_order(ErrorCode::protocol_violation, "what the other side says is no greeting of a daemon");
constexpr Error refused_by_peer(ErrorCode::unknown_server_error, "the other daemon refused the greeting; see its log");

// What a server refuses with, and a client may therefore be told.
constexpr Error told[] = {no_secret, secrets_differ, different_clusters, same_node, no_common_version, out_of_order};

// Of a session: from its challenge on, however that ended.
struct PeerSession final : rpc::SessionExtension {
    enum class State : uint8_t { refused, challenged, open };
    State state = State::refused;
    Greeting greeting;
};

PeerSession* session_of(const rpc::Session& session) {
    return dynamic_cast<PeerSession*>(session.extension.get());
}

Nonce draw_nonce(Random& random) {
    Nonce nonce;
    for (size_t at = 0; at < nonce.size(); at += sizeof(uint64_t)) store_le(nonce.data() + at, random.next());
    return nonce;
}

template <size_t size>
bool read(const WireBytes* from, std::array<uint8_t, size>* into) {
    if (from == nullptr || from->size() != size) return false;
    std::copy(from->begin(), from->end(), into->begin());
    return true;
}

template <size_t size>
auto write(flatbuffers::FlatBufferBuilder& builder, const std::array<uint8_t, size>& bytes) {
    return builder.CreateVector(bytes.data(), bytes.size());
}

std::string cut(std::string_view version) {
    return std::string(version.substr(0, version_size_max));
}

template <typename Table>
PeerIdentity identity_in(const Table& message) {
    PeerIdentity identity;
    identity.node = message.node();
    identity.directory = rpc::from_wire(message.directory());
    identity.cluster = rpc::from_wire(message.cluster());
    identity.version = cut(rpc::from_wire(message.version()));
    return identity;
}

void encode(Encoder& encoder, const PeerIdentity& identity) {
    encoder.number(identity.node);
    encoder.uuid(identity.directory);
    encoder.uuid(identity.cluster);
}

// Everything behind the label has a fixed size, so different greetings are different bytes.
Proof prove(std::string_view label, const Greeting& greeting, const std::string& secret) {
    Encoder encoder;
    encoder.raw(as_bytes(label));
    encoder.number(greeting.offered_min);
    encoder.number(greeting.offered_max);
    encoder.number(greeting.protocol);
    encode(encoder, greeting.client);
    encode(encoder, greeting.server);
    encoder.raw(greeting.client_nonce);
    encoder.raw(greeting.server_nonce);
    Proof proof{};
    unsigned int size = 0;
    const unsigned char* made = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                                     encoder.bytes().data(), encoder.size(), proof.data(), &size);
    ASSERT(made != nullptr && size == proof.size());
    return proof;
}

bool is_same(const Proof& left, const Proof& right) {
    return CRYPTO_memcmp(left.data(), right.data(), left.size()) == 0;
}

bool are_of_different_clusters(const PeerIdentity& one, const PeerIdentity& other) {
    return !one.cluster.is_zero() && !other.cluster.is_zero() && one.cluster != other.cluster;
}

bool is_double(const PeerIdentity& one, const PeerIdentity& other) {
    return one.node == other.node && one.directory != other.directory;
}

// Our own text for what the other side refused with.
Error error_in(const wire::ErrorInfo& info) {
    const auto code = static_cast<ErrorCode>(info.code());
    const auto* found =
        std::find_if(std::begin(told), std::end(told), [&](const Error& one) { return one.code == code; });
    // Its secret that is not set is another matter for people than one that differs; the code is the same.
    if (rpc::from_wire(info.hint()) == no_secret.text) return {code, "cluster.secret is not set on the other daemon"};
    if (code == secrets_differ.code) return secrets_differ;
    return found == std::end(told) ? refused_by_peer : *found;
}

flatbuffers::Offset<wire::ErrorInfo> write(flatbuffers::FlatBufferBuilder& builder, const Error& error) {
    auto hint = builder.CreateString(error.text);
    return wire::CreateErrorInfo(builder, static_cast<int16_t>(error.code), wire::Outcome::not_written, hint);
}

rpc::Response response_to_challenge(const Greeting& greeting, const Proof& proof) {
    flatbuffers::FlatBufferBuilder builder(512);
    auto nonce = write(builder, greeting.server_nonce);
    auto proven = write(builder, proof);
    auto version = builder.CreateString(cut(greeting.server.version));
    wire::Uuid directory = rpc::to_wire(greeting.server.directory);
    wire::Uuid cluster = rpc::to_wire(greeting.server.cluster);
    rpc::Response response;
    response.metadata =
        rpc::finish(builder, wire::CreatePeerChallengeResponse(builder, 0, greeting.protocol, greeting.server.node,
                                                               &directory, &cluster, nonce, proven, version));
    return response;
}

rpc::Metadata challenge_of(const Greeting& greeting) {
    flatbuffers::FlatBufferBuilder builder(512);
    auto nonce = write(builder, greeting.client_nonce);
    auto version = builder.CreateString(cut(greeting.client.version));
    wire::Uuid directory = rpc::to_wire(greeting.client.directory);
    wire::Uuid cluster = rpc::to_wire(greeting.client.cluster);
    return rpc::finish(builder,
                       wire::CreatePeerChallengeRequest(builder, greeting.offered_min, greeting.offered_max,
                                                        greeting.client.node, &directory, &cluster, nonce, version));
}

rpc::Response challenge_refused(const Error& error) {
    flatbuffers::FlatBufferBuilder builder(256);
    auto info = write(builder, error);
    rpc::Response response;
    response.metadata = rpc::finish(builder, wire::CreatePeerChallengeResponse(builder, info));
    return response;
}

rpc::Response proof_answered(const Error* error) {
    flatbuffers::FlatBufferBuilder builder(256);
    flatbuffers::Offset<wire::ErrorInfo> info;
    if (error != nullptr) info = write(builder, *error);
    rpc::Response response;
    response.metadata = rpc::finish(builder, wire::CreatePeerProofResponse(builder, info));
    return response;
}

}  // namespace

Proof client_proof(const Greeting& greeting, const std::string& secret) {
    return prove(client_label, greeting, secret);
}

Proof server_proof(const Greeting& greeting, const std::string& secret) {
    return prove(server_label, greeting, secret);
}

// ---- who connects --------------------------------------------------------------------------------------------------

Task<Result<void>> PeerGreeter::greet(rpc::ClientConnection* connection, Instant deadline) {
    if (secret_.empty()) co_return no_secret;
    Greeting greeting;
    greeting.client = *self_;
    CO_TRY_VOID(co_await challenge(connection, deadline, &greeting));
    CO_TRY_VOID(judge(greeting.server));
    flatbuffers::FlatBufferBuilder builder(128);
    auto proof = write(builder, client_proof(greeting, secret_));
    rpc::Metadata metadata = rpc::finish(builder, wire::CreatePeerProofRequest(builder, proof));
    rpc::Message message;
    message.method = rpc::Method::peer_proof;
    message.metadata = rpc::bytes_of(metadata);
    rpc::CallResult result = co_await connection->call(&message, deadline);
    if (!result.ok()) co_return result.error;
    const auto* refused = result.as<wire::PeerProofResponse>().error();
    if (refused != nullptr) co_return error_in(*refused);
    peer_ = std::move(greeting.server);
    co_return Result<void>();
}

// Lets the other side prove who it is.
Task<Result<void>> PeerGreeter::challenge(rpc::ClientConnection* connection, Instant deadline, Greeting* greeting) {
    greeting->offered_min = protocol_min;
    greeting->offered_max = protocol_max;
    greeting->client_nonce = draw_nonce(world_.random);
    rpc::Metadata metadata = challenge_of(*greeting);
    rpc::Message message;
    message.method = rpc::Method::peer_challenge;
    message.metadata = rpc::bytes_of(metadata);
    rpc::CallResult result = co_await connection->call(&message, deadline);
    if (!result.ok()) co_return result.error;
    const auto& answer = result.as<wire::PeerChallengeResponse>();
    if (answer.error() != nullptr) co_return error_in(*answer.error());
    Proof proof;
    if (!read(answer.nonce(), &greeting->server_nonce) || !read(answer.proof(), &proof)) co_return out_of_order;
    greeting->protocol = answer.protocol();
    greeting->server = identity_in(answer);
    if (answer.protocol() < protocol_min || answer.protocol() > protocol_max) co_return no_common_version;
    if (!is_same(proof, server_proof(*greeting, secret_))) co_return secrets_differ;
    co_return Result<void>();
}

Result<void> PeerGreeter::judge(const PeerIdentity& server) const {
    if (expected_node_ >= 0 && server.node != expected_node_) return another_node;
    if (is_double(*self_, server)) return same_node;
    if (are_of_different_clusters(*self_, server)) return different_clusters;
    return {};
}

// ---- who is connected to -------------------------------------------------------------------------------------------

rpc::Response PeerGate::answer_challenge(rpc::Session& session, const rpc::Request& request) {
    Result<Greeting> greeting = judge(session, request);
    if (!greeting.ok()) {
        ++refused_;
        return challenge_refused(greeting.error());
    }
    PeerSession& mine = *session_of(session);
    mine.greeting = std::move(greeting).value();
    mine.state = PeerSession::State::challenged;
    return response_to_challenge(mine.greeting, server_proof(mine.greeting, secret_));
}

// The session counts as refused from here on, unless the caller says otherwise.
Result<Greeting> PeerGate::judge(rpc::Session& session, const rpc::Request& request) {
    if (session.is_open) return out_of_order;
    const bool is_first = session.extension == nullptr;
    session.extension = std::make_unique<PeerSession>();
    if (!is_first) return out_of_order;
    if (secret_.empty()) return no_secret;
    const auto& asked = request.as<wire::PeerChallengeRequest>();
    Greeting greeting;
    if (!read(asked.nonce(), &greeting.client_nonce)) return out_of_order;
    greeting.offered_min = asked.protocol_min();
    greeting.offered_max = asked.protocol_max();
    greeting.protocol = std::min(asked.protocol_max(), protocol_max);
    if (greeting.protocol < std::max(asked.protocol_min(), protocol_min)) return no_common_version;
    greeting.client = identity_in(asked);
    if (greeting.client.node < 0) return out_of_order;
    greeting.server = *self_;
    greeting.server_nonce = draw_nonce(world_.random);
    return greeting;
}

rpc::Response PeerGate::answer_proof(rpc::Session& session, const rpc::Request& request) {
    PeerSession* mine = session_of(session);
    Proof proof{};
    const bool is_in_order = mine != nullptr && mine->state == PeerSession::State::challenged &&
                             read(request.as<wire::PeerProofRequest>().proof(), &proof);
    const Error* refused = nullptr;
    if (!is_in_order) {
        refused = &out_of_order;
    } else if (!is_same(proof, client_proof(mine->greeting, secret_))) {
        refused = &secrets_differ;
    } else if (are_of_different_clusters(mine->greeting.client, mine->greeting.server)) {
        refused = &different_clusters;
    } else if (is_double(mine->greeting.client, mine->greeting.server)) {
        refused = &same_node;
    }
    if (mine == nullptr) session.extension = std::make_unique<PeerSession>();
    if (mine != nullptr && refused != nullptr) mine->state = PeerSession::State::refused;
    if (refused != nullptr) {
        ++refused_;
        return proof_answered(refused);
    }
    mine->state = PeerSession::State::open;
    session.is_open = true;
    session.protocol = mine->greeting.protocol;
    session.client_name = "node " + std::to_string(mine->greeting.client.node);
    session.client_version = mine->greeting.client.version;
    return proof_answered(nullptr);
}

const PeerIdentity* peer_of(const rpc::Session& session) {
    const PeerSession* mine = session_of(session);
    if (mine == nullptr || mine->state != PeerSession::State::open) return nullptr;
    return &mine->greeting.client;
}

}  // namespace ironbark::peer
