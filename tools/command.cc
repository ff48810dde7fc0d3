#include "tools/command.h"

#include <CLI/CLI.hpp>
#include <charconv>
#include <cstring>
#include <fmt/format.h>
#include <signal.h>

#include "runtime/base/text.h"
#include "tools/words.h"

namespace ironbark::tools {
namespace {

// The command that the line got as far as.
CLI::App* deepest(CLI::App* app) {
    while (!app->get_subcommands().empty()) app = app->get_subcommands().back();
    return app;
}

std::string path_of(const CLI::App* app) {
    return app->get_parent() == nullptr ? app->get_name() : path_of(app->get_parent()) + " " + app->get_name();
}

std::vector<std::string> option_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::Option* option : app.get_options()) {
        for (const std::string& name : option->get_lnames()) names.push_back("--" + name);
    }
    return names;
}

std::vector<std::string> command_names(const CLI::App& app) {
    std::vector<std::string> names;
    for (const CLI::App* command : app.get_subcommands([](const CLI::App*) { return true; })) {
        names.push_back(command->get_name());
    }
    return names;
}

std::string unknown_word(const CLI::App& app, const std::string& word) {
    bool is_option = word.starts_with('-');
    std::string bare = word.substr(0, word.find('='));
    std::vector<std::string> known = is_option ? option_names(app) : command_names(app);
    std::vector<std::string_view> candidates(known.begin(), known.end());
    std::string_view near = nearest(bare, candidates);
    const char* kind = is_option ? "option" : known.empty() ? "argument" : "command";
    std::string text = fmt::format("{} has no {} '{}'", path_of(&app), kind, bare);
    if (!near.empty()) text += fmt::format("; the nearest is '{}'", near);
    return text;
}

std::string usage_problem(CLI::App& app, const CLI::ParseError& error) {
    CLI::App* command = deepest(&app);
    std::vector<std::string> unknown = app.remaining(true);
    for (const std::string& word : unknown) {
        if (word.starts_with('-') && word != "-") return unknown_word(*command, word);
    }
    if (!unknown.empty()) return unknown_word(*command, unknown.front());
    std::vector<std::string> verbs = command_names(*command);
    if (!verbs.empty()) return fmt::format("{} needs a command: {}", path_of(command), fmt::join(verbs, ", "));
    return fmt::format("{}: {}", path_of(command), error.what());
}

void declare(CLI::App& app, Session& session) {
    app.require_subcommand(1);
    app.set_version_flag("--version", "ironbark " IRONBARK_VERSION);
    Command root(&app);
    add_topic(root, session);
    add_produce(root, session);
    add_consume(root, session);
    add_broker(root, session);
    add_cluster(root, session);
    add_leader(root, session);
    add_replica(root, session);
    add_controller(root, session);
    add_log(root, session);
    app.footer(
        "Brokers are looked for at --bootstrap HOST:PORT[,HOST:PORT], else IRONBARK_BOOTSTRAP, else\n"
        "127.0.0.1:9400. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.\n"
        "Example:\n  ironbark topic create orders --partitions 3\n  seq 100 | ironbark produce orders\n"
        "  ironbark consume orders --offset start --exit-at-end");
}

}  // namespace

Option& Option::required() {
    option_->required();
    return *this;
}

Option& Option::type_name(const char* name) {
    option_->type_name(name);
    return *this;
}

Option& Option::number_from(int64_t least, int64_t most) {
    auto check = [least, most](const std::string& text) -> std::string {
        int64_t number = 0;
        auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
        bool is_good = error == std::errc{} && end == text.data() + text.size() && number >= least && number <= most;
        return is_good ? std::string() : fmt::format("'{}' is no number from {} to {}", text, least, most);
    };
    option_->check(CLI::Validator(check, "", "number"));
    return *this;
}

Option& Option::one_value_each() {
    option_->allow_extra_args(false);
    return *this;
}

Option& Option::separated_by(char mark) {
    option_->delimiter(mark)->allow_extra_args(false);
    return *this;
}

