#pragma once
// What producers, consumers and administrators can be told, under Kafka's names. Fill in the members, or set them by
// name: both do the same, and the same Settings serve all three; each reads what concerns it.
//
//     Settings settings;
//     settings.linger = 20ms;
//     Expected<void> set = settings.set("linger.ms", "20ms");
//
// Durations are written "1500" (ms), "500ms", "5s", "10min", "1h"; sizes "1048576", "64KiB", "1MiB". Values are checked
// by `set`, and all of them again by whoever is made from the settings.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ironbark/expected.h"
#include "ironbark/types.h"

namespace ironbark {

enum class Compression : uint8_t { none, lz4, zstd };
enum class Partitioner : uint8_t {
    murmur2,      // by the key, where Kafka's clients put it; without a key, to one partition per batch
    sticky,       // to one partition per batch, whatever the key
    round_robin,  // each record to the next partition
};
// Where to go on when the position does not exist in the log.
enum class OffsetReset : uint8_t { none, earliest, latest };

struct SettingInfo {
    std::string key;
    std::string type;  // "duration", "bytes", "text", "bool", "number", or the words to choose from
    std::string default_value;
    std::string range;
    std::string description;
};

struct Settings {
    Settings();

    // ---- everybody ----
    std::string bootstrap_servers;  // IRONBARK_BOOTSTRAP, else 127.0.0.1:9400
    std::string client_id = "ironbark-client";
    std::chrono::milliseconds request_timeout{30'000};
    std::chrono::milliseconds retry_backoff{100};
    std::chrono::milliseconds retry_backoff_max{1'000};
    std::chrono::milliseconds metadata_max_age{300'000};
    int spin_us = 0;

    // ---- producers ----
    Acks acks = Acks::topic;
    bool enable_idempotence = true;
    std::chrono::milliseconds linger{5};
    size_t batch_size = size_t{128} << 10;
    size_t buffer_memory = size_t{64} << 20;
    std::chrono::milliseconds max_block{60'000};
    size_t max_request_size = size_t{1} << 20;
    std::chrono::milliseconds delivery_timeout{120'000};
    int max_in_flight = 5;
    Compression compression = Compression::none;
    int compression_level = 0;  // 0: the codec's own choice
    Partitioner partitioner = Partitioner::murmur2;

    // ---- consumers ----
    size_t fetch_min_bytes = 1;
    std::chrono::milliseconds fetch_max_wait{500};
    size_t fetch_max_bytes = size_t{50} << 20;
    size_t max_partition_fetch_bytes = size_t{1} << 20;
    size_t max_poll_records = 500;
    OffsetReset offset_reset = OffsetReset::none;
    bool check_crcs = true;
    Visibility visibility = Visibility::topic;

    // Sets one member by Kafka's name for it. An unknown key is refused with the nearest known one, a bad value with
    // what is possible; then nothing has changed.
    Expected<void> set(std::string_view key, std::string_view value);
    // As `set` would take it.
    Expected<std::string> get(std::string_view key) const;
    // Whether all values are within their ranges and go together.
    Expected<void> check() const;

    // Every key, in the order above.
    static std::vector<SettingInfo> all();
};

}  // namespace ironbark
