#pragma once
// The command line: how nouns and verbs are declared, so that each has help with an example, --json and, if it talks to
// brokers, --bootstrap and --timeout.

#include <CLI/CLI.hpp>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tools/session.h"

namespace ironbark::tools {

struct CommandText {
    const char* name;
    const char* description;
    const char* example;
};

// A noun: it has verbs.
CLI::App& add_noun(CLI::App& app, const char* name, const char* description);
// A command that reads files of this machine.
CLI::App& add_offline_command(CLI::App& parent, Session& session, const CommandText& text, std::function<int()> action);
// A command that asks brokers.
CLI::App& add_command(CLI::App& parent, Session& session, const CommandText& text, std::function<int()> action);
void add_yes(CLI::App& command, Session& session);
// --set key=value, as often as one likes.
void add_set(CLI::App& command, std::vector<std::string>& values, const char* description);

// Refuses what is no whole number from `least` on; the message says so.
CLI::Validator number_from(int64_t least);

// "key=value" each; wrong usage if one is not, or a key comes twice.
Expected<std::map<std::string, std::string>> parse_assignments(const std::vector<std::string>& texts);
// Sets them all, or says which is wrong.
Expected<void> apply_assignments(Settings& settings, const std::vector<std::string>& texts);

// Runs the whole program.
int run(int argument_count, char** arguments);

// One for each noun.
void add_topic(CLI::App& app, Session& session);
void add_produce(CLI::App& app, Session& session);
void add_consume(CLI::App& app, Session& session);
void add_broker(CLI::App& app, Session& session);
void add_cluster(CLI::App& app, Session& session);
void add_log(CLI::App& app, Session& session);

}  // namespace ironbark::tools
