#pragma once
// `ironbark log export --kafka`: the batches of a data directory, or of one partition, as plain Kafka segments: files
// named by their first offset that hold record batches and nothing else. What was written is read again and checked.

#include <string>

#include "tools/session.h"

namespace ironbark::tools {

struct KafkaExportOptions {
    std::string from;
    std::string to;  // a directory that does not exist yet, or is empty
};

// Returns the exit code.
int export_kafka(Session& session, const KafkaExportOptions& options);

}  // namespace ironbark::tools
