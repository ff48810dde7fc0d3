#pragma once
// What can be set on a topic: one table of keys with type, default, range and meaning, and the values in a form that
// code uses. Names are Kafka's where Kafka has the setting.

#include <map>
#include <span>
#include <string>
#include <vector>

#include "log/log.h"
#include "runtime/base/result.h"
#include "wire/common_generated.h"

namespace ironbark::broker {

enum class SettingType : uint8_t { bytes, milliseconds, level };

struct TopicSettingInfo {
    const char* key;
    SettingType type;
    const char* default_value;
    int64_t minimum;  // of numbers; -1 stands for "no limit" where it is the minimum
    int64_t maximum;
    const char* description;
};

std::span<const TopicSettingInfo> topic_setting_table();
std::string range_text(const TopicSettingInfo& info);
const char* type_name(SettingType type);

struct TopicSettings {
    wire::AckLevel acks_default = wire::AckLevel::isr_durable;
    wire::AckLevel min_acks = wire::AckLevel::none;
    int64_t batch_bytes_max = 0;
    int64_t timestamp_after_max_ms = 0;
    log::LogSettings log;
};

// Checks and canonicalises one value ("1MiB" becomes "1048576"); `problem` names the key, the value, the range and, for
// an unknown key, the nearest known one.
Result<std::string> check_setting(const std::string& key, const std::string& value, std::string* problem);

// REQUIRES: every entry passed check_setting.
TopicSettings parse_settings(const std::map<std::string, std::string>& settings);

// The level that a request is served at: what it asks for, raised by the topic's floor. Durability and replication are
// raised separately: `isr` over a floor of `leader_durable` is `isr_durable`.
wire::AckLevel effective_level(wire::AckLevel asked, const TopicSettings& settings);

constexpr bool is_durable(wire::AckLevel level) {
    return level == wire::AckLevel::leader_durable || level == wire::AckLevel::isr_durable;
}
// Acknowledged by every member of the in-sync set.
constexpr bool is_replicated(wire::AckLevel level) {
    return level == wire::AckLevel::isr || level == wire::AckLevel::isr_durable;
}

}  // namespace ironbark::broker
