#pragma once
// Words and numbers as people write them: in settings, flags and files.

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "runtime/base/result.h"
#include "runtime/base/time.h"

namespace ironbark {

// "1048576", "64KiB", "1.5MiB", "2GB" (powers of 1000), "-1". Errors: invalid_config.
Result<int64_t> parse_bytes(std::string_view text);
// "1500", "1500ms", "5s", "10min", "2h", "7d", "-1". A bare number is milliseconds.
Result<int64_t> parse_milliseconds(std::string_view text);
// The same with fractions kept, and with "50us" and "800ns".
Result<Duration> parse_duration(std::string_view text);

// The candidate that `word` was probably meant to be; empty if none is near.
std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates);

}  // namespace ironbark
