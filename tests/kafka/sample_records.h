#pragma once
// The records that are exchanged with librdkafka, in both directions: one of every kind that its API can express, and
// a large one, which makes compression worth while and which uncompressed batches of the fixture leave out.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace ironbark::kafka {

struct SampleRecord {
    int64_t timestamp = 0;
    std::optional<std::string> key{};
    std::optional<std::string> value{};
    std::vector<std::pair<std::string, std::optional<std::string>>> headers{};

    friend bool operator==(const SampleRecord&, const SampleRecord&) = default;
};

// Large enough for several blocks of LZ4's 64 KiB.
inline std::string repeated(std::string_view text, size_t times) {
    std::string whole;
    for (size_t index = 0; index < times; ++index) whole += text;
    return whole;
}

inline std::vector<SampleRecord> small_records() {
    constexpr int64_t time = 1'700'000'000'000;
    std::string binary("\x00\x01\x7f\x80\xff", 5);
    return {
        {.timestamp = time, .key = "key", .value = "value"},
        {.timestamp = time + 1, .value = "no key"},
        {.timestamp = time + 2, .key = "tombstone"},
        {.timestamp = time + 3},
        {.timestamp = time + 4, .key = "", .value = ""},
        {.timestamp = time - 100'000, .key = "earlier than the first", .value = binary},
        {.timestamp = time + 86'400'000,
         .key = "headers",
         .value = "a day later",
         .headers = {{"name", "text"}, {"name", binary}, {"empty", ""}, {"null", std::nullopt}, {"", "no name"}}},
    };
}

inline std::vector<SampleRecord> sample_records() {
    std::vector<SampleRecord> records = small_records();
    std::string text = repeated("Ironbark is a eucalypt. ", 6000);
    records.push_back({.timestamp = records.front().timestamp + 7, .key = "large", .value = text});
    return records;
}

}  // namespace ironbark::kafka
