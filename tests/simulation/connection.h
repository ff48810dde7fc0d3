#pragma once
// One simulated TCP connection: two ends, and what travels towards each. Bytes arrive in order, after a latency, in
// pieces. What meets a cut link or a machine without power waits, as if it was retransmitted; what reaches a machine
// that no longer knows the connection is answered with a reset. Owned by the network, until both ends are gone.

#include <array>
#include <cstdint>
#include <deque>
#include <vector>

#include "runtime/base/bytes.h"
#include "runtime/base/time.h"

namespace ironbark::simulation {

class Node;
class SimulatedNetwork;

// Who is told when something changed at an end. A socket, while it is open.
class ConnectionUser {
  public:
    virtual ~ConnectionUser() = default;
    virtual void readable() = 0;
    virtual void writable() = 0;
};

class Connection {
  public:
    enum Side : uint8_t { client = 0, server = 1 };

    Connection(SimulatedNetwork& network, uint64_t id, Node& client, Node& server, uint16_t port);

    uint64_t id() const { return id_; }
    Node& node(Side side) { return *ends_[side].node; }
    uint16_t port() const { return port_; }  // the server's
    bool is_over() const { return !ends_[client].is_open && !ends_[server].is_open; }

    void attach(Side side, ConnectionUser* user) { ends_[side].user = user; }
    uint64_t room(Side side) const;
    // Takes at most `room` bytes on their way. REQUIRES: bytes.size() <= room(side)
    void send(Side side, Bytes bytes);
    // Moves bytes that have arrived. 0 if there are none now.
    size_t receive(Side side, MutableBytes into);
    bool has_ended(Side side) const { return ends_[side].peer_has_ended; }
    bool was_reset(Side side) const { return ends_[side].was_reset; }
    // The peer sees the end after what was sent before; a reset, if something here was left unread.
    void close(Side side);
    // The machine lost its power: nobody tells the other end.
    void vanish(Side side);

    // Lets arrive at `side` what is due.
    void drain(Side side);
    // The server's acceptor is told by a first piece that the client is connected.
    void announce();

  private:
    enum class PieceKind : uint8_t { opened, data, credit, end, reset };
    struct Piece {
        Instant arrival;
        PieceKind kind;
        std::vector<uint8_t> bytes;
        uint64_t credit = 0;
    };
    struct End {
        Node* node = nullptr;
        ConnectionUser* user = nullptr;
        bool is_open = true;
        bool peer_has_ended = false;
        bool was_reset = false;
        std::deque<Piece> coming;       // on its way here
        Instant last_arrival{};
        std::deque<uint8_t> arrived;    // not yet received
        uint64_t received = 0;          // for which no credit was returned yet
        uint64_t outstanding = 0;       // sent from here, no credit for it yet
    };
    static Side other(Side side) { return side == client ? server : client; }

    void push(Side to, PieceKind kind, std::vector<uint8_t> bytes = {}, uint64_t credit = 0);
    void push_data(Side to, Bytes bytes);
    void arrive(Side side, Piece piece);
    void arrive_reset(Side side);

    SimulatedNetwork& network_;
    uint64_t id_;
    uint16_t port_;
    std::array<End, 2> ends_;
    bool is_blackhole_ = false;
};

}  // namespace ironbark::simulation
