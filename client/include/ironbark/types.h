#pragma once
// Words that producers, consumers and administrators share.

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace ironbark {

// What an acknowledgement means (docs/DURABILITY.md says what each survives).
enum class Acks : uint8_t {
    topic = 0,           // `acks.default` of the topic
    none = 1,            // nobody answers
    leader = 2,          // in the leader's memory
    leader_durable = 3,  // synced to the leader's disk
    isr = 4,             // in the memory of every in-sync replica
    isr_durable = 5,     // synced to disk by every in-sync replica
};
const char* name(Acks acks);

// Up to which watermark a reader is served.
enum class Visibility : uint8_t {
    topic = 0,       // durable, or replicated where the topic's `acks.default` is a memory level
    durable = 1,     // what every in-sync replica has on disk
    replicated = 2,  // what every in-sync replica has; a power cut may undo such a read, a gap then says so
};
const char* name(Visibility visibility);

struct TopicPartition {
    std::string topic;
    int32_t partition = 0;

    friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

// A key with a value, attached to a record. Borrows its bytes.
struct Header {
    std::string_view key;
    std::optional<std::string_view> value;
};

}  // namespace ironbark
