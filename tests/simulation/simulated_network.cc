#include "tests/simulation/simulated_network.h"

#include <algorithm>

#include "runtime/base/assert.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

constexpr size_t backlog_max = 128;  // as the listen(2) of common servers; a full one lets attempts wait
constexpr uint16_t first_free_port = 32768;

constexpr Error refused(ErrorCode::connection_refused, "nobody listens at this address");
constexpr Error too_late(ErrorCode::timed_out, "no connection within the deadline");

}  // namespace

SimulatedNetwork::SimulatedNetwork(Simulation& simulation)
    : simulation_(simulation), random_(simulation.stream("network")), faults_(simulation.stream("network-faults")) {}

const NetworkOptions& SimulatedNetwork::options() const { return simulation_.options().network; }
Instant SimulatedNetwork::now() const { return simulation_.now(); }

void SimulatedNetwork::record(TraceKind kind, Node& node, uint64_t first, uint64_t second) {
    simulation_.record(kind, node.id(), first, second);
}

void SimulatedNetwork::cut(Node& from, Node& to) {
    cuts_.insert({from.id(), to.id()});
    record(TraceKind::link_changed, from, to.id(), 1);
}

void SimulatedNetwork::heal(Node& from, Node& to) {
    cuts_.erase({from.id(), to.id()});
    record(TraceKind::link_changed, from, to.id(), 0);
    drain_all();
}

void SimulatedNetwork::cut_plane(Node& from, Node& to, uint16_t port) {
    plane_cuts_.insert({from.id(), to.id(), port});
    record(TraceKind::link_changed, from, to.id(), 1);
}

void SimulatedNetwork::heal_plane(Node& from, Node& to, uint16_t port) {
    plane_cuts_.erase({from.id(), to.id(), port});
    record(TraceKind::link_changed, from, to.id(), 0);
    drain_all();
}

void SimulatedNetwork::cut_both(Node& left, Node& right) {
    cut(left, right);
    cut(right, left);
}

void SimulatedNetwork::heal_both(Node& left, Node& right) {
    heal(left, right);
    heal(right, left);
}

void SimulatedNetwork::isolate(Node& node) {
    for (Node* other : simulation_.nodes()) {
        if (other != &node) cut_both(node, *other);
    }
}

void SimulatedNetwork::heal_all() {
    cuts_.clear();
    plane_cuts_.clear();
    simulation_.record(TraceKind::link_changed, 0);
    drain_all();
}

bool SimulatedNetwork::is_cut(const Node& from, const Node& to) const { return cuts_.contains({from.id(), to.id()}); }

bool SimulatedNetwork::is_carried(Node& from, Node& to, uint16_t port) const {
    return !is_cut(from, to) && !plane_cuts_.contains({from.id(), to.id(), port});
}

bool SimulatedNetwork::is_open(Node& from, Node& to, uint16_t port) const {
    return is_carried(from, to, port) && to.has_power();
}

void SimulatedNetwork::set_latency(Node& from, Node& to, Latency latency) {
    latencies_[{from.id(), to.id()}] = latency;
}

