#pragma once
// Why a connection is not served any further, or a request not at all: one list, with what is said about each and to
// whom. The side that hears it gets the hint; the side that refuses counts it.

#include <cstddef>
#include <cstdint>

#include "runtime/base/error.h"

namespace ironbark::rpc {

enum class Refusal : uint8_t {
    none,
    peer_closed,        // the connection ended, orderly or not; there is nobody to tell
    http,               // the peer speaks HTTP
    tls,                // the peer speaks TLS
    foreign,            // the peer speaks something else
    malformed_header,   // sizes or flags contradict each other or this version
    too_large,          // the frame exceeds the limit
    checksum,           // header or metadata were altered on the way
    metadata,           // the metadata is not a message of that method
    payload,            // a payload where the method has none
    direction,          // an answer to a server, a request to a client, or an answer that nobody asked for
    not_introduced,     // a request before the handshake, or too many attempts at it
    introduced_twice,   // a handshake on a connection that had one; only this request is refused
    unknown_method,     // of a newer version; only this request is refused
    handshake_timeout,
    header_timeout,     // a frame's header was begun and not completed
    body_timeout,       // a frame's body came too slowly
    idle,
    slow_reader,        // the peer does not read its answers
    connections_full,
    stopping,           // this side is stopping
    count_
};
constexpr size_t refusal_count = static_cast<size_t>(Refusal::count_);

const char* name(Refusal refusal);
// The error that tells of it; its text is the hint. REQUIRES: refusal is not none
Error error_of(Refusal refusal);
// Whether the peer is told before the connection is closed. Not where a deadline has closed it.
bool is_told(Refusal refusal);
// Whether the connection goes on after it.
bool is_of_one_request(Refusal refusal);

}  // namespace ironbark::rpc
