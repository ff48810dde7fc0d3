#pragma once
// The blocking system calls on files, as plain functions: what the I/O threads of both real worlds run. Each repeats
// calls that a signal interrupted, and turns an errno into an Error that says what to do.

#include <sys/uio.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <vector>

#include "runtime/io/descriptor.h"
#include "runtime/io/world.h"

namespace ironbark {

struct OpenedFile {
    Descriptor descriptor;
    bool is_direct = false;
};

// Syncs of one file, from any thread, one at a time. The kernel reports a failed write-back once, and may have dropped
// the bytes: whoever asks later, or asked meanwhile, would be told that all is well. So the first failure stays.
class FileSync {
  public:
    Result<void> sync(int fd);
    // For who syncs without `sync`: notes the outcome of one (0, or an errno), and returns what the caller is told.
    Result<void> note(int error_number);
    Result<void> state() { return note(0); }

  private:
    std::mutex mutex_;
    int failure_ = 0;  // under mutex_: errno of the first failed sync
};

// `direct` is a wish: it is granted if the file system has direct I/O with blocks of at most `io_alignment`.
Result<OpenedFile> open_file(const std::string& path, OpenMode mode, bool direct);
// May read less than asked for.
Result<size_t> read_file_once(int fd, uint64_t position, const BufferSlice& into);
// May write less than asked for.
Result<size_t> write_file_once(int fd, uint64_t position, const std::vector<BufferSlice>& slices);
// The same, and what it says was written is on the disk. May write less, and then nothing is known of the disk.
Result<size_t> write_file_synced(OpenedFile& file, FileSync& sync, uint64_t position,
                                 const std::vector<BufferSlice>& slices);
// Where the file system cannot reserve blocks, writes zeros beyond the end instead.
Result<void> allocate_file(int fd, uint64_t position, uint64_t length);
Result<void> truncate_file(int fd, uint64_t size);
Result<uint64_t> file_size(int fd);

Error read_error(int number);
Error write_error(int number);
Error sync_error(int number);

// What an operation may take at once: IOV_MAX of the kernel.
constexpr size_t io_vectors_max = 1024;
// The longest piece of memory in one operation: its length travels in 32 bits, its result in 31.
constexpr size_t io_size_max = size_t{1} << 30;
// The memory of at most `io_vectors_max` slices, from byte `skip` of slice `first` on, without empty ones.
std::vector<iovec> io_vectors(const std::vector<BufferSlice>& slices, size_t first = 0, size_t skip = 0);
// Asserts the contract of direct I/O.
void check_alignment(bool is_direct, uint64_t position, const BufferSlice& slice);

}  // namespace ironbark
