#pragma once
// Ids are types, so that an offset cannot be passed where an epoch is meant. `Id` has no arithmetic beyond order;
// `Offset` counts records and has what counting needs.

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

namespace ironbark {

template <typename Tag, typename Number>
struct Id {
    Number value = 0;

    constexpr Id() = default;
    constexpr explicit Id(Number number) : value(number) {}
    friend constexpr auto operator<=>(const Id&, const Id&) = default;
};

using PartitionIndex = Id<struct PartitionIndexTag, int32_t>;  // position of a partition in its topic, from 0
using BrokerId = Id<struct BrokerIdTag, int32_t>;
using Epoch = Id<struct EpochTag, int32_t>;              // leader epoch; -1: not stamped
using Incarnation = Id<struct IncarnationTag, int64_t>;  // one start of a broker
using ProducerId = Id<struct ProducerIdTag, int64_t>;    // -1: not idempotent
using ProducerEpoch = Id<struct ProducerEpochTag, int16_t>;

// The number of a record in its partition, from 0, dense, never reused. Not a position in a file.
struct Offset {
    int64_t value = 0;

    constexpr Offset() = default;
    constexpr explicit Offset(int64_t number) : value(number) {}
    friend constexpr auto operator<=>(const Offset&, const Offset&) = default;
    friend constexpr Offset operator+(Offset offset, int64_t count) { return Offset(offset.value + count); }
    friend constexpr Offset operator-(Offset offset, int64_t count) { return Offset(offset.value - count); }
    friend constexpr int64_t operator-(Offset left, Offset right) { return left.value - right.value; }
};

// Milliseconds since 1970 by some machine's wall clock. Never used for safety.
struct Timestamp {
    int64_t milliseconds = 0;

    constexpr Timestamp() = default;
    constexpr explicit Timestamp(int64_t count) : milliseconds(count) {}
    friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

// 128 random bits that name a topic, a data directory or a cluster for ever. Zero is "none".
struct Uuid {
    std::array<uint8_t, 16> bytes{};

    bool is_zero() const { return *this == Uuid{}; }
    std::string to_string() const;  // 8-4-4-4-12 lower-case hexadecimal
    static std::optional<Uuid> parse(std::string_view text);
    static Uuid from_words(uint64_t high, uint64_t low);  // as a version 4 UUID
    friend auto operator<=>(const Uuid&, const Uuid&) = default;
};

// What a log belongs to. Its bytes seed every frame checksum, so that a frame of another partition is refused.
struct PartitionIdentity {
    Uuid topic;
    PartitionIndex partition;

    std::string to_string() const;  // TOPIC-UUID-PARTITION: the name of the partition's directory
    static std::optional<PartitionIdentity> parse(std::string_view text);
    uint64_t seed() const;  // XXH3-64 of the 16 bytes of the topic and the partition, little-endian
    friend auto operator<=>(const PartitionIdentity&, const PartitionIdentity&) = default;
};

}  // namespace ironbark

template <typename Tag, typename Number>
struct std::hash<ironbark::Id<Tag, Number>> {
    size_t operator()(const ironbark::Id<Tag, Number>& id) const noexcept {
        return std::hash<Number>{}(id.value);
    }
};
