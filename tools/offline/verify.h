#pragma once
// `ironbark log verify`: a data directory, or one partition's directory.

#include <string>

#include "tools/session.h"

namespace ironbark::tools {

// Returns the exit code: `exit_refused` if there is any problem.
int verify(Session& session, const std::string& directory);

}  // namespace ironbark::tools
