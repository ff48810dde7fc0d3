#include "broker/command_line.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <fmt/format.h>

#include "broker/broker.h"
#include "runtime/base/text.h"

namespace ironbark::broker {
namespace {

constexpr std::string_view config_variable = "IRONBARK_CONFIG=";

Answer mistake(const std::string& what) {
    return {exit_usage, fmt::format("ironbarkd: {}\nironbarkd --help lists the options.\n", what)};
}

// The first word that is no flag of ours.
std::string unknown_flag(const CLI::App& app) {
    std::string word = app.remaining().front();
    std::string_view bare = std::string_view(word).substr(0, word.find('='));
    if (!bare.starts_with("-")) return fmt::format("'{}' is not understood: the daemon takes options only", word);
    std::vector<std::string> flags{"--config", "--check-config", "--version", "--help"};
    for (const ConfigKey& key : config_keys()) flags.push_back(flag_of(key));
    std::vector<std::string_view> candidates(flags.begin(), flags.end());
    std::string_view near = nearest(bare, candidates);
    return fmt::format("unknown option {}{}", bare, near.empty() ? "" : fmt::format("; the nearest is {}", near));
}

}  // namespace

std::optional<Answer> parse_command_line(int argc, const char* const* argv, CommandLine& line) {
    CLI::App app{
        "The Ironbark daemon. Without any configuration it is a complete single node: records under "
        "./ironbark-data, clients on 127.0.0.1:9400, metrics on 127.0.0.1:9401.",
        "ironbarkd"};
    app.set_version_flag("--version", "ironbarkd " + version_text());
    app.add_option("--config", line.config_file,
                   "TOML file with the keys below (dots instead of dashes); IRONBARK_CONFIG");
    app.add_flag("--check-config", line.check_config, "read and check the configuration, print it, and stop");
    std::map<std::string, std::string> flags;
    for (const ConfigKey& key : config_keys()) {
        app.add_option(flag_of(key), flags[key.name], fmt::format("{} [{}]", key.help, key.default_value));
    }
    app.footer(
        "Every key is also an environment variable: data.dir is IRONBARK_DATA_DIR. A flag wins over the\n"
        "environment, and the environment over the file.");
    app.allow_extras();  // to name the nearest flag ourselves
    try {
        app.parse(argc, argv);
    } catch (const CLI::CallForHelp&) {
        return Answer{0, app.help()};
    } catch (const CLI::CallForVersion& version) {
        return Answer{0, std::string(version.what()) + "\n"};
    } catch (const CLI::ParseError& error) {
        return mistake(error.what());
    }
    if (!app.remaining().empty()) return mistake(unknown_flag(app));
    for (const ConfigKey& key : config_keys()) {
        if (app.count(flag_of(key)) > 0) line.values[key.name] = flags[key.name];
    }
    return std::nullopt;
}

Result<ConfigValues> gather_config(const CommandLine& line, const char* const* environment, std::string* problem) {
    std::string file = line.config_file;
    for (const char* const* entry = environment; file.empty() && *entry != nullptr; ++entry) {
        std::string_view text(*entry);
        if (text.starts_with(config_variable)) file = text.substr(config_variable.size());
    }
    ConfigValues values;
    if (!file.empty()) {
        TRY(values, read_config_file(file, problem));
    }
    TRY(ConfigValues variables, read_config_environment(environment, problem));
    for (const auto& [key, value] : variables) values[key] = value;
    for (const auto& [key, value] : line.values) values[key] = value;
    return values;
}

std::string config_text(const ConfigValues& values) {
    std::string text;
    for (const ConfigKey& key : config_keys()) {
        auto found = values.find(key.name);
        std::string value = found == values.end() ? key.default_value : found->second;
        for (size_t at = 0; (at = value.find_first_of("\\\"", at)) != std::string::npos; at += 2)
            value.insert(at, "\\");
        text += fmt::format("\"{}\" = \"{}\"\n", key.name, value);
    }
    return text;
}

}  // namespace ironbark::broker
