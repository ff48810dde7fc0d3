#pragma once
// Files whose operations block an I/O thread each: pread, pwritev, fdatasync.

#include <memory>

#include "runtime/io/in_flight.h"
#include "runtime/io/thread_disk.h"

namespace ironbark {

class PosixFile final : public File {
  public:
    PosixFile(Executor& executor, IoThreads& threads, OpenedFile file);
    ~PosixFile() override;

    bool is_direct() const override { return is_direct_; }
    Task<Result<size_t>> read(uint64_t position, BufferSlice into) override;
    Task<Result<size_t>> write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) override;
    Task<Result<void>> sync() override;
    Task<Result<void>> allocate(uint64_t position, uint64_t length) override;
    Task<Result<void>> truncate(uint64_t size) override;
    Task<Result<uint64_t>> size() override;
    Task<void> close() override;

  private:
    // Runs `call` on an I/O thread, unless the file is closed.
    template <typename Value, typename Call>
    Task<Result<Value>> run(Call call);
    Result<size_t> write_and_sync(uint64_t position, const std::vector<BufferSlice>& slices, Sync sync);

    IoThreads& threads_;
    Descriptor descriptor_;
    bool is_direct_;
    bool closing_ = false;
    InFlight in_flight_;
    FileSync sync_;
};

class PosixDisk final : public ThreadDisk {
  public:
    using ThreadDisk::ThreadDisk;
    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode, bool direct) override;
};

}  // namespace ironbark
