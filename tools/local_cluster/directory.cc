#include "tools/local_cluster/directory.h"

#include <array>
#include <filesystem>
#include <fmt/format.h>
#include <sys/random.h>

#include "tools/local_cluster/commands.h"
#include "tools/local_cluster/files.h"

namespace ironbark::tools::local_cluster {
namespace {

constexpr unsigned secret_mode = 0600;

Failure refusal(ErrorCode code, std::string hint) {
    return {code, Outcome::not_written, std::move(hint)};
}

Expected<std::string> new_secret() {
    std::array<unsigned char, 32> bytes{};
    if (getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size())) {
        return system_failure("cannot draw random bytes");
    }
    std::string text;
    for (unsigned char byte : bytes) text += fmt::format("{:02x}", byte);
    return text + "\n";
}

Expected<void> make_missing(const Layout& layout) {
    std::error_code error;
    if (layout.nodes > 1 && !std::filesystem::exists(layout.secret_file(), error)) {
        Expected<std::string> secret = new_secret();
        if (!secret) return secret.error();
        if (Expected<void> made = write_file(layout.secret_file(), *secret, secret_mode); !made) return made;
    }
    for (const NodePlace& place : places_of(layout)) {
        std::filesystem::create_directories(place.directory, error);
        if (std::filesystem::exists(place.config_file(), error)) continue;
        if (Expected<void> made = write_file(place.config_file(), config_text(layout, place)); !made) return made;
    }
    return {};
}

// The cluster that is there is started as it is.
Expected<void> compare(const Wish& wish, const Layout& layout) {
    const bool is_other =
        (wish.nodes != 0 && wish.nodes != layout.nodes) || (wish.port_base != 0 && wish.port_base != layout.port_base);
    if (!is_other) return {};
    return refusal(
        ErrorCode::invalid_request,
        fmt::format("the cluster in {} has {} nodes and begins at port {}; leave out --nodes and --port-base "
                    "to start it as it is, or name another directory",
                    layout.directory, layout.nodes, layout.port_base));
}

}  // namespace

std::string absolute(const std::string& directory) {
    std::string path = std::filesystem::absolute(directory).lexically_normal().string();
    while (path.size() > 1 && path.back() == '/') path.pop_back();
    return path;
}

Expected<Layout> open_cluster(const std::string& directory) {
    const Layout layout{directory};
    std::error_code error;
    if (std::filesystem::exists(layout.manifest_file(), error)) {
        return parse_manifest(read_file(layout.manifest_file()), directory);
    }
    return refusal(
        ErrorCode::not_found,
        fmt::format("no cluster was made in {}; 'ironbark cluster start --dir {}' makes one", directory, directory));
}

Expected<Layout> make_or_open(const Wish& wish) {
    std::error_code error;
    Layout layout = wish.layout();
    if (std::filesystem::exists(layout.manifest_file(), error)) {
        Expected<Layout> found = open_cluster(wish.directory);
        if (!found) return found.error();
        if (Expected<void> same = compare(wish, *found); !same) return same.error();
        layout = *found;
    } else if (!std::filesystem::is_empty(wish.directory, error) || error) {
        return refusal(
            ErrorCode::foreign_data,
            fmt::format("{} is not empty, and no cluster was made in it: name another directory", wish.directory));
    } else if (Expected<void> made = write_file(layout.manifest_file(), manifest_text(layout)); !made) {
        return made.error();
    }
    if (Expected<void> made = make_missing(layout); !made) return made.error();
    return layout;
}

}  // namespace ironbark::tools::local_cluster
