#pragma once
// Changes of a log's files that the marks have promised already: the files behind a cut, and those of a log that starts
// anew elsewhere. Each may be done again, from whatever a crash has left of it, any number of times; when it returns
// well it is on disk, and the marks may forget it. Nothing is appended before they have.
//
// Used by a Log, which closes the files that go, and when one is opened.

#include <string>

#include "log/marks.h"
#include "runtime/io/world.h"

namespace ironbark::log {

// Behind `place`, whose position is that of the first byte that goes, nothing is left: no segment, index or checkpoint,
// and no byte of an earlier use in the segment that holds it.
Task<Result<void>> finish_cut(World* world, std::string directory, Floor place);

// Every segment goes to the newest burial in the graveyard. Of indexes and checkpoints nothing is left but the one of
// `place`, which waits beside the log under `restart_suffix` or has its name already.
Task<Result<void>> finish_restart(World* world, std::string directory, Floor place);

}  // namespace ironbark::log
