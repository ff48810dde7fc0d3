#include "runtime/base/text.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <numeric>

namespace ironbark {
namespace {

struct Unit {
    std::string_view name;
    double factor;
};

constexpr Unit byte_units[] = {{"", 1},
                               {"B", 1},
                               {"KiB", 1024.0},
                               {"MiB", 1024.0 * 1024},
                               {"GiB", 1024.0 * 1024 * 1024},
                               {"TiB", 1024.0 * 1024 * 1024 * 1024},
                               {"KB", 1e3},
                               {"MB", 1e6},
                               {"GB", 1e9},
                               {"TB", 1e12}};
constexpr Unit duration_units[] = {{"", 1e6},   {"ns", 1},      {"us", 1e3},    {"ms", 1e6},    {"s", 1e9},
                                   {"m", 60e9}, {"min", 60e9}, {"h", 3600e9}, {"d", 86400e9}};
constexpr Unit time_units[] = {{"", 1},       {"ms", 1},        {"s", 1e3},      {"m", 60e3},
                               {"min", 60e3}, {"h", 3600e3},    {"d", 86400e3}};

Result<int64_t> parse_with_unit(std::string_view text, std::span<const Unit> units, const char* expected) {
    double number = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
    if (error != std::errc{}) return Error(ErrorCode::invalid_config, expected);
    std::string_view rest(end, static_cast<size_t>(text.data() + text.size() - end));
    while (!rest.empty() && rest.front() == ' ') rest.remove_prefix(1);
    for (const Unit& unit : units) {
        if (unit.name != rest) continue;
        double value = number * unit.factor;
        if (!(std::abs(value) < 9e18)) break;
        return static_cast<int64_t>(std::llround(value));
    }
    return Error(ErrorCode::invalid_config, expected);
}

size_t edit_distance(std::string_view left, std::string_view right) {
    std::vector<size_t> row(right.size() + 1);
    std::iota(row.begin(), row.end(), size_t{0});
    for (size_t index = 1; index <= left.size(); ++index) {
        size_t diagonal = row[0]++;
        for (size_t at = 1; at <= right.size(); ++at) {
            size_t replaced = diagonal + (left[index - 1] == right[at - 1] ? 0 : 1);
            diagonal = row[at];
            row[at] = std::min({row[at] + 1, row[at - 1] + 1, replaced});
        }
    }
    return row.back();
}

}  // namespace

Result<int64_t> parse_bytes(std::string_view text) {
    return parse_with_unit(text, byte_units, "a number of bytes, for example 1048576, 64KiB or 1GiB");
}

Result<int64_t> parse_milliseconds(std::string_view text) {
    return parse_with_unit(text, time_units, "a duration, for example 1500 (ms), 500ms, 5s, 10min, 2h or 7d");
}

Result<Duration> parse_duration(std::string_view text) {
    TRY(int64_t count, parse_with_unit(text, duration_units, "a duration, for example 50us, 1500 (ms), 5s or 10min"));
    return Duration(count);
}

std::string_view nearest(std::string_view word, std::span<const std::string_view> candidates) {
    std::string_view best;
    size_t best_distance = std::max<size_t>(3, word.size() / 2) + 1;
    for (std::string_view candidate : candidates) {
        size_t distance = edit_distance(word, candidate);
        if (distance < best_distance) {
            best = candidate;
            best_distance = distance;
        }
    }
    return best;
}

}  // namespace ironbark
