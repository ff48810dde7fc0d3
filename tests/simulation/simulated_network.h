#pragma once
// The network between all nodes: links, listeners, connections. What a program sees of it is in network_door.h; this
// part is for the door, and for scripts that cut links. A host name is a node's name; "localhost" is the node itself.
//
// A cut link carries nothing in its direction until it is healed; then what waited arrives. A connection attempt needs
// both directions and is repeated until its deadline.

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "runtime/io/world.h"
#include "tests/simulation/completion.h"
#include "tests/simulation/connection.h"
#include "tests/simulation/options.h"
#include "tests/simulation/random_stream.h"
#include "tests/simulation/simulated_disk.h"
#include "tests/simulation/trace.h"

namespace ironbark::simulation {

class Node;
class Simulation;

// What befalls a piece that is sent.
struct StreamFault {
    bool blackhole = false;
    uint64_t reset_at = ~uint64_t{0};  // the byte before which the connection dies
};

// A program's acceptor at a port.
class ListenerUser {
  public:
    virtual ~ListenerUser() = default;
    virtual void acceptable() = 0;
};

class SimulatedNetwork {
  public:
    explicit SimulatedNetwork(Simulation& simulation);

    // For scripts.
    void cut(Node& from, Node& to);  // one direction
    void heal(Node& from, Node& to);
    // The same of the connections to one port, whichever side listens there.
    void cut_plane(Node& from, Node& to, uint16_t port);
    void heal_plane(Node& from, Node& to, uint16_t port);
    void cut_both(Node& left, Node& right);
    void heal_both(Node& left, Node& right);
    void isolate(Node& node);  // from all nodes there are
    void heal_all();
    bool is_cut(const Node& from, const Node& to) const;
    void set_latency(Node& from, Node& to, Latency latency);
    size_t connections() const { return connections_.size(); }

    // For nodes.
    void process_died(Node& node, Crash how);
    void node_started();  // a machine answers again

    // For the door.
    struct Attempt {
        Node* from;
        Node* to;
        uint16_t port;
        Completion<Result<uint64_t>>* done;  // the connection's number
    };
    Node* resolve(Node& from, const std::string& host);
    void connect(Attempt attempt, Instant deadline);
    Connection& connection(uint64_t id) { return *connections_.at(id); }
    void close(uint64_t connection, Connection::Side side);
    Result<uint16_t> listen(Node& node, uint16_t port, bool is_local_only, ListenerUser* user);
    void share(Node& node, uint16_t port, ListenerUser* user);
    void stop_listening(Node& node, uint16_t port, ListenerUser* user);
    // A connection that waits to be accepted; 0 if there is none.
    uint64_t accept(Node& node, uint16_t port);

    // For connections.
    const NetworkOptions& options() const;
    Instant now() const;
    RandomStream& random() { return random_; }
    StreamFault draw_fault(Node& from, Node& to, uint64_t size);
    Instant arrival(Node& from, Node& to);
    bool is_open(Node& from, Node& to, uint16_t port) const;
    void schedule_drain(uint64_t connection, Connection::Side side, Instant at);
    // Queues the connection for a listener; false if nobody listens (any more) or the queue is full.
    bool offer(Connection& connection);
    void record(TraceKind kind, Node& node, uint64_t first, uint64_t second);

  private:
    using Port = std::pair<uint64_t, uint16_t>;  // node, port
    struct Listening {
        bool is_local_only;
        std::vector<ListenerUser*> users;
        std::deque<uint64_t> backlog;
    };
    static Port port_of(const Node& node, uint16_t port);
    Listening* find_listener(Node& from, Node& to, uint16_t port);
    uint16_t free_port(Node& node);
    bool is_carried(Node& from, Node& to, uint16_t port) const;
    void attempt_arrives(uint64_t attempt);
    void attempt_answered(uint64_t attempt, bool is_accepted);
    void attempt_expired(uint64_t attempt);
    void retry(uint64_t attempt);
    void forget_if_over(uint64_t connection);
    void drain_all();

    Simulation& simulation_;
    RandomStream random_;
    RandomStream faults_;
    std::set<std::pair<uint64_t, uint64_t>> cuts_;
    std::set<std::tuple<uint64_t, uint64_t, uint16_t>> plane_cuts_;
    std::map<std::pair<uint64_t, uint64_t>, Latency> latencies_;
    std::map<Port, Listening> listeners_;
    std::map<uint64_t, std::unique_ptr<Connection>> connections_;
    std::map<uint64_t, Attempt> attempts_;
    uint64_t connections_made_ = 0;
    uint64_t attempts_made_ = 0;
    uint16_t last_port_ = 0;
};

}  // namespace ironbark::simulation
