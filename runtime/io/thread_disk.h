#pragma once
// The operations on names and directories, which both real worlds run on I/O threads: they are rare, and most of them
// block inside the kernel whichever way one asks. What differs is the File, which a derived class opens.

#include "runtime/io/file_calls.h"
#include "runtime/io/io_threads.h"
#include "runtime/io/world.h"

namespace ironbark {

// How long `lock` waits for a predecessor that is just being killed to release the directory.
constexpr Duration lock_patience = std::chrono::seconds(1);

class ThreadDisk : public Disk {
  public:
    ThreadDisk(Executor& executor, IoThreads& threads) : executor_(executor), threads_(threads) {}

    Task<Result<void>> rename(std::string from, std::string to) override;
    Task<Result<void>> remove(std::string path) override;
    Task<Result<void>> remove_directory(std::string path) override;
    Task<Result<void>> make_directory(std::string path) override;
    Task<Result<void>> sync_directory(std::string path) override;
    Task<Result<std::vector<std::string>>> list(std::string path) override;
    Task<Result<DiskSpace>> space(std::string path) override;
    Task<Result<std::unique_ptr<DirectoryLock>>> lock(std::string path) override;

  protected:
    Executor& executor_;
    IoThreads& threads_;
};

}  // namespace ironbark
