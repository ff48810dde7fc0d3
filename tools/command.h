#pragma once
// The command line: how nouns and verbs are declared, so that each has help with an example, --json and, if it talks to
// brokers, --bootstrap and --timeout.
//
// `Command` and `Option` are the door to CLI11: handles of what the parser owns. Only command.cc looks behind it,
// because each file that includes CLI11 compiles for 6 to 10 s more.

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "tools/session.h"

namespace CLI {
class App;
class Option;
}  // namespace CLI

namespace ironbark::tools {

// An option, or an argument without a name.
class Option {
  public:
    explicit Option(CLI::Option* option) : option_(option) {}

    Option& required();
    // What the help shows in place of the value.
    Option& type_name(const char* name);
    // Refuses what is no whole number from `least` on, up to `most`; the message says so.
    Option& number_from(int64_t least, int64_t most = INT32_MAX);
    // For lists: each value has the option's name before it.
    Option& one_value_each();
    // For lists: the values are one word.
    Option& separated_by(char mark);

  private:
    CLI::Option* option_;
};

// A noun or a verb. What options are bound to is written while the line is parsed, before the command's action runs.
class Command {
  public:
    explicit Command(CLI::App* app) : app_(app) {}
    CLI::App& app() { return *app_; }

    Option add_option(const char* name, std::string& value, const char* description);
    Option add_option(const char* name, int32_t& value, const char* description);
    Option add_option(const char* name, uint64_t& value, const char* description);
    Option add_option(const char* name, std::vector<std::string>& values, const char* description);
    Option add_option(const char* name, std::vector<int32_t>& values, const char* description);
    void add_flag(const char* name, bool& value, const char* description);

  private:
    CLI::App* app_;
};

struct CommandText {
    const char* name;
    const char* description;
    const char* example;
};

// A noun: it has verbs.
Command add_noun(Command app, const char* name, const char* description);
// A command that reads files of this machine.
Command add_offline_command(Command parent, Session& session, const CommandText& text, std::function<int()> action);
// A command that asks brokers.
Command add_command(Command parent, Session& session, const CommandText& text, std::function<int()> action);
void add_yes(Command command, Session& session);
// --set key=value, as often as one likes.
void add_set(Command command, std::vector<std::string>& values, const char* description);

// "key=value" each; wrong usage if one is not, or a key comes twice.
Expected<std::map<std::string, std::string>> parse_assignments(const std::vector<std::string>& texts);
// Sets them all, or says which is wrong.
Expected<void> apply_assignments(Settings& settings, const std::vector<std::string>& texts);

// Runs the whole program.
int run(int argument_count, char** arguments);

// One for each noun.
void add_topic(Command app, Session& session);
void add_produce(Command app, Session& session);
void add_consume(Command app, Session& session);
void add_broker(Command app, Session& session);
void add_cluster(Command app, Session& session);
void add_leader(Command app, Session& session);
void add_replica(Command app, Session& session);
void add_controller(Command app, Session& session);
void add_log(Command app, Session& session);

}  // namespace ironbark::tools
