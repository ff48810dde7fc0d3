#include "runtime/base/ids.h"

#include <charconv>

#include "runtime/base/bytes.h"
#include "runtime/base/checksum.h"

namespace ironbark {
namespace {

int hex_digit(char character) {
    if (character >= '0' && character <= '9') return character - '0';
    if (character >= 'a' && character <= 'f') return character - 'a' + 10;
    if (character >= 'A' && character <= 'F') return character - 'A' + 10;
    return -1;
}

constexpr size_t uuid_text_size = 36;
bool is_dash_place(size_t index) { return index == 8 || index == 13 || index == 18 || index == 23; }

}  // namespace

std::string Uuid::to_string() const {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(uuid_text_size);
    for (uint8_t byte : bytes) {
        if (is_dash_place(text.size())) text.push_back('-');
        text.push_back(digits[byte >> 4]);
        text.push_back(digits[byte & 15]);
    }
    return text;
}

std::optional<Uuid> Uuid::parse(std::string_view text) {
    if (text.size() != uuid_text_size) return std::nullopt;
    Uuid uuid;
    size_t digit_count = 0;
    for (size_t index = 0; index < text.size(); ++index) {
        if (is_dash_place(index)) {
            if (text[index] != '-') return std::nullopt;
            continue;
        }
        int digit = hex_digit(text[index]);
        if (digit < 0) return std::nullopt;
        uint8_t& byte = uuid.bytes[digit_count / 2];
        byte = static_cast<uint8_t>(byte << 4 | digit);
        ++digit_count;
    }
    return uuid;
}

Uuid Uuid::from_words(uint64_t high, uint64_t low) {
    Uuid uuid;
    store_be(uuid.bytes.data(), (high & ~uint64_t{0xf000}) | 0x4000);
    store_be(uuid.bytes.data() + 8, (low & ~(uint64_t{3} << 62)) | uint64_t{2} << 62);
    return uuid;
}

std::string PartitionIdentity::to_string() const {
    return topic.to_string() + "-" + std::to_string(partition.value);
}

std::optional<PartitionIdentity> PartitionIdentity::parse(std::string_view text) {
    if (text.size() < uuid_text_size + 2 || text[uuid_text_size] != '-') return std::nullopt;
    std::optional<Uuid> topic = Uuid::parse(text.substr(0, uuid_text_size));
    if (!topic) return std::nullopt;
    std::string_view digits = text.substr(uuid_text_size + 1);
    int32_t number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number < 0) return std::nullopt;
    return PartitionIdentity{*topic, PartitionIndex(number)};
}

uint64_t PartitionIdentity::seed() const {
    std::array<uint8_t, 20> key;
    std::copy(topic.bytes.begin(), topic.bytes.end(), key.begin());
    store_le(key.data() + 16, partition.value);
    return xxh3(as_bytes(key), 0);
}

}  // namespace ironbark
