#include "client/failures.h"

#include "runtime/rpc/convert.h"

namespace ironbark::client {

Failure failure_of(const Error& error, Outcome outcome) {
    std::string hint = error.text;
    if (error.system_errno != 0) hint += " (errno " + std::to_string(error.system_errno) + ")";
    return {error.code, outcome, std::move(hint)};
}

Failure failure_of(const wire::ErrorInfo& info) {
    Failure failure;
    // An error without a code is still an error.
    if (info.code() != 0) failure.code = static_cast<ErrorCode>(info.code());
    bool is_known = info.outcome() <= wire::Outcome::MAX;
    failure.outcome = is_known ? static_cast<Outcome>(info.outcome()) : Outcome::unknown;
    failure.hint = rpc::from_wire(info.hint());
    return failure;
}

Failure failure_of(const rpc::CallResult& result) {
    Failure failure{result.error.code, result.outcome, result.hint};
    if (failure.hint.empty()) failure.hint = result.error.text;
    return failure;
}

Failure senseless_answer(const char* what) {
    return {ErrorCode::protocol_violation, Outcome::unknown,
            std::string("the broker's answer makes no sense: ") + what};
}

bool concerns_leadership(ErrorCode code) {
    switch (code) {
        case ErrorCode::not_leader_or_follower:
        case ErrorCode::fenced_leader_epoch:
        case ErrorCode::unknown_leader_epoch:
        case ErrorCode::storage_error:
        case ErrorCode::connection_closed:
        case ErrorCode::connection_refused:
        case ErrorCode::timed_out: return true;
        default: return concerns_existence(code);
    }
}

bool concerns_existence(ErrorCode code) {
    return code == ErrorCode::unknown_topic_or_partition || code == ErrorCode::unknown_topic_id;
}

}  // namespace ironbark::client
