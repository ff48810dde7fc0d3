#include "runtime/io/thread_disk.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "runtime/task/wait.h"

namespace ironbark {

namespace {

class FileLock final : public DirectoryLock {
  public:
    explicit FileLock(Descriptor descriptor) : descriptor_(std::move(descriptor)) {}

  private:
    Descriptor descriptor_;  // the lock goes with it
};

Result<void> outcome(int result, const char* text) {
    if (result != 0) return system_error(errno, text);
    return {};
}

Result<void> make_directory_call(const std::string& path) {
    if (mkdir(path.c_str(), 0755) == 0) return {};
    int number = errno;
    struct stat status;
    if (number == EEXIST && stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode)) return {};
    return system_error(number, "cannot make the directory");
}

Result<void> sync_directory_call(const std::string& path) {
    Descriptor directory(
        retry_interrupted([&] { return open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); }));
    if (!directory.is_open()) return system_error(errno, "cannot open the directory");
    if (retry_interrupted([&] { return fsync(directory.get()); }) != 0) return sync_error(errno);
    return {};
}

Result<std::vector<std::string>> list_call(const std::string& path) {
    std::unique_ptr<DIR, int (*)(DIR*)> directory(opendir(path.c_str()), closedir);
    if (directory == nullptr) return system_error(errno, "cannot open the directory");
    std::vector<std::string> names;
    errno = 0;
    while (dirent* entry = readdir(directory.get())) {
        std::string name = entry->d_name;
        if (name != "." && name != "..") names.push_back(std::move(name));
    }
    if (errno != 0) return read_error(errno);
    std::sort(names.begin(), names.end());
    return names;
}

Result<DiskSpace> space_call(const std::string& path) {
    struct statvfs status;
    if (retry_interrupted([&] { return statvfs(path.c_str(), &status); }) != 0) {
        return system_error(errno, "cannot ask for the free space");
    }
    return DiskSpace{uint64_t{status.f_blocks} * status.f_frsize, uint64_t{status.f_bavail} * status.f_frsize};
}

Result<Descriptor> lock_call(const std::string& path) {
    Descriptor file(retry_interrupted([&] { return open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644); }));
    if (!file.is_open()) return system_error(errno, "cannot open the lock file");
    if (retry_interrupted([&] { return flock(file.get(), LOCK_EX | LOCK_NB); }) == 0) return file;
    if (errno != EWOULDBLOCK) return system_error(errno, "cannot lock the lock file");
    return Error(ErrorCode::locked, "another process uses this directory: stop it, or choose another directory", errno);
}

}  // namespace

Task<Result<void>> ThreadFile::allocate(uint64_t position, uint64_t length) {
    auto call = [&] { return allocate_file(fd(), position, length); };
    co_return co_await run<void>(&threads_, std::move(call));
}

Task<Result<void>> ThreadFile::truncate(uint64_t size) {
    auto call = [&] { return truncate_file(fd(), size); };
    co_return co_await run<void>(&threads_, std::move(call));
}

Task<Result<uint64_t>> ThreadFile::size() {
    auto call = [&] { return file_size(fd()); };
    co_return co_await run<uint64_t>(&threads_, std::move(call));
}

Task<void> ThreadFile::close() {
    closing_ = true;
    co_await in_flight_.drained();
    if (!file_.descriptor.is_open()) co_return;
    // Closing the last descriptor of a removed file frees its blocks, which takes time.
    auto call = [descriptor = std::move(file_.descriptor)]() mutable {
        descriptor.close();
        return true;
    };
    co_await threads_.run(std::move(call));
}

Task<Result<void>> ThreadDisk::rename(std::string from, std::string to) {
    auto call = [&] { return outcome(::rename(from.c_str(), to.c_str()), "cannot rename the file"); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<void>> ThreadDisk::remove(std::string path) {
    auto call = [&] { return outcome(unlink(path.c_str()), "cannot remove the file"); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<void>> ThreadDisk::remove_directory(std::string path) {
    auto call = [&] { return outcome(rmdir(path.c_str()), "cannot remove the directory"); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<void>> ThreadDisk::make_directory(std::string path) {
    auto call = [&] { return make_directory_call(path); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<void>> ThreadDisk::sync_directory(std::string path) {
    auto call = [&] { return sync_directory_call(path); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<std::vector<std::string>>> ThreadDisk::list(std::string path) {
    auto call = [&] { return list_call(path); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<DiskSpace>> ThreadDisk::space(std::string path) {
    auto call = [&] { return space_call(path); };
    co_return co_await threads_.run(std::move(call));
}

Task<Result<std::unique_ptr<DirectoryLock>>> ThreadDisk::lock(std::string path) {
    constexpr Duration pause = std::chrono::milliseconds(20);
    Instant give_up = executor_.now() + lock_patience;
    while (true) {
        auto call = [&] { return lock_call(path); };
        Result<Descriptor> file = co_await threads_.run(std::move(call));
        if (file.ok()) co_return std::unique_ptr<DirectoryLock>(new FileLock(std::move(file).value()));
        if (file.error().code != ErrorCode::locked || executor_.now() >= give_up) co_return file.error();
        co_await sleep_for(executor_, pause);
    }
}

}  // namespace ironbark
