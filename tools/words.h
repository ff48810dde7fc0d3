#pragma once
// How the tool reads and writes what people type and see: escapes, times, sizes, and bytes that may be no text.

#include <cstdint>
#include <string>
#include <string_view>

#include "ironbark/expected.h"

namespace ironbark::tools {

// A failure of the command line itself: exit code 2.
Failure wrong_usage(std::string hint);

// "\n \t \r \0 \\ \xHH" as the bytes they stand for.
Expected<std::string> unescape(std::string_view text);

// Milliseconds since 1970, of a number of them or of ISO 8601: 2024-05-06, 2024-05-06T07:08, ...T07:08:09.123, with Z or
// +02:00 behind; UTC where no zone is named.
Expected<int64_t> parse_time(std::string_view text);
// "2024-05-06T07:08:09.123Z"; "-" for a time that is not known (negative).
std::string time_text(int64_t milliseconds);

std::string bytes_text(uint64_t bytes);         // "1.5 MiB"
std::string duration_text(int64_t milliseconds);  // "850 ms", "2.5 s", "3 h 20 min"
std::string count_text(uint64_t count, const char* one);  // "1 record", "2 records"

bool is_utf8(std::string_view bytes);
std::string base64(std::string_view bytes);

}  // namespace ironbark::tools
