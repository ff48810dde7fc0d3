#include "runtime/rpc/refusal.h"

#include <array>

#include "runtime/base/assert.h"

namespace ironbark::rpc {

namespace {

struct Row {
    Refusal refusal;
    const char* name;
    ErrorCode code;
    bool is_told;
    const char* hint;
};

constexpr std::array<Row, refusal_count> table{{
    {Refusal::none, "none", ErrorCode::none, false, ""},
    {Refusal::peer_closed, "peer_closed", ErrorCode::connection_closed, false,
     "the connection was closed by the other side"},
    {Refusal::http, "http", ErrorCode::protocol_violation, true,
     "the other side speaks HTTP, not the Ironbark protocol; metrics and health are on the metrics port (9401)"},
    {Refusal::tls, "tls", ErrorCode::protocol_violation, true,
     "the other side speaks TLS, which this port does not; connect without it"},
    {Refusal::foreign, "foreign", ErrorCode::protocol_violation, true,
     "these bytes are not the Ironbark protocol; check the port (clients connect to 9400)"},
    {Refusal::malformed_header, "malformed_header", ErrorCode::protocol_violation, true,
     "a frame's header contradicts itself or asks for what this version does not know; update the older side"},
    {Refusal::too_large, "too_large", ErrorCode::protocol_violation, true,
     "a frame is larger than the limit (16 MiB, 8 KiB before the handshake); send less at once"},
    {Refusal::checksum, "checksum", ErrorCode::protocol_violation, true,
     "a frame does not match its checksum: it was altered on the way, or its sender is faulty"},
    {Refusal::metadata, "metadata", ErrorCode::protocol_violation, true,
     "a frame's metadata is not a valid message of its method; its sender is faulty"},
    {Refusal::payload, "payload", ErrorCode::protocol_violation, true,
     "a frame carries a payload, but its method has none; its sender is faulty"},
    {Refusal::direction, "direction", ErrorCode::protocol_violation, true,
     "an answer came that nobody asked for, or a request to a client; the other side is faulty"},
    {Refusal::not_introduced, "not_introduced", ErrorCode::protocol_violation, true,
     "the first request of a connection must be a handshake, and it must succeed"},
    {Refusal::introduced_twice, "introduced_twice", ErrorCode::invalid_request, true,
     "this connection has had its handshake; open another one"},
    {Refusal::unknown_method, "unknown_method", ErrorCode::unsupported_version, true,
     "this broker does not know that method; it is older than the client, update it"},
    {Refusal::handshake_timeout, "handshake_timeout", ErrorCode::timed_out, false,
     "the handshake was not completed in time"},
    {Refusal::header_timeout, "header_timeout", ErrorCode::timed_out, false,
     "the header of a frame was begun and not completed in time"},
    {Refusal::body_timeout, "body_timeout", ErrorCode::timed_out, false, "the body of a frame came too slowly"},
    {Refusal::idle, "idle", ErrorCode::timed_out, false, "the connection was idle for too long"},
    {Refusal::slow_reader, "slow_reader", ErrorCode::timed_out, false, "answers were not read in time"},
    {Refusal::connections_full, "connections_full", ErrorCode::overloaded, true,
     "the broker has as many connections as it allows; try again later or raise its limit"},
    {Refusal::stopping, "stopping", ErrorCode::connection_closed, true, "the broker is stopping; use another one"},
}};

constexpr bool is_in_order() {
    for (size_t index = 0; index < table.size(); ++index) {
        if (static_cast<size_t>(table[index].refusal) != index) return false;
    }
    return true;
}
static_assert(is_in_order(), "a row for each refusal, in their order");

const Row& row(Refusal refusal) {
    ASSERT(static_cast<size_t>(refusal) < table.size());
    return table[static_cast<size_t>(refusal)];
}

}  // namespace

const char* name(Refusal refusal) { return row(refusal).name; }

Error error_of(Refusal refusal) {
    ASSERT(refusal != Refusal::none);
    return {row(refusal).code, row(refusal).hint};
}

bool is_told(Refusal refusal) { return row(refusal).is_told; }

bool is_of_one_request(Refusal refusal) {
    return refusal == Refusal::introduced_twice || refusal == Refusal::unknown_method || refusal == Refusal::stopping;
}

}  // namespace ironbark::rpc
