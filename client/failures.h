#pragma once
// Errors of the layers below as the failures that applications get.

#include <string>

#include "ironbark/expected.h"
#include "runtime/base/error.h"
#include "runtime/base/result.h"
#include "runtime/rpc/call.h"
#include "wire/common_generated.h"

namespace ironbark::client {

inline Failure not_done(ErrorCode code, std::string hint) {
    return {code, Outcome::not_written, std::move(hint)};
}
Failure failure_of(const Error& error, Outcome outcome = Outcome::not_written);
Failure failure_of(const wire::ErrorInfo& info);
// REQUIRES: !result.ok()
Failure failure_of(const rpc::CallResult& result);
// An answer that was verified and makes no sense. What it answers may have been done.
Failure senseless_answer(const char* what);

// Whether asking for new metadata may help: the leader is not where it was thought to be.
bool concerns_leadership(ErrorCode code);
// Whether the topic, or the partition, is not (or no longer) there.
bool concerns_existence(ErrorCode code);

}  // namespace ironbark::client