Instant SimulatedNetwork::arrival(Node& from, Node& to) {
    auto found = latencies_.find({from.id(), to.id()});
    Duration latency = random_.duration(found == latencies_.end() ? options().latency : found->second);
    Duration delay(faults_.below(1'000'000'000));
    if (faults_.chance(options().delay)) latency += delay;
    return now() + latency;
}

StreamFault SimulatedNetwork::draw_fault(Node& from, Node& to, uint64_t size) {
    StreamFault fault;
    fault.blackhole = faults_.chance(options().blackhole) && &from != &to;
    uint64_t reset_at = faults_.below(size);
    if (faults_.chance(options().reset) && &from != &to) fault.reset_at = reset_at;
    return fault;
}

void SimulatedNetwork::schedule_drain(uint64_t id, Connection::Side side, Instant at) {
    simulation_.schedule(at, [this, id, side] {
        auto found = connections_.find(id);
        if (found == connections_.end()) return;
        found->second->drain(side);
        forget_if_over(id);
    });
}

void SimulatedNetwork::drain_all() {
    for (auto& [id, connection] : connections_) {
        Node& client = connection->node(Connection::client);
        Node& server = connection->node(Connection::server);
        schedule_drain(id, Connection::client, arrival(server, client));
        schedule_drain(id, Connection::server, arrival(client, server));
    }
}

void SimulatedNetwork::forget_if_over(uint64_t id) {
    if (connections_.at(id)->is_over()) connections_.erase(id);
}

void SimulatedNetwork::close(uint64_t id, Connection::Side side) {
    connections_.at(id)->close(side);
    forget_if_over(id);
}

void SimulatedNetwork::process_died(Node& node, Crash how) {
    std::erase_if(attempts_, [&](const auto& item) { return item.second.from == &node; });
    std::erase_if(listeners_, [&](const auto& item) { return item.first.first == node.id(); });
    for (auto& [id, connection] : connections_) {
        for (Connection::Side side : {Connection::client, Connection::server}) {
            if (&connection->node(side) != &node) continue;
            how == Crash::power_loss ? connection->vanish(side) : connection->close(side);
        }
    }
    std::erase_if(connections_, [](const auto& item) { return item.second->is_over(); });
}

void SimulatedNetwork::node_started() { drain_all(); }

Node* SimulatedNetwork::resolve(Node& from, const std::string& host) {
    if (host == "localhost" || host == "127.0.0.1" || host == "::1") return &from;
    return simulation_.find_node(host);
}

void SimulatedNetwork::connect(Attempt attempt, Instant deadline) {
    uint64_t number = ++attempts_made_;
    attempts_.emplace(number, attempt);
    simulation_.schedule(arrival(*attempt.from, *attempt.to), [this, number] { attempt_arrives(number); });
    if (deadline != never) simulation_.schedule(deadline, [this, number] { attempt_expired(number); });
}

void SimulatedNetwork::retry(uint64_t number) {
    simulation_.schedule(now() + options().retransmit, [this, number] { attempt_arrives(number); });
}

// The first packet of an attempt reaches the other machine, or does not.
void SimulatedNetwork::attempt_arrives(uint64_t number) {
    auto found = attempts_.find(number);
    if (found == attempts_.end()) return;
    Attempt& attempt = found->second;
    if (!is_open(*attempt.from, *attempt.to, attempt.port)) return retry(number);
    Listening* listener = find_listener(*attempt.from, *attempt.to, attempt.port);
    if (listener != nullptr && listener->backlog.size() >= backlog_max) return retry(number);
    bool is_accepted = listener != nullptr;
    simulation_.schedule(arrival(*attempt.to, *attempt.from),
                         [this, number, is_accepted] { attempt_answered(number, is_accepted); });
}

// The answer of the other machine is back.
void SimulatedNetwork::attempt_answered(uint64_t number, bool is_accepted) {
    auto found = attempts_.find(number);
    if (found == attempts_.end()) return;
    Attempt attempt = found->second;
    if (!is_carried(*attempt.to, *attempt.from, attempt.port)) return retry(number);
    attempts_.erase(found);
    if (!is_accepted) {
        record(TraceKind::refused, *attempt.from, attempt.to->id(), attempt.port);
        attempt.done->complete(refused);
        return;
    }
    uint64_t id = ++connections_made_;
    auto made = std::make_unique<Connection>(*this, id, *attempt.from, *attempt.to, attempt.port);
    Connection& connection = *connections_.emplace(id, std::move(made)).first->second;
    record(TraceKind::connected, *attempt.from, id, attempt.to->id());
    connection.announce();
    attempt.done->complete(id);
}

void SimulatedNetwork::attempt_expired(uint64_t number) {
    auto found = attempts_.find(number);
    if (found == attempts_.end()) return;
    Completion<Result<uint64_t>>* done = found->second.done;
    attempts_.erase(found);
    done->complete(too_late);
}

SimulatedNetwork::Port SimulatedNetwork::port_of(const Node& node, uint16_t port) { return {node.id(), port}; }

SimulatedNetwork::Listening* SimulatedNetwork::find_listener(Node& from, Node& to, uint16_t port) {
    auto found = listeners_.find(port_of(to, port));
    if (found == listeners_.end() || (found->second.is_local_only && &from != &to)) return nullptr;
    return &found->second;
}

uint16_t SimulatedNetwork::free_port(Node& node) {
    do {
        last_port_ = std::max<uint16_t>(static_cast<uint16_t>(last_port_ + 1), first_free_port);
    } while (listeners_.contains(port_of(node, last_port_)));
    return last_port_;
}

Result<uint16_t> SimulatedNetwork::listen(Node& node, uint16_t port, bool is_local_only, ListenerUser* user) {
    if (port == 0) port = free_port(node);
    auto [listener, is_new] = listeners_.try_emplace(port_of(node, port));
    if (!is_new) return Error(ErrorCode::address_in_use, "somebody listens at this port already");
    listener->second.is_local_only = is_local_only;
    listener->second.users.push_back(user);
    return port;
}

void SimulatedNetwork::share(Node& node, uint16_t port, ListenerUser* user) {
    listeners_.at(port_of(node, port)).users.push_back(user);
}

void SimulatedNetwork::stop_listening(Node& node, uint16_t port, ListenerUser* user) {
    auto found = listeners_.find(port_of(node, port));
    std::erase(found->second.users, user);
    if (!found->second.users.empty()) return;
    std::deque<uint64_t> backlog = std::move(found->second.backlog);
    listeners_.erase(found);
    for (uint64_t id : backlog) {
        if (connections_.contains(id)) close(id, Connection::server);
    }
}

bool SimulatedNetwork::offer(Connection& connection) {
    Node& from = connection.node(Connection::client);
    Listening* listener = find_listener(from, connection.node(Connection::server), connection.port());
    if (listener == nullptr || listener->backlog.size() >= backlog_max) return false;
    listener->backlog.push_back(connection.id());
    for (ListenerUser* user : listener->users) user->acceptable();
    return true;
}

uint64_t SimulatedNetwork::accept(Node& node, uint16_t port) {
    std::deque<uint64_t>& backlog = listeners_.at(port_of(node, port)).backlog;
    if (backlog.empty()) return 0;
    uint64_t id = backlog.front();
    backlog.pop_front();
    return id;
}

}  // namespace ironbark::simulation
