#include "tests/simulation/connection.h"

#include <algorithm>
#include <utility>

#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulated_network.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {
namespace {

// A piece that is sent arrives in at most so many parts: enough to end anywhere, few enough to be quick.
constexpr uint64_t parts_max = 4;

}  // namespace

Connection::Connection(SimulatedNetwork& network, uint64_t id, Node& client_node, Node& server_node, uint16_t port)
    : network_(network), id_(id), port_(port) {
    ends_[client].node = &client_node;
    ends_[server].node = &server_node;
}

uint64_t Connection::room(Side side) const { return network_.options().window_bytes - ends_[side].outstanding; }

void Connection::push(Side to, PieceKind kind, std::vector<uint8_t> bytes, uint64_t credit) {
    End& end = ends_[to];
    Instant arrival = network_.arrival(node(other(to)), node(to));
    // Later than the one before: a stream keeps its order.
    end.last_arrival = std::max(arrival, end.last_arrival + 1ns);
    end.coming.push_back(Piece{end.last_arrival, kind, std::move(bytes), credit});
    network_.schedule_drain(id_, to, end.last_arrival);
}

void Connection::announce() { push(server, PieceKind::opened); }

void Connection::send(Side side, Bytes bytes) {
    ASSERT(bytes.size() <= room(side));
    ends_[side].outstanding += bytes.size();
    network_.record(TraceKind::sent, node(side), id_, bytes.size());
    StreamFault fault = network_.draw_fault(node(side), node(other(side)), bytes.size());
    if (fault.blackhole) is_blackhole_ = true;
    if (fault.reset_at < bytes.size()) {
        push_data(other(side), bytes.first(fault.reset_at));
        push(other(side), PieceKind::reset);
        push(side, PieceKind::reset);
        return;
    }
    push_data(other(side), bytes);
}

void Connection::push_data(Side to, Bytes bytes) {
    uint64_t parts = network_.options().split ? network_.random().between(1, parts_max) : 1;
    while (!bytes.empty()) {
        size_t size = parts > 1 ? network_.random().between(1, bytes.size()) : bytes.size();
        Bytes part = bytes.first(size);
        push(to, PieceKind::data, std::vector<uint8_t>(part.begin(), part.end()));
        bytes = bytes.subspan(size);
        --parts;
    }
}

size_t Connection::receive(Side side, MutableBytes into) {
    End& end = ends_[side];
    size_t count = std::min(into.size(), end.arrived.size());
    if (count == 0) return 0;
    if (network_.options().split) count = network_.random().between(1, count);
    std::copy_n(end.arrived.begin(), count, into.begin());
    end.arrived.erase(end.arrived.begin(), end.arrived.begin() + static_cast<std::ptrdiff_t>(count));
    end.received += count;
    // Credit returns in larger steps than single receives; a sender never waits for less than this.
    if (end.received >= std::max<uint64_t>(network_.options().window_bytes / 4, 1)) {
        push(other(side), PieceKind::credit, {}, std::exchange(end.received, 0));
    }
    return count;
}

void Connection::close(Side side) {
    End& end = ends_[side];
    if (!end.is_open) return;
    end.is_open = false;
    end.user = nullptr;
    bool is_unread = !std::exchange(end.arrived, {}).empty();
    if (!end.was_reset) push(other(side), is_unread ? PieceKind::reset : PieceKind::end);
}

void Connection::vanish(Side side) {
    End& end = ends_[side];
    end.is_open = false;
    end.user = nullptr;
    end.arrived.clear();
    ends_[other(side)].coming.clear();
}

void Connection::drain(Side side) {
    End& end = ends_[side];
    while (!is_over() && !end.coming.empty() && end.coming.front().arrival <= network_.now()) {
        if (is_blackhole_ || !network_.is_open(node(other(side)), node(side), port_)) return;
        Piece piece = std::move(end.coming.front());
        end.coming.pop_front();
        arrive(side, std::move(piece));
    }
}

void Connection::arrive(Side side, Piece piece) {
    End& end = ends_[side];
    if (piece.kind == PieceKind::reset) return arrive_reset(side);
    if (!end.is_open) {
        // The kernel there does not know the connection. It does not answer to an end or a credit.
        if (piece.kind == PieceKind::data) push(other(side), PieceKind::reset);
        return;
    }
    switch (piece.kind) {
        case PieceKind::opened:
            if (!network_.offer(*this)) {
                end.is_open = false;
                push(other(side), PieceKind::reset);
            }
            return;
        case PieceKind::data:
            network_.record(TraceKind::arrived, node(side), id_, xxh3(piece.bytes, 0));
            end.arrived.insert(end.arrived.end(), piece.bytes.begin(), piece.bytes.end());
            if (end.user != nullptr) end.user->readable();
            return;
        case PieceKind::credit:
            end.outstanding -= piece.credit;
            if (end.user != nullptr) end.user->writable();
            return;
        case PieceKind::end:
            network_.record(TraceKind::stream_ended, node(side), id_, 0);
            end.peer_has_ended = true;
            if (end.user != nullptr) end.user->readable();
            return;
        case PieceKind::reset: UNREACHABLE();
    }
}

void Connection::arrive_reset(Side side) {
    End& end = ends_[side];
    // Some systems still hand out what arrived before, others do not.
    bool keeps_arrived = network_.random().chance(one_in(2));
    if (!end.is_open || end.was_reset) return;
    network_.record(TraceKind::stream_ended, node(side), id_, 1);
    end.was_reset = true;
    end.coming.clear();
    if (!keeps_arrived) end.arrived.clear();
    if (end.user == nullptr) return;
    end.user->readable();
    end.user->writable();
}

}  // namespace ironbark::simulation
