#include "tools/local_cluster/layout.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "tools/words.h"

namespace ironbark::tools::local_cluster {
namespace {

using Json = nlohmann::ordered_json;

// A basic string of TOML. Bytes beyond ASCII stand for themselves.
std::string toml_text(const std::string& text) {
    std::string out = "\"";
    for (char letter : text) {
        const auto code = static_cast<unsigned char>(letter);
        if (letter == '"' || letter == '\\') {
            out += fmt::format("\\{}", letter);
        } else if (code < 0x20 || code == 0x7f) {
            out += fmt::format("\\u{:04x}", code);
        } else {
            out += letter;
        }
    }
    return out + "\"";
}

std::string voters_text(const Layout& layout) {
    std::string voters;
    for (const NodePlace& place : places_of(layout)) {
        voters += fmt::format("{}{}@{}", voters.empty() ? "" : ",", place.number, place.others);
    }
    return voters;
}

}  // namespace

NodePlace::NodePlace(const Layout& layout, int32_t its_number)
    : number(its_number), directory(fmt::format("{}/node-{}", layout.directory, its_number)) {
    const int32_t port = layout.port_base + ports_per_node * (number - 1);
    clients = fmt::format("127.0.0.1:{}", port);
    metrics = fmt::format("127.0.0.1:{}", port + 1);
    others = fmt::format("127.0.0.1:{}", port + 2);
}

std::vector<NodePlace> places_of(const Layout& layout) {
    std::vector<NodePlace> places;
    for (int32_t number = 1; number <= layout.nodes; ++number) places.emplace_back(layout, number);
    return places;
}

std::string Layout::bootstrap() const {
    std::string addresses;
    for (const NodePlace& place : places_of(*this)) addresses += (addresses.empty() ? "" : ",") + place.clients;
    return addresses;
}

Expected<void> check(const Layout& layout) {
    if (layout.nodes != 1 && layout.nodes != 3 && layout.nodes != 5) {
        return wrong_usage(fmt::format(
            "--nodes {}: it is 1, 3 or 5, because a majority of them decides: 3 go on without one, 5 without two",
            layout.nodes));
    }
    if (layout.port_base < port_base_min || layout.port_base > port_base_max) {
        return wrong_usage(
            fmt::format("--port-base {}: it is a port from {} to {}", layout.port_base, port_base_min, port_base_max));
    }
    return {};
}

std::string config_text(const Layout& layout, const NodePlace& place) {
    std::string text = fmt::format(
        "# Node {} of {} of a local cluster. Made once: what is changed here stays.\n"
        "# By hand:  ironbarkd --config ironbarkd.toml        every key:  ironbarkd --help\n\n"
        "broker.id = {}\n"
        "data.dir = {}\n"
        "listen = {}  # for clients\n"
        "metrics = {}  # /metrics and /healthz\n",
        place.number, layout.nodes, place.number, toml_text(place.data_directory()), toml_text(place.clients),
        toml_text(place.metrics));
    if (layout.nodes > 1) {
        text += fmt::format(
            "\n# All nodes are controllers, too: a majority of them appoints leaders and keeps the list of topics.\n"
            "# This node listens for the others at its own address in the list.\n"
            "controller.voters = {}\n"
            "cluster.secret_file = {}  # the nodes prove to each other that they know it\n",
            toml_text(voters_text(layout)), toml_text(layout.secret_file()));
    }
    text +=
        "\n# Small enough for several nodes on one machine; a server takes the defaults.\n"
        "shards = 1\n"
        "connections.max = 256\n"
        "reserve = \"64MiB\"\n"
        "memory.tail = \"16MiB\"\n"
        "memory.unwritten = \"32MiB\"\n"
        "memory.requests = \"64MiB\"\n";
    return text;
}

std::string manifest_text(const Layout& layout) {
    return Json{{"nodes", layout.nodes}, {"port_base", layout.port_base}}.dump(2) + "\n";
}

Expected<Layout> parse_manifest(const std::string& text, const std::string& directory) {
    const Json value = Json::parse(text, nullptr, false);
    const Failure wrong{
        ErrorCode::invalid_config, Outcome::not_written,
        fmt::format("{}/local-cluster.json is damaged: it does not say how many nodes there are", directory)};
    if (!value.is_object() || !value.contains("nodes") || !value.contains("port_base")) return wrong;
    if (!value["nodes"].is_number_integer() || !value["port_base"].is_number_integer()) return wrong;
    Layout layout{directory, value["nodes"].get<int32_t>(), value["port_base"].get<int32_t>()};
    if (!check(layout)) return wrong;
    return layout;
}

std::string ready_line(const std::string& said) {
    const size_t at = said.find(" ready: ");
    if (at == std::string::npos) return {};
    const size_t end = said.find('\n', at);
    return end == std::string::npos ? std::string() : said.substr(at + 1, end - at - 1);
}

std::string last_lines(const std::string& text, size_t count) {
    size_t at = text.size();
    while (at > 0 && text[at - 1] == '\n') --at;
    const size_t end = at;
    for (; at > 0; --at) {
        if (text[at - 1] == '\n' && --count == 0) break;
    }
    return text.substr(at, end - at);
}

}  // namespace ironbark::tools::local_cluster
