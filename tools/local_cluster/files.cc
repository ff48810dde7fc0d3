#include "tools/local_cluster/files.h"

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fcntl.h>
#include <fmt/format.h>
#include <fstream>
#include <iterator>
#include <sys/file.h>
#include <unistd.h>
#include <utility>

namespace ironbark::tools::local_cluster {

std::string read_file(const std::string& path) {
    return read_file_from(path, 0);
}

std::string read_file_from(const std::string& path, size_t position) {
    std::ifstream file(path, std::ios::binary);
    file.seekg(static_cast<std::streamoff>(position));
    return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

Failure system_failure(const std::string& what) {
    return {ErrorCode::io_error, Outcome::not_written, fmt::format("{}: {}", what, std::strerror(errno))};
}

Expected<void> write_file(const std::string& path, const std::string& text, unsigned mode) {
    const std::string temporary = path + ".new";
    (void)std::remove(temporary.c_str());
    const int file = open(temporary.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, static_cast<mode_t>(mode));
    if (file < 0) return system_failure("cannot make " + temporary);
    const ssize_t written = write(file, text.data(), text.size());
    const bool is_complete = written == static_cast<ssize_t>(text.size());
    if (close(file) != 0 || !is_complete || std::rename(temporary.c_str(), path.c_str()) != 0) {
        return system_failure("cannot write " + path);
    }
    return {};
}

Expected<DirectoryLock> DirectoryLock::take(const std::string& directory) {
    const int descriptor = open(directory.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor < 0) return system_failure("cannot open " + directory);
    if (flock(descriptor, LOCK_EX | LOCK_NB) != 0) {
        close(descriptor);
        return Failure{
            ErrorCode::locked, Outcome::not_written,
            fmt::format("another `ironbark cluster` command works in {} now: wait until it is done", directory)};
    }
    return DirectoryLock(descriptor);
}

DirectoryLock::DirectoryLock(DirectoryLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

DirectoryLock::~DirectoryLock() {
    if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace ironbark::tools::local_cluster
