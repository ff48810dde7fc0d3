#include "broker/topic_settings.h"

#include <algorithm>
#include <fmt/format.h>

#include "broker/service/limits.h"
#include "runtime/base/text.h"

namespace ironbark::broker {
namespace {

using wire::AckLevel;

constexpr int64_t bytes_max = int64_t{1} << 50;
constexpr int64_t time_max = int64_t{3650} * 24 * 3600 * 1000;  // ten years

constexpr TopicSettingInfo table[] = {
    {"acks.default", SettingType::level, "isr_durable", 0, 0, "acknowledgement level of requests that name none"},
    {"min.acks", SettingType::level, "none", 0, 0, "floor under the level of every request"},
    {"max.message.bytes", SettingType::bytes, "1048588", 1024, static_cast<int64_t>(message_bytes_max),
     "largest record batch that is accepted, compressed if it is"},
    {"message.timestamp.after.max.ms", SettingType::milliseconds, "3600000", 0, time_max,
     "how far a record's timestamp may lie in the future"},
    {"retention.ms", SettingType::milliseconds, "604800000", -1, time_max,
     "records older than this, by the broker's clock, may be removed; -1: never"},
    {"retention.bytes", SettingType::bytes, "-1", -1, bytes_max,
     "allocated bytes per partition above which the oldest segments are removed; -1: no limit"},
    {"segment.bytes", SettingType::bytes, "134217728", static_cast<int64_t>(log::segment_bytes_min),
     static_cast<int64_t>(log::segment_bytes_max), "size of a segment file"},
    {"flush.interval.ms", SettingType::milliseconds, "1000", 1, 3'600'000,
     "longest time that an acknowledged record may be in memory only"},
    {"flush.bytes", SettingType::bytes, "16777216", 4096, static_cast<int64_t>(log::unsynced_bytes_max),
     "bytes after which a partition is synced even if nobody waits for it"},
};

const TopicSettingInfo* find_setting(std::string_view key) {
    for (const TopicSettingInfo& info : table) {
        if (key == info.key) return &info;
    }
    return nullptr;
}

constexpr AckLevel levels[] = {AckLevel::none, AckLevel::leader, AckLevel::leader_durable, AckLevel::isr,
                               AckLevel::isr_durable};

std::optional<AckLevel> parse_level(std::string_view text) {
    for (AckLevel level : levels) {
        if (text == wire::EnumNameAckLevel(level)) return level;
    }
    return std::nullopt;
}

Result<int64_t> parse_number(const TopicSettingInfo& info, std::string_view text) {
    TRY(int64_t number, info.type == SettingType::bytes ? parse_bytes(text) : parse_milliseconds(text));
    if (number < info.minimum || number > info.maximum) return Error(ErrorCode::invalid_config, "out of range");
    return number;
}

int64_t number_of(const std::map<std::string, std::string>& settings, const char* key) {
    const TopicSettingInfo* info = find_setting(key);
    ASSERT(info != nullptr);
    auto found = settings.find(key);
    Result<int64_t> number = parse_number(*info, found == settings.end() ? info->default_value : found->second);
    // A value that a newer version allowed and this one does not: the default is the safer reading.
    return number.ok() ? *number : *parse_number(*info, info->default_value);
}

AckLevel level_of(const std::map<std::string, std::string>& settings, const char* key) {
    auto found = settings.find(key);
    std::optional<AckLevel> level = found == settings.end() ? std::nullopt : parse_level(found->second);
    return level.value_or(*parse_level(find_setting(key)->default_value));
}

bool waits_for_replicas(AckLevel level) {
    return level == AckLevel::isr || level == AckLevel::isr_durable;
}

}  // namespace

std::span<const TopicSettingInfo> topic_setting_table() {
    return table;
}

const char* type_name(SettingType type) {
    switch (type) {
        case SettingType::bytes: return "bytes";
        case SettingType::milliseconds: return "duration";
        case SettingType::level: return "level";
    }
    return "";
}

std::string range_text(const TopicSettingInfo& info) {
    if (info.type == SettingType::level) return "none, leader, leader_durable, isr, isr_durable";
    return fmt::format("{} to {}", info.minimum, info.maximum);
}

Result<std::string> check_setting(const std::string& key, const std::string& value, std::string* problem) {
    const TopicSettingInfo* info = find_setting(key);
    if (info == nullptr) {
        std::vector<std::string_view> keys;
        for (const TopicSettingInfo& entry : table) keys.push_back(entry.key);
        std::string_view near = nearest(key, keys);
        *problem = fmt::format("no topic setting is called '{}'{}; `ironbark topic options` lists them", key,
                               near.empty() ? "" : fmt::format(", the nearest is '{}'", near));
        return ErrorCode::invalid_config;
    }
    if (info->type == SettingType::level) {
        if (parse_level(value)) return value;
    } else if (Result<int64_t> number = parse_number(*info, value); number.ok()) {
        return std::to_string(*number);
    }
    *problem =
        fmt::format("'{}' is no value for {}: it takes {} ({})", value, key, type_name(info->type), range_text(*info));
    return ErrorCode::invalid_config;
}

TopicSettings parse_settings(const std::map<std::string, std::string>& settings) {
    TopicSettings parsed;
    parsed.acks_default = level_of(settings, "acks.default");
    parsed.min_acks = level_of(settings, "min.acks");
    parsed.batch_bytes_max = number_of(settings, "max.message.bytes");
    parsed.timestamp_after_max_ms = number_of(settings, "message.timestamp.after.max.ms");
    parsed.log.retention_ms = number_of(settings, "retention.ms");
    parsed.log.retention_bytes = number_of(settings, "retention.bytes");
    parsed.log.segment_bytes = static_cast<uint64_t>(number_of(settings, "segment.bytes"));
    parsed.log.flush_interval = std::chrono::milliseconds(number_of(settings, "flush.interval.ms"));
    parsed.log.flush_bytes = static_cast<uint64_t>(number_of(settings, "flush.bytes"));
    return parsed;
}

AckLevel effective_level(AckLevel asked, const TopicSettings& settings) {
    AckLevel level = asked == AckLevel::topic_default ? settings.acks_default : asked;
    AckLevel floor = settings.min_acks;
    bool durable = is_durable(level) || is_durable(floor);
    bool replicated = waits_for_replicas(level) || waits_for_replicas(floor);
    if (replicated) return durable ? AckLevel::isr_durable : AckLevel::isr;
    if (durable) return AckLevel::leader_durable;
    return level == AckLevel::none && floor == AckLevel::none ? AckLevel::none : AckLevel::leader;
}

}  // namespace ironbark::broker
