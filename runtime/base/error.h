#pragma once
// The one list of error codes. A code exists only if some caller acts differently on it. Codes below 1000 are Kafka's,
// with Kafka's numbers (so that a Kafka listener maps them by identity); ours start at 1001. The same numbers travel in
// responses. Codes are never renumbered.

#include <cstdint>
#include <string>

namespace ironbark {

enum class ErrorCode : int16_t {
    unknown_server_error = -1,
    none = 0,
    offset_out_of_range = 1,
    corrupt_message = 2,  // a batch from a client failed its checksum or its header contradicts itself
    unknown_topic_or_partition = 3,
    not_leader_or_follower = 6,
    request_timed_out = 7,
    message_too_large = 10,
    invalid_topic = 17,
    not_enough_replicas = 19,
    invalid_timestamp = 32,
    unsupported_version = 35,
    topic_already_exists = 36,
    invalid_partitions = 37,
    invalid_replication_factor = 38,
    invalid_config = 40,
    not_controller = 41,  // another controller is active, or none is
    invalid_request = 42,
    policy_violation = 44,
    out_of_order_sequence = 45,
    invalid_producer_epoch = 47,
    storage_error = 56,  // the partition's log failed; it takes no appends until it has been recovered
    authentication_failed = 58,  // the other side does not prove that it knows the secret
    unknown_producer_id = 59,
    fenced_leader_epoch = 74,
    unknown_leader_epoch = 75,
    unsupported_compression = 76,
    stale_broker_epoch = 77,  // this incarnation of the broker is over
    offset_not_available = 78,  // a new leader does not know yet what all replicas have
    invalid_record = 87,
    unknown_topic_id = 100,
    duplicate_broker = 101,  // another daemon, which lives, has this broker id
    wrong_cluster = 104,     // the other side belongs to another cluster

    connection_closed = 1001,   // the peer, or the network, ended the connection
    connection_refused = 1002,  // nobody listens there
    timed_out = 1003,           // the caller's deadline passed
    cancelled = 1004,           // this side is stopping
    protocol_violation = 1005,  // the bytes on a connection are not our protocol
    overloaded = 1006,          // a limit of this process is reached; try again later
    not_found = 1007,
    already_exists = 1008,
    permission_denied = 1009,
    locked = 1010,        // another process holds the data directory
    io_error = 1011,      // the operating system refused an operation; see the errno
    storage_full = 1012,  // the disk, or its reserve, is used up
    corrupt_data = 1013,  // bytes read from a disk fail their checksum or contradict each other
    foreign_data = 1014,  // well-formed, but belongs to something else: another cluster, directory or partition
    unsupported = 1015,   // this machine or file system cannot do that
    queue_full = 1016,    // the client's buffer is full
    sequence_expired = 1017,  // a retry of a batch that was written, but too long ago to say where
    closed = 1018,            // the object was closed by its owner
    address_in_use = 1019,
};

// Snake-case name of the code, as it is printed. Unknown numbers (from a newer peer) give "unknown_error".
const char* name(ErrorCode code);

// Whether the same request may succeed later without anybody changing it.
bool is_retriable(ErrorCode code);

// What became of a request that changes something. `unknown` is an answer, not a failure to answer: the client keeps
// the distinction, because repeating an unknown write without a sequence number may duplicate it.
enum class Outcome : uint8_t { written = 0, not_written = 1, unknown = 2 };
const char* name(Outcome outcome);

// An error as a value: what kind, which errno if the operating system had one, and a static text that says what to do.
// Sixteen bytes, no allocation. Texts with values in them are made where they are shown to somebody.
struct [[nodiscard]] Error {
    ErrorCode code = ErrorCode::unknown_server_error;
    int system_errno = 0;
    const char* text = "";

    constexpr Error() = default;
    constexpr Error(ErrorCode error_code) : code(error_code) {}
    constexpr Error(ErrorCode error_code, const char* static_text) : code(error_code), text(static_text) {}
    constexpr Error(ErrorCode error_code, const char* static_text, int number)
        : code(error_code), system_errno(number), text(static_text) {}

    friend bool operator==(const Error& left, const Error& right) { return left.code == right.code; }
};

// The error for an errno that an operating-system call left behind.
Error error_from_errno(int number, const char* static_text = "");

// For people: what the system says of it, else its own text, else the name of its code.
std::string describe(const Error& error);

}  // namespace ironbark
