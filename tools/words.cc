#include "tools/words.h"

#include <charconv>
#include <chrono>
#include <fmt/format.h>

namespace ironbark::tools {
namespace {

int hexadecimal(char digit) {
    if (digit >= '0' && digit <= '9') return digit - '0';
    if (digit >= 'a' && digit <= 'f') return digit - 'a' + 10;
    if (digit >= 'A' && digit <= 'F') return digit - 'A' + 10;
    return -1;
}

// Takes things from the front of a text.
class Scanner {
  public:
    explicit Scanner(std::string_view text) : left_(text) {}

    bool at_end() const { return left_.empty(); }
    char peek() const { return left_.empty() ? '\0' : left_.front(); }
    bool take(char expected) {
        if (peek() != expected || left_.empty()) return false;
        left_.remove_prefix(1);
        return true;
    }
    // Exactly so many digits.
    bool number(size_t digits, int* value) {
        if (left_.size() < digits) return false;
        auto [end, error] = std::from_chars(left_.data(), left_.data() + digits, *value);
        if (error != std::errc{} || end != left_.data() + digits || left_.front() == '-') return false;
        left_.remove_prefix(digits);
        return true;
    }
    // One to nine digits behind a point, as milliseconds.
    bool fraction(int* milliseconds) {
        *milliseconds = 0;
        int scale = 100;
        size_t digits = 0;
        for (; peek() >= '0' && peek() <= '9' && digits < 9; ++digits, scale /= 10) {
            *milliseconds += (peek() - '0') * scale;
            left_.remove_prefix(1);
        }
        return digits > 0;
    }

  private:
    std::string_view left_;
};

struct ClockTime {
    int hour = 0;
    int minute = 0;
    int second = 0;
    int millisecond = 0;
    int zone_minutes = 0;

    bool is_possible() const { return hour < 24 && minute < 60 && second < 60; }
};

bool scan_zone(Scanner& scanner, int* minutes) {
    if (scanner.take('Z') || scanner.at_end()) return true;
    int sign = scanner.peek() == '-' ? -1 : 1;
    if (!scanner.take('+') && !scanner.take('-')) return false;
    int hour = 0;
    int minute = 0;
    if (!scanner.number(2, &hour)) return false;
    scanner.take(':');
    if (!scanner.at_end() && !scanner.number(2, &minute)) return false;
    *minutes = sign * (hour * 60 + minute);
    return hour < 24 && minute < 60;
}

bool scan_clock(Scanner& scanner, ClockTime* time) {
    if (!scanner.number(2, &time->hour) || !scanner.take(':') || !scanner.number(2, &time->minute)) return false;
    if (scanner.take(':') && !scanner.number(2, &time->second)) return false;
    if (scanner.take('.') && !scanner.fraction(&time->millisecond)) return false;
    return scan_zone(scanner, &time->zone_minutes) && time->is_possible();
}

}  // namespace

Failure wrong_usage(std::string hint) {
    return {ErrorCode::invalid_request, Outcome::not_written, std::move(hint)};
}

Expected<std::string> unescape(std::string_view text) {
    std::string bytes;
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '\\') {
            bytes += text[at];
            continue;
        }
        char kind = ++at < text.size() ? text[at] : '\0';
        int high = at + 2 < text.size() ? hexadecimal(text[at + 1]) : -1;
        int low = at + 2 < text.size() ? hexadecimal(text[at + 2]) : -1;
        switch (kind) {
            case 'n': bytes += '\n'; break;
            case 't': bytes += '\t'; break;
            case 'r': bytes += '\r'; break;
            case '0': bytes += '\0'; break;
            case '\\': bytes += '\\'; break;
            case 'x':
                if (high >= 0 && low >= 0) {
                    bytes += static_cast<char>(high * 16 + low);
                    at += 2;
                    break;
                }
                [[fallthrough]];
            default:
                return wrong_usage(fmt::format("'{}': a backslash starts one of \\n \\t \\r \\0 \\\\ \\xHH", text));
        }
    }
    return bytes;
}

