#pragma once
// What a record of the simulator consists of, made from its number and size alone: so that whoever reads it back can
// say which one it is, and whether a byte of it has changed.

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ironbark/consumer.h"

namespace ironbark::simulation {

struct Content {
    std::optional<std::string> key;
    std::optional<std::string> value;
    std::vector<std::pair<std::string, std::optional<std::string>>> headers;

    friend bool operator==(const Content&, const Content&) = default;
    std::string to_string() const;  // for people: shortened
};

Content content_of(uint64_t number, size_t size);
Content content_of(const ConsumerRecord& record);
// Which record it says that it is: read from its value, or its key if it has no value.
std::optional<uint64_t> number_in(const Content& content);

}  // namespace ironbark::simulation
