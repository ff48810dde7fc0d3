#pragma once
// `ironbark log graveyard`: records that were cut from logs, or were never synced before a crash, and are kept.

#include <string>

#include "tools/session.h"

namespace ironbark::tools {

// Each returns the exit code.
int list_graveyards(Session& session, const std::string& directory);

struct BuriedExportOptions {
    std::string file;
    std::string format = "%v\\n";
};
int export_buried(Session& session, const BuriedExportOptions& options);

}  // namespace ironbark::tools