Expected<int64_t> parse_time(std::string_view text) {
    int64_t milliseconds = 0;
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), milliseconds);
    if (error == std::errc{} && end == text.data() + text.size() && milliseconds >= 0) return milliseconds;
    const Failure malformed = wrong_usage(
        fmt::format("'{}' is no time: milliseconds since 1970, or for example 2024-05-06, 2024-05-06T07:08:09.123Z, "
                    "2024-05-06T07:08+02:00",
                    text));
    Scanner scanner(text);
    int year = 0, month = 0, day = 0;
    if (!scanner.number(4, &year) || !scanner.take('-') || !scanner.number(2, &month) || !scanner.take('-') ||
        !scanner.number(2, &day)) {
        return malformed;
    }
    std::chrono::year_month_day date{std::chrono::year(year), std::chrono::month(static_cast<unsigned>(month)),
                                     std::chrono::day(static_cast<unsigned>(day))};
    if (!date.ok()) return malformed;
    ClockTime time;
    bool has_clock = scanner.take('T') || scanner.take(' ');
    if ((has_clock && !scan_clock(scanner, &time)) || !scanner.at_end()) return malformed;
    auto at = std::chrono::sys_days(date) + std::chrono::hours(time.hour) +
              std::chrono::minutes(time.minute - time.zone_minutes) + std::chrono::seconds(time.second) +
              std::chrono::milliseconds(time.millisecond);
    return int64_t{at.time_since_epoch().count()};
}

std::string time_text(int64_t milliseconds) {
    if (milliseconds < 0) return "-";
    constexpr int64_t day_milliseconds = 24 * 3600 * 1000;
    if (milliseconds > 9999LL * 366 * day_milliseconds)
        return std::to_string(milliseconds) + " ms";  // no date any more
    std::chrono::year_month_day date{std::chrono::sys_days(std::chrono::days(milliseconds / day_milliseconds))};
    int64_t rest = milliseconds % day_milliseconds;
    return fmt::format("{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                       static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), rest / 3'600'000,
                       rest / 60'000 % 60, rest / 1000 % 60, rest % 1000);
}

std::string bytes_text(uint64_t bytes) {
    static constexpr const char* units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
    if (bytes < 1024) return fmt::format("{} B", bytes);
    auto number = static_cast<double>(bytes);
    size_t unit = 0;
    for (; number >= 1023.95 && unit + 1 < std::size(units); ++unit) number /= 1024;
    return fmt::format("{:.1f} {}", number, units[unit]);
}

std::string duration_text(int64_t milliseconds) {
    if (milliseconds < 1000) return fmt::format("{} ms", milliseconds);
    if (milliseconds < 60'000) return fmt::format("{:.1f} s", static_cast<double>(milliseconds) / 1000);
    int64_t minutes = milliseconds / 60'000;
    if (minutes < 60) return fmt::format("{} min {} s", minutes, milliseconds / 1000 % 60);
    int64_t hours = minutes / 60;
    if (hours < 48) return fmt::format("{} h {} min", hours, minutes % 60);
    return fmt::format("{} d {} h", hours / 24, hours % 24);
}

std::string count_text(uint64_t count, const char* one) {
    std::string word = one;
    if (count != 1 && word.ends_with("ch")) word += "e";
    if (count != 1 && word.ends_with("ry")) word.replace(word.size() - 1, 1, "ie");
    return fmt::format("{} {}{}", count, word, count == 1 ? "" : "s");
}

bool is_utf8(std::string_view bytes) {
    for (size_t at = 0; at < bytes.size();) {
        const auto first = static_cast<unsigned char>(bytes[at]);
        size_t size = first < 0x80 ? 1 : first < 0xc2 ? 0 : first < 0xe0 ? 2 : first < 0xf0 ? 3 : first < 0xf5 ? 4 : 0;
        if (size == 0 || at + size > bytes.size()) return false;
        for (size_t index = 1; index < size; ++index) {
            if ((static_cast<unsigned char>(bytes[at + index]) & 0xc0) != 0x80) return false;
        }
        const unsigned char second = size > 1 ? static_cast<unsigned char>(bytes[at + 1]) : 0;
        bool is_overlong = (first == 0xe0 && second < 0xa0) || (first == 0xf0 && second < 0x90);
        bool is_no_character = (first == 0xed && second >= 0xa0) || (first == 0xf4 && second >= 0x90);
        if (is_overlong || is_no_character) return false;
        at += size;
    }
    return true;
}

std::string base64(std::string_view bytes) {
    static constexpr char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    text.reserve((bytes.size() + 2) / 3 * 4);
    for (size_t at = 0; at < bytes.size(); at += 3) {
        uint32_t group = 0;
        for (size_t index = 0; index < 3; ++index) {
            uint32_t byte = at + index < bytes.size() ? static_cast<unsigned char>(bytes[at + index]) : 0;
            group = group << 8 | byte;
        }
        size_t left = bytes.size() - at;
        text += digits[group >> 18];
        text += digits[group >> 12 & 63];
        text += left > 1 ? digits[group >> 6 & 63] : '=';
        text += left > 2 ? digits[group & 63] : '=';
    }
    return text;
}

}  // namespace ironbark::tools
