#pragma once
// One run of the tool: what every command is given, and how it answers. A command prints to standard output what it was
// asked for and nothing else, and returns an exit code; problems go to standard error, with what to do about them.

#include <chrono>
#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>

#include "ironbark/admin.h"
#include "ironbark/settings.h"
#include "tools/output.h"

namespace ironbark::tools {

constexpr int exit_done = 0;
constexpr int exit_refused = 1;  // the cluster, or the machine, refused or failed
constexpr int exit_usage = 2;    // the command line is wrong

class Session {
  public:
    Session();

    Output output;
    bool json = false;
    bool yes = false;
    std::string bootstrap;        // empty: IRONBARK_BOOTSTRAP, else 127.0.0.1:9400
    std::string timeout;          // for one answer; empty: 15 s
    std::function<int()> action;  // what the command line asks for

    // Settings for the client library, with the addresses of the command line.
    Expected<Settings> settings() const;
    // Of --timeout; wrong usage if it is none, as for `parse_patience`.
    Expected<std::chrono::milliseconds> patience() const;
    Expected<Admin> admin() const;

    // Says on standard error that `what` failed and why; with --json also on standard output. Returns the exit code.
    int fail(const std::string& what, const Failure& failure);
    // Says what is wrong with the command line.
    int usage(const Failure& failure);
    // "ironbark: TEXT" on standard error.
    void say(const std::string& text) const;
    // The one value of --json.
    void print_json(const nlohmann::ordered_json& value);
    void print(const std::string& text) { output.write(text); }
    // Before something that cannot be undone: true with --yes. Otherwise says what would be done; the command ends with
    // `exit_refused`.
    bool confirm(const std::string& what_it_does);
};

nlohmann::ordered_json to_json(const Failure& failure);

// What --timeout says.
Expected<std::chrono::milliseconds> parse_patience(const std::string& text);

}  // namespace ironbark::tools
