#include "tools/start_place.h"

#include <fmt/format.h>

#include <charconv>

#include "tools/words.h"

namespace ironbark::tools {

Expected<Start> parse_start(std::string_view text) {
    if (text == "start") return Start::beginning();
    if (text == "end") return Start::end();
    if (text.starts_with('@')) {
        Expected<int64_t> time = parse_time(text.substr(1));
        if (!time) return time.error();
        return Start::timestamp(*time);
    }
    std::string_view digits = text.starts_with('-') ? text.substr(1) : text;
    int64_t number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size() || number < 0) {
        return wrong_usage(fmt::format("--offset '{}': it is start, end, an offset, -N for the last N records, or @TIME "
                                       "(ms since 1970, or like 2024-05-06T07:08:09Z)",
                                       text));
    }
    return text.starts_with('-') ? Start::before_end(number) : Start::offset(number);
}

}  // namespace ironbark::tools
