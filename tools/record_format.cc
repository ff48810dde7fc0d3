#include "tools/record_format.h"

#include <fmt/format.h>

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

void put_bytes(Json& object, const char* name, const std::optional<std::string_view>& bytes) {
    if (!bytes) {
        object[name] = nullptr;
    } else if (is_utf8(*bytes)) {
        object[name] = *bytes;
    } else {
        object[fmt::format("{}_base64", name)] = base64(*bytes);
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

Json to_json(const ConsumerRecord& record) {
    Json object = {{"topic", record.topic},
                   {"partition", record.partition},
                   {"offset", record.offset},
                   {"timestamp", record.timestamp},
                   {"leader_epoch", record.leader_epoch}};
    put_bytes(object, "key", record.key);
    put_bytes(object, "value", record.value);
    if (record.headers.empty()) return object;
    Json headers = Json::array();
    for (const Header& header : record.headers) {
        Json entry = Json::object();
        put_bytes(entry, "key", header.key);
        put_bytes(entry, "value", header.value);
        headers.push_back(std::move(entry));
    }
    object["headers"] = std::move(headers);
    return object;
}

}  // namespace ironbark::tools
