// Who gets in, and who does not: the greeting of two daemons, honest, mistaken and hostile.
#include "broker/peer/authentication.h"

#include <functional>
#include <gtest/gtest.h>
#include <memory>

#include "runtime/rpc/convert.h"
#include "tests/broker/peer/peer_fixture.h"
#include "wire/controller_generated.h"

namespace ironbark::peer {
namespace {

constexpr const char* the_secret = "a secret of tests";
const Uuid one_cluster = Uuid::from_words(1, 2);
const Uuid another_cluster = Uuid::from_words(3, 4);

using Bytes32 = std::vector<uint8_t>;
Bytes32 bytes_in(const Proof& proof) {
    return {proof.begin(), proof.end()};
}

PeerIdentity identity(int32_t node, Uuid cluster = {}) {
    return {node, Uuid::from_words(static_cast<uint64_t>(node), 99), cluster, "1.0"};
}

// Answers greetings as the test says, else as the gate does; and states, as a request that needs a session.
class Server final : public rpc::Handler {
  public:
    using Answer = std::function<rpc::Response(const rpc::Request&, rpc::Response honest)>;

    Server(World& world, PeerIdentity self, std::string secret, Answer answer)
        : identity(std::move(self)),
          gate(world, &identity, std::move(secret)),
          answer_(std::move(answer)),
          server_(world, limits(), *this),
          running_(world.executor),
          world_(world) {}

    Task<bool> start() {
        Address address{"0.0.0.0", peer_port};
        Result<std::unique_ptr<Listener>> made = co_await world_.network.listen(std::move(address));
        if (!made.ok()) co_return false;
        listener_ = std::move(made).value();
        running_.spawn(server_.serve(listener_.get()));
        co_return true;
    }
    Task<rpc::Response> handle(rpc::Session& session, rpc::Request request) override {
        rpc::Response response;
        if (request.method == rpc::Method::peer_challenge) {
            response = gate.answer_challenge(session, request);
        } else if (request.method == rpc::Method::peer_proof) {
            response = gate.answer_proof(session, request);
            if (const PeerIdentity* peer = peer_of(session)) let_in.push_back(*peer);
        } else {
            ++asked;
            response = rpc::error_response(Error(ErrorCode::not_found), Outcome::not_written);
        }
        if (answer_) response = answer_(request, std::move(response));
        co_return response;
    }

    PeerIdentity identity;
    PeerGate gate;
    std::vector<PeerIdentity> let_in;
    size_t asked = 0;

  private:
    static rpc::ServerLimits limits() {
        rpc::ServerLimits limits;
        limits.audience = rpc::Audience::daemons;
        return limits;
    }
    Answer answer_;
    rpc::Server server_;
    std::unique_ptr<Listener> listener_;
    Scope running_;
    World& world_;
};

// One connection, by hand.
class Connection {
  public:
    Connection(World& world, std::string host) : world_(world), host_(std::move(host)), scope_(world.executor) {}

    Task<bool> open() {
        Address address{host_, peer_port};
        Result<std::unique_ptr<Socket>> socket =
            co_await world_.network.connect(std::move(address), world_.executor.now() + 5s);
        if (!socket.ok()) co_return false;
        connection_ =
            std::make_unique<rpc::ClientConnection>(world_, std::move(socket).value(), rpc::ClientLimits(), traffic_);
        scope_.spawn(connection_->run());
        co_return true;
    }
    Task<void> close() {
        connection_->close(Error(ErrorCode::closed));
        co_await scope_.join();
    }
    Task<rpc::CallResult> call(rpc::Method method, rpc::Metadata metadata) {
        rpc::Message message;
        message.method = method;
        message.metadata = rpc::bytes_of(metadata);
        co_return co_await connection_->call(&message, world_.executor.now() + 5s);
    }
    rpc::ClientConnection* get() { return connection_.get(); }

