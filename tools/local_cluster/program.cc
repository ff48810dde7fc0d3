#include "tools/local_cluster/program.h"

#include <cstdlib>
#include <filesystem>
#include <fmt/format.h>
#include <unistd.h>
#include <vector>

namespace ironbark::tools::local_cluster {
namespace {

constexpr const char* daemon_name = "ironbarkd";

bool can_run(const std::filesystem::path& path) {
    std::error_code error;
    return std::filesystem::is_regular_file(path, error) && access(path.c_str(), X_OK) == 0;
}

std::string path_variable() {
    const char* path = std::getenv("PATH");
    return path == nullptr ? "" : path;
}

// Where a build or an installation has it.
std::vector<std::filesystem::path> beside_this_program() {
    std::error_code error;
    const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
    if (error) return {};
    return {self.parent_path() / daemon_name, (self.parent_path() / ".." / "broker" / daemon_name).lexically_normal()};
}

std::vector<std::filesystem::path> in_path() {
    std::vector<std::filesystem::path> paths;
    std::istringstream directories(path_variable());
    for (std::string directory; std::getline(directories, directory, ':');) {
        if (!directory.empty()) paths.push_back(std::filesystem::path(directory) / daemon_name);
    }
    return paths;
}

}  // namespace

Expected<std::string> find_daemon(const std::string& given) {
    if (!given.empty()) {
        if (can_run(given)) return std::filesystem::absolute(given).lexically_normal().string();
        return Failure{ErrorCode::not_found, Outcome::not_written,
                       fmt::format("--program '{}' is no program that can be run", given)};
    }
    const std::vector<std::filesystem::path> beside = beside_this_program();
    std::vector<std::filesystem::path> candidates = beside;
    for (std::filesystem::path& path : in_path()) candidates.push_back(std::move(path));
    for (const std::filesystem::path& path : candidates) {
        if (can_run(path)) return std::filesystem::absolute(path).lexically_normal().string();
    }
    std::string looked;
    for (const std::filesystem::path& path : beside) looked += path.string() + ", ";
    return Failure{ErrorCode::not_found, Outcome::not_written,
                   fmt::format("there is no {}; looked at {}and in PATH ({}). --program PATH names it", daemon_name,
                               looked, path_variable())};
}

}  // namespace ironbark::tools::local_cluster
