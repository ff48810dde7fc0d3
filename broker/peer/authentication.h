#pragma once
// How daemons introduce themselves to each other: the first two requests of every connection between them. Each side
// proves that it knows `cluster.secret` without saying it, and who it is goes into the proof.
//
//     client                                                server
//     peer_challenge: who I am, a nonce               ->
//                                                     <-    who I am, a nonce, the server's proof
//     peer_proof: the client's proof                  ->    the session is open from here on
//
// A proof is HMAC-SHA-256, under the secret, of a label for its direction, the protocol versions that were offered and
// chosen, both identities (node, directory, cluster) and both nonces, which are drawn anew for every connection: so no
// proof is of use on another connection, in the other direction or for another daemon. The program's version is not
// covered: it is for people. Keeps out who does not know the secret; not who sits on the path and can alter what comes
// after. Who connects is given one proof to try guesses with at home, so the secret must be drawn, not thought up.
//
// Both sides belong to one executor each. Identities are read at each greeting: a cluster may form in between.

#include <array>
#include <cstdint>
#include <string>

#include "runtime/base/ids.h"
#include "runtime/rpc/channel.h"
#include "runtime/rpc/service.h"

namespace ironbark::peer {

// Versions of what daemons say to each other that this build speaks.
constexpr uint16_t protocol_min = 1;
constexpr uint16_t protocol_max = 1;

constexpr size_t nonce_size = 32;
constexpr size_t proof_size = 32;  // of an HMAC-SHA-256
using Nonce = std::array<uint8_t, nonce_size>;
using Proof = std::array<uint8_t, proof_size>;

struct PeerIdentity {
    int32_t node = -1;    // broker.id
    Uuid directory;       // of the data directory
    Uuid cluster;         // zero: belongs to none yet
    std::string version;  // of the program; cut at 64 bytes
};

// What both sides of one greeting have seen. Pure.
struct Greeting {
    PeerIdentity client;
    PeerIdentity server;
    uint16_t offered_min = 0;
    uint16_t offered_max = 0;
    uint16_t protocol = 0;  // chosen
    Nonce client_nonce{};
    Nonce server_nonce{};
};
Proof client_proof(const Greeting& greeting, const std::string& secret);
Proof server_proof(const Greeting& greeting, const std::string& secret);

// The side that connects. Errors, with texts that say what to do: authentication_failed, wrong_cluster (both belong to
// one, and not to the same), invalid_config (another daemon than the expected one answers, or one with this one's id),
// unsupported_version, protocol_violation; else those of the connection.
class PeerGreeter final : public rpc::Greeter {
  public:
    // `self` outlives it. `expected_node`: who should be at the address; -1: any.
    PeerGreeter(World& world, const PeerIdentity* self, std::string secret, int32_t expected_node = -1)
        : world_(world), self_(self), secret_(std::move(secret)), expected_node_(expected_node) {}

    Task<Result<void>> greet(rpc::ClientConnection* connection, Instant deadline) override;
    // Who answered at the last greeting that succeeded, as it was then.
    const PeerIdentity& peer() const { return peer_; }

  private:
    Task<Result<void>> challenge(rpc::ClientConnection* connection, Instant deadline, Greeting* greeting);
    Result<void> judge(const PeerIdentity& server) const;

    World& world_;
    const PeerIdentity* self_;
    std::string secret_;
    int32_t expected_node_;
    PeerIdentity peer_;
};

// The side that is connected to, for an rpc::Handler of daemons. Whatever is out of order ends the session's only
// attempt: it stays a stranger's, which the server soon closes. Refuses everybody while the secret is empty.
class PeerGate {
  public:
    // `self` outlives it.
    PeerGate(World& world, const PeerIdentity* self, std::string secret)
        : world_(world), self_(self), secret_(std::move(secret)) {}

    // Both are to be called for their method only. The second one opens the session.
    rpc::Response answer_challenge(rpc::Session& session, const rpc::Request& request);
    rpc::Response answer_proof(rpc::Session& session, const rpc::Request& request);

    uint64_t refused() const { return refused_; }

  private:
    Result<Greeting> judge(rpc::Session& session, const rpc::Request& request);

    World& world_;
    const PeerIdentity* self_;
    std::string secret_;
    uint64_t refused_ = 0;
};

// Who has proven to be at the other end, as it was then; null on a session that PeerGate did not open.
const PeerIdentity* peer_of(const rpc::Session& session);

}  // namespace ironbark::peer