  private:
    World& world_;
    std::string host_;
    rpc::Traffic traffic_;
    std::unique_ptr<rpc::ClientConnection> connection_;
    Scope scope_;
};

// The server on n2, and whoever connects to it on n1.
struct AuthenticationTest {
    explicit AuthenticationTest(PeerIdentity self = identity(2),
                                std::string secret = the_secret,
                                Server::Answer answer = {})
        : simulation(1), server_node(simulation.node("n2")), client(simulation.node("n1")) {
        auto make = [=](World& world) { return std::make_unique<Server>(world, self, secret, answer); };
        server = &server_node.start(make);
        EXPECT_TRUE(server_node.run(server->start()));
        client.boot();
    }
    // Greets on a connection of its own; the code that came out.
    ErrorCode greet(PeerIdentity self, std::string secret = the_secret, int32_t expected = -1) {
        PeerGreeter greeter(client.world(), &self, std::move(secret), expected);
        Connection connection(client.world(), "n2");
        EXPECT_TRUE(client.run(connection.open()));
        Result<void> greeted = client.run(greeter.greet(connection.get(), simulation.now() + 5s));
        said = greeted.ok() ? "" : greeted.error().text;
        seen = greeter.peer();
        rpc::CallResult asked = client.run(connection.call(rpc::Method::voter_state, state_request()));
        is_in = asked.error.code == ErrorCode::not_found;
        client.run(connection.close());
        return greeted.ok() ? ErrorCode::none : greeted.error().code;
    }
    static rpc::Metadata state_request() {
        flatbuffers::FlatBufferBuilder builder;
        return rpc::finish(builder, wire::CreateVoterStateRequest(builder));
    }

    simulation::Simulation simulation;
    simulation::Node& server_node;
    simulation::Node& client;
    Server* server = nullptr;
    std::string said;  // the text of the error
    PeerIdentity seen;
    bool is_in = false;  // the session was open
};

// A client that plays by hand: what it says is in `greeting`, as far as the client says it.
struct Dialogue {
    explicit Dialogue(AuthenticationTest& its_test) : test(its_test), connection(test.client.world(), "n2") {
        EXPECT_TRUE(test.client.run(connection.open()));
        greeting.client = identity(1);
        greeting.offered_min = protocol_min;
        greeting.offered_max = protocol_max;
        nonce.assign(nonce_size, 7);
    }
    ~Dialogue() { test.client.run(connection.close()); }

    // none, or the code in the answer; `server_said` is the server's proof.
    ErrorCode challenge() {
        flatbuffers::FlatBufferBuilder builder;
        auto drawn = builder.CreateVector(nonce);
        wire::Uuid directory = rpc::to_wire(greeting.client.directory);
        wire::Uuid cluster = rpc::to_wire(greeting.client.cluster);
        rpc::Metadata request =
            rpc::finish(builder, wire::CreatePeerChallengeRequest(builder, greeting.offered_min, greeting.offered_max,
                                                                  greeting.client.node, &directory, &cluster, drawn));
        rpc::CallResult result = test.client.run(connection.call(rpc::Method::peer_challenge, std::move(request)));
        if (!result.ok()) return result.error.code;
        const auto& answer = result.as<wire::PeerChallengeResponse>();
        if (answer.error() != nullptr) return static_cast<ErrorCode>(answer.error()->code());
        std::copy(nonce.begin(), nonce.begin() + nonce_size, greeting.client_nonce.begin());
        std::copy(answer.nonce()->begin(), answer.nonce()->end(), greeting.server_nonce.begin());
        server_said.assign(answer.proof()->begin(), answer.proof()->end());
        greeting.protocol = answer.protocol();
        greeting.server = test.server->identity;
        return ErrorCode::none;
    }
    ErrorCode prove(const Bytes32& proof) {
        flatbuffers::FlatBufferBuilder builder;
        auto proven = builder.CreateVector(proof);
        rpc::Metadata request = rpc::finish(builder, wire::CreatePeerProofRequest(builder, proven));
        rpc::CallResult result = test.client.run(connection.call(rpc::Method::peer_proof, std::move(request)));
        if (!result.ok()) return result.error.code;
        const auto* error = result.as<wire::PeerProofResponse>().error();
        return error == nullptr ? ErrorCode::none : static_cast<ErrorCode>(error->code());
    }
    Bytes32 right_proof() const { return bytes_in(client_proof(greeting, the_secret)); }

