#pragma once
// What a data directory knows of itself beside the logs: its identity, the marks of its partitions, its journals.

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "log/data_directory.h"
#include "log/marks.h"
#include "tools/offline/report.h"

namespace ironbark::tools {

struct DirectoryState {
    std::optional<log::DirectoryIdentity> identity;
    std::map<PartitionIdentity, log::PartitionMarks> marks;
    bool marks_complete = true;  // nothing of the marks is damaged
};

// Reads it through a world that cannot write; what is wrong goes into the report.
Task<DirectoryState> read_directory_state(World* world, std::string path, VerifyReport* report);

}  // namespace ironbark::tools
