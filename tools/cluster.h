#pragma once
// What the noun `cluster` is made of, beside its status.

#include "tools/command.h"

namespace ironbark::tools {

void add_cluster_events(Command noun, Session& session);

}  // namespace ironbark::tools
