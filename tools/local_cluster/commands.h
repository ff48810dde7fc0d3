#pragma once
// ironbark cluster start | stop: a local cluster of real daemons, in the background.

#include "tools/command.h"
#include "tools/local_cluster/layout.h"

namespace ironbark::tools {

void add_local_cluster(Command noun, Session& session);

namespace local_cluster {

// --dir as an absolute path, without a slash at its end.
std::string absolute(const std::string& directory);
// The cluster that was made there; a failure if none was. The directory is absolute.
Expected<Layout> open_cluster(const std::string& directory);

void add_start(Command noun, Session& session);
void add_stop(Command noun, Session& session);

}  // namespace local_cluster
}  // namespace ironbark::tools
