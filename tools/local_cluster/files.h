#pragma once
// Files of a local cluster: small ones, read and written whole.

#include <string>

#include "ironbark/expected.h"

namespace ironbark::tools::local_cluster {

// Empty if there is none, or it cannot be read.
std::string read_file(const std::string& path);
// What is in it from this position on.
std::string read_file_from(const std::string& path, size_t position);
// Replaces the file as one; others see the old or the new one.
Expected<void> write_file(const std::string& path, const std::string& text, unsigned mode = 0644);
// As errno says, with what was being done.
Failure system_failure(const std::string& what);

// Held by one program at a time, until it goes.
class DirectoryLock {
  public:
    // A failure if another one has it.
    static Expected<DirectoryLock> take(const std::string& directory);
    DirectoryLock(DirectoryLock&& other) noexcept;
    DirectoryLock& operator=(DirectoryLock&&) = delete;
    ~DirectoryLock();

  private:
    explicit DirectoryLock(int descriptor) : descriptor_(descriptor) {}
    int descriptor_;
};

}  // namespace ironbark::tools::local_cluster
