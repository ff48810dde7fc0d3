#pragma once
// Verbs for tests of the simulated disk. Each opens the file, does one thing and closes it.

#include <string>
#include <string_view>

#include "runtime/io/world.h"
#include "tests/simulation/node.h"
#include "tests/simulation/simulation.h"

namespace ironbark::simulation {

// Makes the file and its directory, names synced.
Task<void> make_file(World& world, std::string path);
Task<Result<void>> write_text(World& world, std::string path, uint64_t position, std::string text,
                              Sync sync = Sync::no);
Task<Result<void>> sync_file(World& world, std::string path);
Task<Result<std::string>> read_text(World& world, std::string path, uint64_t position, size_t size);

std::string text_of(Node& node, const std::string& path, View view = View::visible);

}  // namespace ironbark::simulation
