#pragma once
// What both real worlds run on I/O threads: the operations on names and directories, and those on a file that are rare
// and block inside the kernel whichever way one asks. Reading, writing and syncing are each world's own.

#include <utility>

#include "runtime/io/file_calls.h"
#include "runtime/io/in_flight.h"
#include "runtime/io/io_threads.h"
#include "runtime/io/world.h"

namespace ironbark {

// How long `lock` waits for a predecessor that is just being killed to release the directory.
constexpr Duration lock_patience = std::chrono::seconds(1);

class ThreadFile : public File {
  public:
    ThreadFile(Executor& executor, IoThreads& threads, OpenedFile file)
        : threads_(threads), file_(std::move(file)), in_flight_(executor) {}
    ~ThreadFile() override { ASSERT(in_flight_.count() == 0); }

    bool is_direct() const override { return file_.is_direct; }
    Task<Result<void>> allocate(uint64_t position, uint64_t length) override;
    Task<Result<void>> truncate(uint64_t size) override;
    Task<Result<uint64_t>> size() override;
    Task<void> close() override;

  protected:
    static Error closed_error() { return {ErrorCode::closed, "the file was closed"}; }
    // Runs `call` on one of `threads`, unless the file is closed.
    template <typename Value, typename Call>
    Task<Result<Value>> run(IoThreads* threads, Call call) {
        if (closing_) co_return closed_error();
        InFlight::Mark mark(in_flight_);
        co_return co_await threads->run(std::move(call));
    }
    int fd() const { return file_.descriptor.get(); }

    IoThreads& threads_;
    OpenedFile file_;
    bool closing_ = false;
    InFlight in_flight_;
    FileSync sync_;
};

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
