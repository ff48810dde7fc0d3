#pragma once
// --offset: where a reader begins.

#include <string_view>

#include "ironbark/consumer.h"

namespace ironbark::tools {

// start, end, N (an offset), -N (the last N records of each partition), @TIME (the first record at or after it).
Expected<Start> parse_start(std::string_view text);

}  // namespace ironbark::tools