Option Command::add_option(const char* name, std::string& value, const char* description) {
    return Option(app_->add_option(name, value, description));
}

Option Command::add_option(const char* name, int32_t& value, const char* description) {
    return Option(app_->add_option(name, value, description));
}

Option Command::add_option(const char* name, uint64_t& value, const char* description) {
    return Option(app_->add_option(name, value, description));
}

Option Command::add_option(const char* name, std::vector<std::string>& values, const char* description) {
    return Option(app_->add_option(name, values, description));
}

Option Command::add_option(const char* name, std::vector<int32_t>& values, const char* description) {
    return Option(app_->add_option(name, values, description));
}

void Command::add_flag(const char* name, bool& value, const char* description) {
    app_->add_flag(name, value, description);
}

Command add_noun(Command app, const char* name, const char* description) {
    CLI::App* noun = app.app().add_subcommand(name, description);
    noun->require_subcommand(1);
    return Command(noun);
}

Command add_offline_command(Command parent, Session& session, const CommandText& text, std::function<int()> action) {
    CLI::App* command = parent.app().add_subcommand(text.name, text.description);
    command->footer(fmt::format("Example:\n  {}", text.example));
    command->add_flag("--json", session.json, "print one JSON value and nothing else");
    command->callback([&session, action = std::move(action)] { session.action = action; });
    return Command(command);
}

Command add_command(Command parent, Session& session, const CommandText& text, std::function<int()> action) {
    Command command = add_offline_command(parent, session, text, std::move(action));
    command
        .add_option("--bootstrap", session.bootstrap, "brokers to ask first [IRONBARK_BOOTSTRAP, else 127.0.0.1:9400]")
        .type_name("HOST:PORT[,HOST:PORT]");
    command.add_option("--timeout", session.timeout, "how long to wait for an answer [15s]").type_name("DURATION");
    return command;
}

void add_yes(Command command, Session& session) {
    command.add_flag("--yes", session.yes, "do it; without this, only say what would be done");
}

void add_set(Command command, std::vector<std::string>& values, const char* description) {
    command.add_option("--set", values, description).type_name("KEY=VALUE").one_value_each();
}

Expected<std::map<std::string, std::string>> parse_assignments(const std::vector<std::string>& texts) {
    std::map<std::string, std::string> values;
    for (const std::string& text : texts) {
        size_t equals = text.find('=');
        if (equals == std::string::npos || equals == 0) {
            return wrong_usage(fmt::format("--set '{}': it is KEY=VALUE, for example retention.ms=7d", text));
        }
        bool is_new = values.emplace(text.substr(0, equals), text.substr(equals + 1)).second;
        if (!is_new) return wrong_usage(fmt::format("--set {}: the key comes twice", text.substr(0, equals)));
    }
    return values;
}

Expected<void> apply_assignments(Settings& settings, const std::vector<std::string>& texts) {
    Expected<std::map<std::string, std::string>> values = parse_assignments(texts);
    if (!values) return values.error();
    for (const auto& [key, value] : *values) {
        if (Expected<void> set = settings.set(key, value); !set) return wrong_usage(set.error().hint);
    }
    return {};
}

int run(int argument_count, char** arguments) {
    // A pipe that nobody reads any more is an error of the write, and ends the command quietly.
    signal(SIGPIPE, SIG_IGN);
    CLI::App app("The Ironbark command-line tool", "ironbark");
    Session session;
    declare(app, session);
    try {
        app.parse(argument_count, arguments);
    } catch (const CLI::Success& asked) {  // help, version
        return app.exit(asked);
    } catch (const CLI::ParseError& error) {
        session.say(usage_problem(app, error));
        session.say(fmt::format("see {} --help", path_of(deepest(&app))));
        return exit_usage;
    }
    int code = session.action();
    session.output.flush();
    if (session.output.failure() != 0) {
        session.say(fmt::format("cannot write to standard output: {}", std::strerror(session.output.failure())));
        return exit_refused;
    }
    return code;
}

}  // namespace ironbark::tools
