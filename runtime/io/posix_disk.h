#pragma once
// Files whose operations block an I/O thread each: pread, pwritev, pwritev2 with RWF_DSYNC.

#include "runtime/io/thread_disk.h"

namespace ironbark {

class PosixFile final : public ThreadFile {
  public:
    using ThreadFile::ThreadFile;
    Task<Result<size_t>> read(uint64_t position, BufferSlice into) override;
    Task<Result<size_t>> write(uint64_t position, std::vector<BufferSlice> slices, Sync sync) override;
    Task<Result<void>> sync() override;
};

class PosixDisk final : public ThreadDisk {
  public:
    using ThreadDisk::ThreadDisk;
    Task<Result<std::unique_ptr<File>>> open(std::string path, OpenMode mode, bool direct) override;
};

}  // namespace ironbark
