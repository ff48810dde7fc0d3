#pragma once
// Where the daemon's program is.

#include <string>

#include "ironbark/expected.h"

namespace ironbark::tools::local_cluster {

// `given`, if it is not empty; else ironbarkd beside this program, then as a build has it, then as PATH has it.
// Absolute. A failure names where it was looked for.
Expected<std::string> find_daemon(const std::string& given);

}  // namespace ironbark::tools::local_cluster
