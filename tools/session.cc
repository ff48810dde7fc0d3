#include "tools/session.h"

#include <cstdio>
#include <fmt/format.h>
#include <nlohmann/json.hpp>
#include <unistd.h>

#include "runtime/base/text.h"
#include "tools/words.h"

namespace ironbark::tools {

using Json = nlohmann::ordered_json;

Session::Session() : output(STDOUT_FILENO) {}

Expected<Settings> Session::settings() const {
    Settings settings;
    settings.client_id = "ironbark";
    if (!bootstrap.empty()) {
        if (Expected<void> set = settings.set("bootstrap.servers", bootstrap); !set)
            return wrong_usage(set.error().hint);
    }
    return settings;
}

Expected<std::chrono::milliseconds> Session::patience() const {
    return parse_patience(timeout.empty() ? "15s" : timeout);
}

Expected<Admin> Session::admin() const {
    Expected<Settings> settings = this->settings();
    if (!settings) return settings.error();
    return Admin::create(*settings);
}

int Session::fail(const std::string& what, const Failure& failure) {
    std::string text = fmt::format("{}: {}", what, failure.hint.empty() ? name(failure.code) : failure.hint);
    text += fmt::format(" [{}{}]", name(failure.code), failure.outcome == Outcome::unknown ? ", outcome unknown" : "");
    say(text);
    if (json) {
        Json value = {{"error", to_json(failure)}};
        value["error"]["what"] = what;
        print_json(value);
    }
    return exit_refused;
}

int Session::usage(const Failure& failure) {
    say(failure.hint);
    return exit_usage;
}

void Session::say(const std::string& text) const {
    fmt::print(stderr, "ironbark: {}\n", text);
}

void Session::print_json(const Json& value) {
    // Names come from other machines: what is no text there must not stop the answer.
    output.write(value.dump(2, ' ', false, Json::error_handler_t::replace));
    output.write("\n");
}

bool Session::confirm(const std::string& what_it_does) {
    if (yes) return true;
    say(fmt::format("this would {}. Nothing was done; repeat the command with --yes to do it.", what_it_does));
    if (json) print_json(Json{{"done", false}, {"would", what_it_does}});
    return false;
}

Expected<std::chrono::milliseconds> parse_patience(const std::string& text) {
    Result<int64_t> milliseconds = parse_milliseconds(text);
    if (!milliseconds.ok() || *milliseconds <= 0) {
        return wrong_usage(fmt::format("--timeout '{}': it is a duration, for example 500ms, 5s or 2min", text));
    }
    return std::chrono::milliseconds(*milliseconds);
}

Json to_json(const Failure& failure) {
    return {{"code", name(failure.code)}, {"outcome", name(failure.outcome)}, {"hint", failure.hint}};
}

}  // namespace ironbark::tools
