#pragma once
// The first exchange of every connection: who is there, and which version both speak. The functions that both sides
// use; when it happens is up to Connection and Channel.

#include <cstdint>
#include <string>
#include <vector>

#include "runtime/base/ids.h"
#include "runtime/base/result.h"
#include "runtime/rpc/method.h"
#include "runtime/rpc/service.h"

namespace ironbark::rpc {

// Versions that this build speaks. N and N+1 must interoperate: a server keeps the one before its newest.
constexpr uint16_t protocol_min = 1;
constexpr uint16_t protocol_max = 1;

struct ServerIdentity {
    Uuid cluster;
    BrokerId broker{-1};
    Incarnation incarnation{-1};
    std::string version;
    std::vector<std::string> features;
    uint32_t frame_size_max = 0;
    uint32_t batch_size_max = 0;
};

struct ClientIdentity {
    std::string name;
    std::string version;
    std::vector<std::string> features;
};

// What a client has learnt about the server of a connection.
struct ServerDescription {
    uint16_t protocol = 0;
    ServerIdentity identity;
};

// Answers a handshake and opens the session, or says why not. Names longer than 255 bytes are cut.
Response answer_handshake(Session& session, const Request& request, const ServerIdentity& identity);

Metadata handshake_request(const ClientIdentity& identity);
// REQUIRES: metadata verified as a HandshakeResponse. unsupported_version if there is no common version.
Result<ServerDescription> read_handshake(Bytes metadata);

}  // namespace ironbark::rpc
