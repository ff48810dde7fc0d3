#include "tools/story/input.h"

#include <algorithm>
#include <filesystem>
#include <fmt/format.h>
#include <fstream>
#include <stdexcept>

namespace ironbark::story {
namespace {

namespace fs = std::filesystem;

constexpr size_t line_size_max = 64 * 1024;  // longer lines are cut into pieces: a record is at most 1 MiB

bool is_text(std::string_view bytes) {
    return bytes.substr(0, 4096).find('\0') == std::string_view::npos;
}

void append_file(const fs::path& path, size_t bytes_max, std::string& text) {
    std::ifstream file(path, std::ios::binary);
    if (!file || text.size() >= bytes_max) return;
    std::string bytes((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    if (!is_text(bytes)) return;
    text += bytes.substr(0, bytes_max - text.size());
    if (!text.empty() && text.back() != '\n') text += '\n';
}

std::vector<fs::path> texts_of_this_machine() {
    std::vector<fs::path> paths;
    std::error_code ignored;
    for (const char* log : {"/var/log/dpkg.log", "/var/log/apt/history.log", "/var/log/apt/term.log"}) {
        if (fs::is_regular_file(log, ignored)) paths.emplace_back(log);
    }
    fs::recursive_directory_iterator docs("/usr/share/doc", fs::directory_options::skip_permission_denied, ignored);
    std::vector<fs::path> found;
    for (auto entry = fs::begin(docs); !ignored && entry != fs::end(docs); entry.increment(ignored)) {
        bool is_plain =
            entry->is_regular_file(ignored) && !entry->is_symlink(ignored) && entry->path().extension() != ".gz";
        if (is_plain) found.push_back(entry->path());
    }
    std::sort(found.begin(), found.end());
    paths.insert(paths.end(), found.begin(), found.end());
    return paths;
}

void split_lines(Input& input) {
    std::string_view rest = input.text;
    while (!rest.empty()) {
        size_t end = std::min(rest.find('\n'), rest.size());
        std::string_view line = rest.substr(0, end);
        rest.remove_prefix(std::min(end + 1, rest.size()));
        for (; line.size() > line_size_max; line.remove_prefix(line_size_max)) {
            input.lines.push_back(line.substr(0, line_size_max));
        }
        if (!line.empty()) input.lines.push_back(line);
    }
}

}  // namespace

Input read_input(const std::string& path, size_t records_min, size_t bytes_max) {
    Input input;
    if (!path.empty()) {
        if (!fs::is_regular_file(path))
            throw std::runtime_error(fmt::format("{} is not a file that can be read", path));
        append_file(path, bytes_max, input.text);
        input.origin = path;
    } else {
        for (const fs::path& text : texts_of_this_machine()) append_file(text, bytes_max, input.text);
        input.origin = "the package manager's logs and the texts under /usr/share/doc";
    }
    split_lines(input);
    if (input.lines.empty()) {
        throw std::runtime_error(fmt::format("no lines of text in {}: name a text file", input.origin));
    }
    input.passes = std::max<size_t>(1, (records_min + input.lines.size() - 1) / input.lines.size());
    return input;
}

}  // namespace ironbark::story
