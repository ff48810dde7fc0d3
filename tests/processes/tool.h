#pragma once
// Runs the ironbark tool as a user does, and looks at what it says.

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/processes/process.h"

namespace ironbark::processes {

class Tool {
  public:
    // `bootstrap` goes into IRONBARK_BOOTSTRAP.
    explicit Tool(std::string bootstrap) : bootstrap_(std::move(bootstrap)) {}

    Finished run(std::vector<std::string> arguments, std::string input = {}) const {
        Run run = of(arguments);
        run.input = std::move(input);
        return processes::run(run);
    }
    // What there is to run, for a Conversation.
    Run of(const std::vector<std::string>& arguments) const {
        Run run{.command = {IRONBARK_PROGRAM}};
        run.command.insert(run.command.end(), arguments.begin(), arguments.end());
        run.environment["IRONBARK_BOOTSTRAP"] = bootstrap_;
        return run;
    }
    // In a shell, where `ironbark` is the tool.
    Finished shell(const std::string& script) const {
        Run run{.command = {"bash", "-c", "set -o pipefail; ironbark() { " IRONBARK_PROGRAM " \"$@\"; }; " + script}};
        run.environment["IRONBARK_BOOTSTRAP"] = bootstrap_;
        return processes::run(run);
    }
    // With --json; what it printed, which must be one JSON value and nothing else.
    nlohmann::json json(std::vector<std::string> arguments, std::string input = {}, int exit_code = 0) const {
        arguments.push_back("--json");
        Finished finished = run(std::move(arguments), std::move(input));
        nlohmann::json value = nlohmann::json::parse(finished.output, nullptr, false);
        if (finished.exit_code != exit_code) value = {{"exit_code", finished.exit_code}, {"errors", finished.errors}};
        return value;
    }
    const std::string& bootstrap() const { return bootstrap_; }

  private:
    std::string bootstrap_;
};

}  // namespace ironbark::processes
