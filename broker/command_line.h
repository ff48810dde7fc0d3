#pragma once
// The daemon's command line, and what it says together with the file and the environment. Touches nothing but the file.

#include <optional>
#include <string>

#include "broker/config.h"

namespace ironbark::broker {

struct CommandLine {
    std::string config_file;
    bool check_config = false;
    ConfigValues values;
};

// What is printed instead of running: to standard output with exit code 0, else to standard error.
struct Answer {
    int exit_code = 0;
    std::string text;
};

constexpr int exit_refused = 1;
constexpr int exit_usage = 2;

// Reads the command line; an answer if that is all there is to do: help, version, or a mistake, with the nearest flag.
std::optional<Answer> parse_command_line(int argc, const char* const* argv, CommandLine& line);

// The values of the file, then of the environment, then of the flags: the later wins.
Result<ConfigValues> gather_config(const CommandLine& line, const char* const* environment, std::string* problem);

// Every key with its value, as a file that could be given with --config.
std::string config_text(const ConfigValues& values);

}  // namespace ironbark::broker
