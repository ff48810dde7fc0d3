#pragma once
// The one table of settings: key, member, range, description. `Settings::set`, `get`, `check` and `all` walk it, and so
// does whoever prints a manual.

#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "ironbark/settings.h"

namespace ironbark::client {

using Member = std::variant<std::string Settings::*,
                            bool Settings::*,
                            int Settings::*,
                            size_t Settings::*,
                            std::chrono::milliseconds Settings::*,
                            Acks Settings::*,
                            Compression Settings::*,
                            Partitioner Settings::*,
                            OffsetReset Settings::*,
                            Visibility Settings::*>;

struct SettingRow {
    std::string_view key;        // Kafka's name (Java)
    std::string_view other_key;  // what librdkafka calls it, if that is something else
    Member member;
    int64_t least = 0;  // of numbers: bytes, milliseconds
    int64_t most = 0;
    std::string_view description;
};

std::span<const SettingRow> setting_rows();

// The words that a member of an enumeration is set by; the first of equal values is how it is printed.
struct Word {
    std::string_view text;
    uint8_t value;
};
std::span<const Word> words_of(const Member& member);  // empty for other members

}  // namespace ironbark::client
