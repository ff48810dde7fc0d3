#include "ironbark/settings.h"

#include <algorithm>
#include <cstdlib>
#include <type_traits>

#include "client/setting_table.h"
#include "runtime/base/text.h"
#include "runtime/io/world.h"

namespace ironbark {
namespace {

using client::Member;
using client::SettingRow;
using client::Word;
using std::chrono::milliseconds;

constexpr int idempotent_in_flight_max = 5;  // batches that a broker remembers of a producer

Failure refused(std::string hint) {
    return {ErrorCode::invalid_config, Outcome::not_written, std::move(hint)};
}

const SettingRow* find(std::string_view key) {
    for (const SettingRow& row : client::setting_rows()) {
        if (key == row.key || (!row.other_key.empty() && key == row.other_key)) return &row;
    }
    return nullptr;
}

Failure unknown_key(std::string_view key) {
    std::vector<std::string_view> keys;
    for (const SettingRow& row : client::setting_rows()) {
        keys.push_back(row.key);
        if (!row.other_key.empty()) keys.push_back(row.other_key);
    }
    std::string hint = "there is no setting '" + std::string(key) + "'";
    std::string_view near = nearest(key, keys);
    if (!near.empty()) hint += "; did you mean '" + std::string(near) + "'?";
    return refused(std::move(hint));
}

std::string join(std::span<const Word> words) {
    std::string joined;
    for (const Word& word : words) joined += (joined.empty() ? "" : ", ") + std::string(word.text);
    return joined;
}

std::string type_of(const Member& member) {
    if (!client::words_of(member).empty()) return join(client::words_of(member));
    static constexpr const char* names[] = {"text", "bool", "number", "bytes", "duration"};
    return names[member.index()];
}

std::string with_unit(const Member& member, int64_t number) {
    bool is_duration = std::holds_alternative<milliseconds Settings::*>(member);
    return std::to_string(number) + (is_duration ? "ms" : "");
}

std::string range_of(const SettingRow& row) {
    if (row.most == 0) return {};
    return with_unit(row.member, row.least) + " to " + with_unit(row.member, row.most);
}

Failure bad_value(const SettingRow& row, std::string_view value, const std::string& expected) {
    return refused("'" + std::string(value) + "' is no value for '" + std::string(row.key) + "': it takes " + expected);
}

Expected<int64_t> parse_number(const SettingRow& row, std::string_view value) {
    bool is_duration = std::holds_alternative<milliseconds Settings::*>(row.member);
    Result<int64_t> number = is_duration ? parse_milliseconds(value) : parse_bytes(value);
    if (!number.ok()) return bad_value(row, value, number.error().text);
    if (*number < row.least || *number > row.most) return bad_value(row, value, range_of(row));
    return *number;
}

// Puts a value that stands in `text` into a member; one overload for each kind of member.
struct Put {
    Settings& settings;
    const SettingRow& row;
    std::string_view text;

    Expected<void> operator()(std::string Settings::* member) const {
        settings.*member = text;
        return {};
    }
    Expected<void> operator()(bool Settings::* member) const {
        if (text != "true" && text != "false") return bad_value(row, text, "true or false");
        settings.*member = text == "true";
        return {};
    }
    template <typename Value>
        requires(!std::is_enum_v<Value>)
    Expected<void> operator()(Value Settings::* member) const {
        Expected<int64_t> number = parse_number(row, text);
        if (!number) return number.error();
        settings.*member = Value(*number);
        return {};
    }
    template <typename Value>
        requires std::is_enum_v<Value>
    Expected<void> operator()(Value Settings::* member) const {
        std::span<const Word> words = client::words_of(row.member);
        auto found = std::find_if(words.begin(), words.end(), [this](const Word& word) { return word.text == text; });
        if (found == words.end()) return bad_value(row, text, "one of " + join(words));
        settings.*member = static_cast<Value>(found->value);
        return {};
    }
};

struct Print {
    const Settings& settings;
    const SettingRow& row;

    std::string operator()(std::string Settings::* member) const { return settings.*member; }
    std::string operator()(bool Settings::* member) const { return settings.*member ? "true" : "false"; }
    std::string operator()(milliseconds Settings::* member) const {
        return std::to_string((settings.*member).count()) + "ms";
    }
    template <typename Value>
    std::string operator()(Value Settings::* member) const {
        if constexpr (std::is_enum_v<Value>) {
            for (const Word& word : client::words_of(row.member)) {
                if (word.value == static_cast<uint8_t>(settings.*member)) return std::string(word.text);
            }
            return {};
        } else {
            return std::to_string(settings.*member);
        }
    }
};

std::string print(const Settings& settings, const SettingRow& row) {
    return std::visit(Print{settings, row}, row.member);
}

Expected<void> check_together(const Settings& settings) {
    if (settings.batch_size > settings.max_request_size) {
        return refused("'batch.size' is larger than 'max.request.size': raise the latter");
    }
    if (settings.max_request_size > settings.buffer_memory) {
        return refused("'max.request.size' is larger than 'buffer.memory': raise the latter");
    }
    if (settings.enable_idempotence && settings.max_in_flight > idempotent_in_flight_max) {
        return refused(
            "'max.in.flight.requests.per.connection' is at most 5 with 'enable.idempotence': brokers remember "
            "five batches of a producer");
    }
    if (settings.linger > settings.delivery_timeout) {
        return refused("'linger.ms' is longer than 'delivery.timeout.ms': no record could be sent in time");
    }
    if (settings.compression == Compression::lz4 && settings.compression_level > 12) {
        return refused("'compression.level' of lz4 is at most 12");
    }
    return {};
}

Expected<void> check_addresses(const std::string& list) {
    std::string_view rest = list;
    do {
        size_t comma = rest.find(',');
        std::string_view address = rest.substr(0, comma);
        if (!Address::parse(address).ok()) {
            return refused("'" + std::string(address) +
                           "' in 'bootstrap.servers' is no address: write HOST:PORT, for "
                           "example 127.0.0.1:9400");
        }
        rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    } while (!rest.empty());
    return {};
}

}  // namespace

Settings::Settings() {
    const char* from_environment = std::getenv("IRONBARK_BOOTSTRAP");
    bool is_given = from_environment != nullptr && *from_environment != '\0';
    bootstrap_servers = is_given ? from_environment : "127.0.0.1:9400";
}

Expected<void> Settings::set(std::string_view key, std::string_view value) {
    const SettingRow* row = find(key);
    if (row == nullptr) return unknown_key(key);
    if (row->key == "bootstrap.servers") {
        if (Expected<void> checked = check_addresses(std::string(value)); !checked) return checked;
    }
    return std::visit(Put{*this, *row, value}, row->member);
}

Expected<std::string> Settings::get(std::string_view key) const {
    const SettingRow* row = find(key);
    if (row == nullptr) return unknown_key(key);
    return print(*this, *row);
}

Expected<void> Settings::check() const {
    Settings copy;
    for (const SettingRow& row : client::setting_rows()) {
        if (Expected<void> set = copy.set(row.key, print(*this, row)); !set) return set;
    }
    return check_together(*this);
}

std::vector<SettingInfo> Settings::all() {
    std::vector<SettingInfo> infos;
    const Settings defaults;
    for (const SettingRow& row : client::setting_rows()) {
        infos.push_back({std::string(row.key), type_of(row.member), print(defaults, row), range_of(row),
                         std::string(row.description)});
    }
    return infos;
}

}  // namespace ironbark
