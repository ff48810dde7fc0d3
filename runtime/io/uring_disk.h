#pragma once
// Files that are read and written through the ring, and synced as the settings say.

#include "runtime/io/thread_disk.h"
#include "runtime/io/uring_executor.h"

namespace ironbark {

class UringFile final : public ThreadFile {
  public:
    UringFile(UringExecutor& executor, IoThreads& threads, IoThreads& flush_threads, OpenedFile file,
              SyncForm sync_form)
        : ThreadFile(executor, threads, std::move(file)),
          executor_(executor),
          flush_threads_(flush_threads),
          sync_form_(sync_form),
          buffered_sync_(executor) {}

    Task<Result<size_t>> read(uint64_t position, BufferSlice into) override;
    Task<Result<size_t>> write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) override;
    Task<Result<void>> sync() override;

  private:
    // What the kernel answered: counts, or negative errnos.
    struct Answers {
        int32_t write = 0;
        int32_t sync = 0;
    };
    Task<Answers> write_plain(uint64_t position, const std::vector<iovec>* vectors, int flags);
    Task<Answers> write_linked(uint64_t position, const std::vector<iovec>* vectors);
    Task<Answers> write_then_sync(uint64_t position, const std::vector<iovec>* vectors, size_t size);
    Task<Answers> write_synced(uint64_t position, const std::vector<iovec>* vectors, size_t size);
    Task<int32_t> sync_data();
    Result<size_t> judge(Answers answers, size_t wanted, bool is_synced);
    Task<std::optional<Units>> take_sync_turn();

    UringExecutor& executor_;
    IoThreads& flush_threads_;
    SyncForm sync_form_;
    // A failed write-back of cached pages is reported to one of the syncs that overlap it: they take turns, so that it
    // is the one that must not succeed. Direct writes report their own failures and need no turns.
    Mutex buffered_sync_;
};

class UringDisk final : public ThreadDisk {
  public:
    UringDisk(UringExecutor& executor, IoThreads& threads, IoThreads& flush_threads, SyncForm sync_form)
        : ThreadDisk(executor, threads), executor_(executor), flush_threads_(flush_threads), sync_form_(sync_form) {}
    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode, bool direct) override;

  private:
    UringExecutor& executor_;
    IoThreads& flush_threads_;
    SyncForm sync_form_;
};

}  // namespace ironbark
