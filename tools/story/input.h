#pragma once
// Real lines to send: those of a file, or what every Debian machine has lying about: the package manager's logs and the
// documentation of its packages.

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ironbark::story {

struct Input {
    std::string text;                     // everything that was read
    std::vector<std::string_view> lines;  // of one pass, views of `text`
    std::string origin;                   // for people
    size_t passes = 1;                    // how often the lines are sent to reach the number that is wanted

    size_t record_count() const { return lines.size() * passes; }
    std::string_view record(size_t index) const { return lines[index % lines.size()]; }
};

// Reads `path`, or the machine's own texts if it is empty, at most `bytes_max`. Throws std::runtime_error with a text
// that says what to do.
Input read_input(const std::string& path, size_t records_min, size_t bytes_max);

}  // namespace ironbark::story
