#include "runtime/base/error.h"

#include <cerrno>
#include <cstring>

namespace ironbark {

const char* name(ErrorCode code) {
    switch (code) {
        case ErrorCode::unknown_server_error: return "unknown_server_error";
        case ErrorCode::none: return "none";
        case ErrorCode::offset_out_of_range: return "offset_out_of_range";
        case ErrorCode::corrupt_message: return "corrupt_message";
        case ErrorCode::unknown_topic_or_partition: return "unknown_topic_or_partition";
        case ErrorCode::not_leader_or_follower: return "not_leader_or_follower";
        case ErrorCode::request_timed_out: return "request_timed_out";
        case ErrorCode::message_too_large: return "message_too_large";
        case ErrorCode::invalid_topic: return "invalid_topic";
        case ErrorCode::not_enough_replicas: return "not_enough_replicas";
        case ErrorCode::invalid_timestamp: return "invalid_timestamp";
        case ErrorCode::unsupported_version: return "unsupported_version";
        case ErrorCode::topic_already_exists: return "topic_already_exists";
        case ErrorCode::invalid_partitions: return "invalid_partitions";
        case ErrorCode::invalid_replication_factor: return "invalid_replication_factor";
        case ErrorCode::invalid_config: return "invalid_config";
        case ErrorCode::not_controller: return "not_controller";
        case ErrorCode::invalid_request: return "invalid_request";
        case ErrorCode::policy_violation: return "policy_violation";
        case ErrorCode::out_of_order_sequence: return "out_of_order_sequence";
        case ErrorCode::invalid_producer_epoch: return "invalid_producer_epoch";
        case ErrorCode::storage_error: return "storage_error";
        case ErrorCode::authentication_failed: return "authentication_failed";
        case ErrorCode::unknown_producer_id: return "unknown_producer_id";
        case ErrorCode::fenced_leader_epoch: return "fenced_leader_epoch";
        case ErrorCode::unknown_leader_epoch: return "unknown_leader_epoch";
        case ErrorCode::unsupported_compression: return "unsupported_compression";
        case ErrorCode::stale_broker_epoch: return "stale_broker_epoch";
        case ErrorCode::offset_not_available: return "offset_not_available";
        case ErrorCode::invalid_record: return "invalid_record";
        case ErrorCode::unknown_topic_id: return "unknown_topic_id";
        case ErrorCode::duplicate_broker: return "duplicate_broker";
        case ErrorCode::wrong_cluster: return "wrong_cluster";
        case ErrorCode::connection_closed: return "connection_closed";
        case ErrorCode::connection_refused: return "connection_refused";
        case ErrorCode::timed_out: return "timed_out";
        case ErrorCode::cancelled: return "cancelled";
        case ErrorCode::protocol_violation: return "protocol_violation";
        case ErrorCode::overloaded: return "overloaded";
        case ErrorCode::not_found: return "not_found";
        case ErrorCode::already_exists: return "already_exists";
        case ErrorCode::permission_denied: return "permission_denied";
        case ErrorCode::locked: return "locked";
        case ErrorCode::io_error: return "io_error";
        case ErrorCode::storage_full: return "storage_full";
        case ErrorCode::corrupt_data: return "corrupt_data";
        case ErrorCode::foreign_data: return "foreign_data";
        case ErrorCode::unsupported: return "unsupported";
        case ErrorCode::queue_full: return "queue_full";
        case ErrorCode::sequence_expired: return "sequence_expired";
        case ErrorCode::closed: return "closed";
        case ErrorCode::address_in_use: return "address_in_use";
    }
    return "unknown_error";
}

bool is_retriable(ErrorCode code) {
    switch (code) {
        case ErrorCode::not_leader_or_follower:
        case ErrorCode::request_timed_out:
        case ErrorCode::not_enough_replicas:
        case ErrorCode::not_controller:
        case ErrorCode::out_of_order_sequence:
        case ErrorCode::storage_error:
        case ErrorCode::fenced_leader_epoch:
        case ErrorCode::unknown_leader_epoch:
        case ErrorCode::offset_not_available:
        case ErrorCode::connection_closed:
        case ErrorCode::connection_refused:
        case ErrorCode::timed_out:
        case ErrorCode::overloaded:
        case ErrorCode::storage_full: return true;
        default: return false;
    }
}

const char* name(Outcome outcome) {
    switch (outcome) {
        case Outcome::written: return "written";
        case Outcome::not_written: return "not_written";
        case Outcome::unknown: return "unknown";
    }
    return "unknown";
}

Error error_from_errno(int number, const char* static_text) {
    switch (number) {
        case ENOENT:
        case ENOTDIR: return {ErrorCode::not_found, static_text, number};
        case EEXIST:
        case ENOTEMPTY: return {ErrorCode::already_exists, static_text, number};
        case EACCES:
        case EPERM:
        case EROFS: return {ErrorCode::permission_denied, static_text, number};
        case ENOSPC:
        case EDQUOT:
        case EFBIG: return {ErrorCode::storage_full, static_text, number};
        case EADDRINUSE: return {ErrorCode::address_in_use, static_text, number};
        case ECONNREFUSED: return {ErrorCode::connection_refused, static_text, number};
        case ECONNRESET:
        case EPIPE:
        case ENOTCONN:
        case ECONNABORTED:
        case EHOSTUNREACH:
        case ENETUNREACH: return {ErrorCode::connection_closed, static_text, number};
        case ETIMEDOUT: return {ErrorCode::timed_out, static_text, number};
        case ECANCELED: return {ErrorCode::cancelled, static_text, number};
        case EOPNOTSUPP:
        case ENOSYS: return {ErrorCode::unsupported, static_text, number};
        default: return {ErrorCode::io_error, static_text, number};
    }
}

std::string describe(const Error& error) {
    if (error.system_errno != 0) return std::strerror(error.system_errno);
    return *error.text != 0 ? error.text : name(error.code);
}

}  // namespace ironbark