    AuthenticationTest& test;
    Connection connection;
    Greeting greeting;
    Bytes32 nonce;
    Bytes32 server_said;
};

TEST(Authentication, TellsBothSidesWhoIsThere) {
    AuthenticationTest test(identity(2, one_cluster));
    EXPECT_EQ(test.greet(identity(1, one_cluster), the_secret, 2), ErrorCode::none);
    EXPECT_TRUE(test.is_in);
    EXPECT_EQ(test.seen.node, 2);
    EXPECT_EQ(test.seen.directory, identity(2).directory);
    EXPECT_EQ(test.seen.cluster, one_cluster);
    EXPECT_EQ(test.seen.version, "1.0");
    ASSERT_EQ(test.server->let_in.size(), 1u);
    EXPECT_EQ(test.server->let_in[0].node, 1);
    EXPECT_EQ(test.server->let_in[0].directory, identity(1).directory);
    EXPECT_EQ(test.server->let_in[0].cluster, one_cluster);
    EXPECT_EQ(test.server->gate.refused(), 0u);
}

TEST(Authentication, RefusesAnotherSecretAndSaysWhatToDo) {
    AuthenticationTest test;
    EXPECT_EQ(test.greet(identity(1), "another secret"), ErrorCode::authentication_failed);
    EXPECT_NE(test.said.find("set the same one on all daemons"), std::string::npos);
    EXPECT_FALSE(test.is_in);
    EXPECT_EQ(test.greet(identity(1), std::string(the_secret) + "!"), ErrorCode::authentication_failed);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, WithoutASecretNobodyGetsInAndNobodyConnects) {
    AuthenticationTest test(identity(2), "");
    EXPECT_EQ(test.greet(identity(1), "anything"), ErrorCode::authentication_failed);
    EXPECT_EQ(test.said, "cluster.secret is not set on the other daemon");
    EXPECT_EQ(test.greet(identity(1), ""), ErrorCode::authentication_failed);
    EXPECT_FALSE(test.is_in);
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::authentication_failed);
    EXPECT_NE(dialogue.prove(bytes_in(client_proof(dialogue.greeting, ""))), ErrorCode::none);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, DaemonsOfDifferentClustersDoNotTalk) {
    AuthenticationTest test(identity(2, one_cluster));
    EXPECT_EQ(test.greet(identity(1, another_cluster)), ErrorCode::wrong_cluster);
    EXPECT_FALSE(test.is_in);
    // The server finds it, too.
    Dialogue dialogue(test);
    dialogue.greeting.client = identity(1, another_cluster);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::wrong_cluster);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, ABlankDaemonTalksToAnyCluster) {
    AuthenticationTest test(identity(2, one_cluster));
    EXPECT_EQ(test.greet(identity(1)), ErrorCode::none);
    AuthenticationTest blank;
    EXPECT_EQ(blank.greet(identity(1, one_cluster)), ErrorCode::none);
    // It belongs to one from here on.
    blank.server->identity.cluster = another_cluster;
    EXPECT_EQ(blank.greet(identity(1, one_cluster)), ErrorCode::wrong_cluster);
    EXPECT_EQ(blank.greet(identity(1, another_cluster)), ErrorCode::none);
}

TEST(Authentication, AnotherDaemonThanTheExpectedOneIsLeftAlone) {
    AuthenticationTest test;
    EXPECT_EQ(test.greet(identity(1), the_secret, 3), ErrorCode::invalid_config);
    EXPECT_FALSE(test.is_in);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, TwoDaemonsOfOneIdFindOut) {
    AuthenticationTest test;
    PeerIdentity twin = identity(2);
    twin.directory = Uuid::from_words(7, 7);
    EXPECT_EQ(test.greet(twin), ErrorCode::invalid_config);
    EXPECT_NE(test.said.find("broker.id"), std::string::npos);
    Dialogue dialogue(test);
    dialogue.greeting.client = twin;
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::invalid_config);
}

TEST(Authentication, NeedsACommonVersion) {
    for (auto [min, max] : {std::pair(2, 3), std::pair(0, 0), std::pair(3, 1)}) {
        AuthenticationTest test;
        Dialogue dialogue(test);
        dialogue.greeting.offered_min = static_cast<uint16_t>(min);
        dialogue.greeting.offered_max = static_cast<uint16_t>(max);
        EXPECT_EQ(dialogue.challenge(), ErrorCode::unsupported_version) << min << " to " << max;
    }
    AuthenticationTest test;
    Dialogue newer(test);
    newer.greeting.offered_max = 9;
    EXPECT_EQ(newer.challenge(), ErrorCode::none);
    EXPECT_EQ(newer.greeting.protocol, protocol_max);
    EXPECT_EQ(newer.prove(newer.right_proof()), ErrorCode::none);
}

TEST(Authentication, OnlyWhoHasProvenItMayAsk) {
    AuthenticationTest test;
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    rpc::CallResult result =
        test.client.run(dialogue.connection.call(rpc::Method::voter_state, AuthenticationTest::state_request()));
    EXPECT_FALSE(result.ok());
    test.simulation.run_for(2s);
    EXPECT_TRUE(dialogue.connection.get()->is_closed());
    EXPECT_EQ(test.server->asked, 0u);
}

TEST(Authentication, AProofBeforeAnyChallengeSpoilsTheConnection) {
    AuthenticationTest test;
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::protocol_violation);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::protocol_violation);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::protocol_violation);
    EXPECT_TRUE(test.server->let_in.empty());
    EXPECT_EQ(test.server->gate.refused(), 3u);
}

