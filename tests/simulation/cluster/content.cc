#include "tests/simulation/cluster/content.h"

#include <algorithm>
#include <charconv>

#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {
namespace {

constexpr size_t shown_max = 60;

// Runs of one letter.
std::string compressible(RandomStream& random, size_t size) {
    std::string text;
    text.reserve(size);
    while (text.size() < size) {
        char letter = static_cast<char>('a' + random.below(26));
        text.append(std::min<size_t>(random.between(1, 80), size - text.size()), letter);
    }
    return text;
}

// No two pieces alike. Sixteen letters of each draw: with a draw for each, they were a quarter of a run's time.
std::string incompressible(RandomStream& random, size_t size) {
    constexpr size_t letters_per_draw = 16;
    std::string text(size + letters_per_draw, ' ');
    for (size_t position = 0; position < size; position += letters_per_draw) {
        const uint64_t bits = random.next();
        for (size_t letter = 0; letter < letters_per_draw; ++letter) {
            text[position + letter] = static_cast<char>('a' + (bits >> (4 * letter) & 15));
        }
    }
    text.resize(size);
    return text;
}

std::string filler(RandomStream& random, size_t size) {
    return random.chance(one_in(2)) ? compressible(random, size) : incompressible(random, size);
}

std::string shown(const std::optional<std::string>& text) {
    if (!text) return "none";
    bool is_long = text->size() > shown_max;
    return "'" + text->substr(0, shown_max) + (is_long ? "...' (" + std::to_string(text->size()) + " bytes)" : "'");
}

std::optional<std::string> copy_of(const std::optional<std::string_view>& text) {
    if (!text) return std::nullopt;
    return std::string(*text);
}

}  // namespace

std::string Content::to_string() const {
    return "key " + shown(key) + ", value " + shown(value) + ", " + std::to_string(headers.size()) + " headers";
}

Content content_of(uint64_t number, size_t size) {
    RandomStream random(number, "content");
    std::string name = "r" + std::to_string(number);
    Content content;
    bool is_tombstone = random.chance(one_in(20));
    if (is_tombstone || random.chance(one_in(2))) content.key = name + " key " + std::to_string(random.below(50));
    if (!is_tombstone) content.value = name + " " + filler(random, size);
    uint64_t headers = random.chance(one_in(8)) ? random.between(1, 3) : 0;
    for (uint64_t index = 0; index < headers; ++index) {
        std::optional<std::string> value;
        if (random.chance(one_in(2))) value = filler(random, random.below(20));
        content.headers.emplace_back("h" + std::to_string(index), std::move(value));
    }
    return content;
}

Content content_of(const ConsumerRecord& record) {
    Content content{copy_of(record.key), copy_of(record.value), {}};
    for (const Header& header : record.headers) content.headers.emplace_back(header.key, copy_of(header.value));
    return content;
}

std::optional<uint64_t> number_in(const Content& content) {
    const std::optional<std::string>& text = content.value ? content.value : content.key;
    if (!text || text->empty() || text->front() != 'r') return std::nullopt;
    uint64_t number = 0;
    auto parsed = std::from_chars(text->data() + 1, text->data() + text->size(), number);
    if (parsed.ec != std::errc() || parsed.ptr == text->data() + text->size() || *parsed.ptr != ' ')
        return std::nullopt;
    return number;
}

}  // namespace ironbark::simulation
