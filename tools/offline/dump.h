#pragma once
// What stands in a segment file or a graveyard file: frames, pads, batch headers, and records if asked for.

#include <string>

#include "tools/session.h"

namespace ironbark::tools {

struct DumpOptions {
    std::string file;
    bool records = false;
    bool all = false;  // also what stands behind the place where the log ends
};

// Returns the exit code.
int dump(Session& session, const DumpOptions& options);

}  // namespace ironbark::tools