TEST(Authentication, ASecondChallengeSpoilsTheConnection) {
    AuthenticationTest test;
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::protocol_violation);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::protocol_violation);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, ThereIsOneAttemptAtAProofOnAConnection) {
    AuthenticationTest test;
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    EXPECT_EQ(dialogue.prove(Bytes32(proof_size, 0)), ErrorCode::authentication_failed);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::protocol_violation);
    EXPECT_TRUE(test.server->let_in.empty());
    // And the server does not listen for long: eight requests of a stranger.
    for (int attempt = 0; attempt < 6; ++attempt) dialogue.challenge();
    test.simulation.run_for(2s);
    EXPECT_TRUE(dialogue.connection.get()->is_closed());
}

TEST(Authentication, WhatHasAnotherSizeIsNoNonceAndNoProof) {
    for (size_t size : {0u, 1u, 31u, 33u, 64u}) {
        AuthenticationTest test;
        Dialogue nonce(test);
        nonce.nonce.assign(size, 7);
        EXPECT_EQ(nonce.challenge(), ErrorCode::protocol_violation) << size;
        Dialogue proof(test);
        EXPECT_EQ(proof.challenge(), ErrorCode::none);
        Bytes32 cut = proof.right_proof();
        cut.resize(size);
        EXPECT_EQ(proof.prove(cut), ErrorCode::protocol_violation) << size;
        EXPECT_TRUE(test.server->let_in.empty());
    }
}

TEST(Authentication, EveryBitOfAProofCounts) {
    AuthenticationTest test;
    for (size_t bit = 0; bit < proof_size * 8; ++bit) {
        Dialogue dialogue(test);
        EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
        Bytes32 proof = dialogue.right_proof();
        proof[bit / 8] = static_cast<uint8_t>(proof[bit / 8] ^ (1 << bit % 8));
        EXPECT_EQ(dialogue.prove(proof), ErrorCode::authentication_failed) << bit;
    }
    EXPECT_TRUE(test.server->let_in.empty());
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::none);
    EXPECT_EQ(test.server->let_in.size(), 1u);
}

TEST(Authentication, AProofOfAnotherConnectionIsOfNoUse) {
    AuthenticationTest test;
    Dialogue honest(test);
    EXPECT_EQ(honest.challenge(), ErrorCode::none);
    Bytes32 overheard = honest.right_proof();
    EXPECT_EQ(honest.prove(overheard), ErrorCode::none);
    Dialogue replay(test);
    EXPECT_EQ(replay.challenge(), ErrorCode::none);  // with the very same nonce
    EXPECT_EQ(replay.prove(overheard), ErrorCode::authentication_failed);
    EXPECT_EQ(test.server->let_in.size(), 1u);
}

TEST(Authentication, TheServersOwnProofIsNoProofOfTheClient) {
    AuthenticationTest test;
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    EXPECT_EQ(dialogue.prove(dialogue.server_said), ErrorCode::authentication_failed);
    // Also where somebody claims to be the server itself, so that both sides are the same.
    Dialogue mirror(test);
    mirror.greeting.client = test.server->identity;
    EXPECT_EQ(mirror.challenge(), ErrorCode::none);
    EXPECT_EQ(mirror.prove(mirror.server_said), ErrorCode::authentication_failed);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, AProofIsForThisIdentityAlone) {
    AuthenticationTest test;
    Dialogue dialogue(test);
    EXPECT_EQ(dialogue.challenge(), ErrorCode::none);
    dialogue.greeting.client.node = 3;
    EXPECT_EQ(dialogue.prove(dialogue.right_proof()), ErrorCode::authentication_failed);
    EXPECT_TRUE(test.server->let_in.empty());
}

TEST(Authentication, EverythingThatIsAgreedOnIsInTheProof) {
    Greeting base;
    base.client = identity(1);
    base.server = identity(2);
    const std::vector<std::function<void(Greeting&)>> changes{
        [](Greeting& one) { one.client.node = 2; },
        [](Greeting& one) { one.client.directory.bytes[15] ^= 1; },
        [](Greeting& one) { one.client.cluster = one_cluster; },
        [](Greeting& one) { one.server.node = 1; },
        [](Greeting& one) { one.server.directory.bytes[0] ^= 1; },
        [](Greeting& one) { one.server.cluster = one_cluster; },
        [](Greeting& one) { std::swap(one.client, one.server); },
        [](Greeting& one) { one.offered_min = 1; },
        [](Greeting& one) { one.offered_max = 1; },
        [](Greeting& one) { one.protocol = 1; },
        [](Greeting& one) { one.client_nonce[31] = 1; },
        [](Greeting& one) { one.server_nonce[0] = 1; },
    };
    for (size_t at = 0; at < changes.size(); ++at) {
        Greeting changed = base;
        changes[at](changed);
        EXPECT_NE(client_proof(changed, the_secret), client_proof(base, the_secret)) << at;
        EXPECT_NE(server_proof(changed, the_secret), server_proof(base, the_secret)) << at;
    }
    EXPECT_NE(client_proof(base, the_secret), server_proof(base, the_secret));
    EXPECT_NE(client_proof(base, the_secret), client_proof(base, "another"));
}

