#include "tools/record_format.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "tools/words.h"

namespace ironbark::tools {
namespace {

constexpr std::string_view verbs = "tpoTekKvVh";

using Json = nlohmann::ordered_json;

void append_number(int64_t number, std::string* out) { fmt::format_to(std::back_inserter(*out), "{}", number); }

void append_size(const std::optional<std::string_view>& bytes, std::string* out) {
    append_number(bytes ? static_cast<int64_t>(bytes->size()) : -1, out);
}

void append_headers(std::span<const Header> headers, std::string* out) {
    for (size_t index = 0; index < headers.size(); ++index) {
        if (index > 0) *out += ',';
        out->append(headers[index].key);
        *out += '=';
        out->append(headers[index].value.value_or(""));
    }
}

void append_verb(char verb, const ConsumerRecord& record, std::string* out) {
    switch (verb) {
        case 't': out->append(record.topic); break;
        case 'p': append_number(record.partition, out); break;
        case 'o': append_number(record.offset, out); break;
        case 'T': append_number(record.timestamp, out); break;
        case 'e': append_number(record.leader_epoch, out); break;
        case 'k': out->append(record.key.value_or("")); break;
        case 'K': append_size(record.key, out); break;
        case 'v': out->append(record.value.value_or("")); break;
        case 'V': append_size(record.value, out); break;
        default: append_headers(record.headers, out); break;
    }
}

// A string in quotes. What is plain, nearly everything, is copied; the rest is for the library.
void append_string(std::string_view text, std::string* out) {
    bool is_plain = std::all_of(text.begin(), text.end(), [](char character) {
        return character >= ' ' && character <= '~' && character != '"' && character != '\\';
    });
    if (!is_plain) {
        out->append(Json(text).dump());
        return;
    }
    *out += '"';
    out->append(text);
    *out += '"';
}

void append_bytes(std::string_view name, const std::optional<std::string_view>& bytes, std::string* out) {
    const bool is_text = !bytes || is_utf8(*bytes);
    fmt::format_to(std::back_inserter(*out), "\"{}{}\":", name, is_text ? "" : "_base64");
    if (!bytes) {
        out->append("null");
    } else if (is_text) {
        append_string(*bytes, out);
    } else {
        append_string(base64(*bytes), out);
    }
}

}  // namespace

Expected<RecordFormat> RecordFormat::parse(std::string_view text) {
    RecordFormat format;
    std::string raw;  // text since the last verb, its escapes not yet replaced
    auto end_text = [&]() -> Expected<void> {
        Expected<std::string> bytes = unescape(raw);
        if (!bytes) return bytes.error();
        if (!bytes->empty()) format.pieces_.push_back({'\0', *std::move(bytes)});
        raw.clear();
        return {};
    };
    for (size_t at = 0; at < text.size(); ++at) {
        if (text[at] != '%') {
            raw += text[at];
            continue;
        }
        char verb = ++at < text.size() ? text[at] : '\0';
        if (verb == '%') {
            raw += '%';
            continue;
        }
        if (verb == '\0' || verbs.find(verb) == std::string_view::npos) {
            return wrong_usage(fmt::format("--format '{}': behind % stands one of t p o T e k K v V h %, for example "
                                           "'%t/%p@%o %k: %v\\n'",
                                           text));
        }
        if (Expected<void> ended = end_text(); !ended) return ended.error();
        format.pieces_.push_back({verb});
    }
    if (Expected<void> ended = end_text(); !ended) return ended.error();
    return format;
}

void RecordFormat::append(const ConsumerRecord& record, std::string* out) const {
    for (const Piece& piece : pieces_) {
        if (piece.verb == '\0') {
            out->append(piece.text);
        } else {
            append_verb(piece.verb, record, out);
        }
    }
}

void append_json(const ConsumerRecord& record, std::string* out) {
    fmt::format_to(std::back_inserter(*out),
                   "{{\"topic\":\"{}\",\"partition\":{},\"offset\":{},\"timestamp\":{},\"leader_epoch\":{},",
                   record.topic, record.partition, record.offset, record.timestamp, record.leader_epoch);
    append_bytes("key", record.key, out);
    *out += ',';
    append_bytes("value", record.value, out);
    if (!record.headers.empty()) out->append(",\"headers\":[");
    for (size_t index = 0; index < record.headers.size(); ++index) {
        out->append(index > 0 ? ",{" : "{");
        append_bytes("key", record.headers[index].key, out);
        *out += ',';
        append_bytes("value", record.headers[index].value, out);
        *out += '}';
    }
    out->append(record.headers.empty() ? "}" : "]}");
}

Json to_json(const ConsumerRecord& record) {
    std::string text;
    append_json(record, &text);
    return Json::parse(text);
}

}  // namespace ironbark::tools