// So that daemons of today and tomorrow understand each other. Python's hmac made it.
TEST(Authentication, AProofHasTheseBytes) {
    Greeting greeting;
    greeting.client.node = 1;
    greeting.server.node = 2;
    for (size_t at = 0; at < 16; ++at) {
        greeting.client.directory.bytes[at] = static_cast<uint8_t>(at);
        greeting.client.cluster.bytes[at] = static_cast<uint8_t>(16 + at);
        greeting.server.directory.bytes[at] = static_cast<uint8_t>(32 + at);
        greeting.server.cluster.bytes[at] = static_cast<uint8_t>(48 + at);
    }
    greeting.offered_min = 1;
    greeting.offered_max = 2;
    greeting.protocol = 2;
    greeting.client_nonce.fill(0xaa);
    greeting.server_nonce.fill(0xbb);
    auto hexadecimal = [](const Proof& proof) {
        std::string text;
        for (uint8_t byte : proof) {
            text += "0123456789abcdef"[byte >> 4];
            text += "0123456789abcdef"[byte & 15];
        }
        return text;
    };
    EXPECT_EQ(hexadecimal(client_proof(greeting, "secret")),
              "d287e4d250fe2eb2941c2d3ae5939137f6bd6c4dfb28fac24d4fca5948b6dae5");
    EXPECT_EQ(hexadecimal(server_proof(greeting, "secret")),
              "2563c53a334785c6da45b319bbd9a3000785823131867a77771c7de5309ba7a6");
}

// What an impostor that does not know the secret may answer to a challenge.
rpc::Response challenge_response(uint16_t protocol, int32_t node, const Bytes32& nonce, const Bytes32& proof) {
    flatbuffers::FlatBufferBuilder builder;
    auto drawn = builder.CreateVector(nonce);
    auto proven = builder.CreateVector(proof);
    rpc::Response response;
    response.metadata = rpc::finish(
        builder, wire::CreatePeerChallengeResponse(builder, 0, protocol, node, nullptr, nullptr, drawn, proven));
    return response;
}

TEST(Authentication, AnImpostorLearnsNoProof) {
    const Bytes32 zeros(32, 0);
    const std::vector<std::pair<rpc::Response (*)(const Bytes32&), ErrorCode>> answers{
        {[](const Bytes32& any) { return challenge_response(1, 2, any, any); }, ErrorCode::authentication_failed},
        {[](const Bytes32& any) { return challenge_response(1, 2, any, {}); }, ErrorCode::protocol_violation},
        {[](const Bytes32& any) { return challenge_response(1, 2, {}, any); }, ErrorCode::protocol_violation},
        {[](const Bytes32& any) { return challenge_response(1, 2, any, Bytes32(33, 0)); },
         ErrorCode::protocol_violation},
        {[](const Bytes32& any) { return challenge_response(2, 2, any, any); }, ErrorCode::unsupported_version},
        {[](const Bytes32& any) { return challenge_response(0, 2, any, any); }, ErrorCode::unsupported_version},
    };
    for (size_t at = 0; at < answers.size(); ++at) {
        size_t proofs = 0;
        auto impostor = [&](const rpc::Request& request, rpc::Response honest) {
            if (request.method == rpc::Method::peer_proof) ++proofs;
            return request.method == rpc::Method::peer_challenge ? answers[at].first(zeros) : std::move(honest);
        };
        AuthenticationTest test(identity(2), the_secret, impostor);
        EXPECT_EQ(test.greet(identity(1)), answers[at].second) << at;
        EXPECT_EQ(proofs, 0u);
    }
}

// Somebody in between lets a daemon's own server prove itself to the daemon.
TEST(Authentication, ADaemonDoesNotTakeItselfForAnother) {
    AuthenticationTest test(identity(1));
    EXPECT_EQ(test.greet(identity(1), the_secret, 2), ErrorCode::invalid_config);
    EXPECT_TRUE(test.server->let_in.empty());
}

}  // namespace
}  // namespace ironbark::peer
