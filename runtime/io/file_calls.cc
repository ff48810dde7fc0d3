#include "runtime/io/file_calls.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#include <algorithm>

namespace ironbark {

namespace {

int open_flags(OpenMode mode) {
    switch (mode) {
        case OpenMode::read: return O_RDONLY;
        case OpenMode::read_write: return O_RDWR;
        case OpenMode::create: return O_RDWR | O_CREAT | O_EXCL;
        case OpenMode::open_or_create: return O_RDWR | O_CREAT;
    }
    UNREACHABLE();
}

// Whether direct I/O would really bypass a cache. tmpfs grants the flag since Linux 6.6, but is nothing but cache.
bool has_direct_io(int fd) {
    struct statfs system;
    if (fstatfs(fd, &system) != 0 || system.f_type == TMPFS_MAGIC) return false;
#ifdef STATX_DIOALIGN
    struct statx status;
    if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &status) == 0 && (status.stx_mask & STATX_DIOALIGN) != 0) {
        return status.stx_dio_offset_align != 0 && status.stx_dio_offset_align <= io_alignment &&
               status.stx_dio_mem_align <= io_alignment;
    }
#endif
    return true;
}

// Set after opening: a file system that refuses the flag at open may have made the file all the same.
bool make_direct(int fd) {
    if (!has_direct_io(fd)) return false;
    int flags = fcntl(fd, F_GETFL);
    return flags != -1 && fcntl(fd, F_SETFL, flags | O_DIRECT) == 0;
}

Result<void> write_zeros(int fd, uint64_t position, uint64_t end) {
    constexpr size_t piece_size = size_t{1} << 20;
    BufferPool pool(0);
    BufferSlice zeros(pool.take(piece_size), 0, piece_size);
    std::memset(zeros.data(), 0, piece_size);
    while (position < end) {
        size_t size = std::min<uint64_t>(piece_size, end - position);
        ssize_t count = retry_interrupted([&] { return pwrite(fd, zeros.data(), size, static_cast<off_t>(position)); });
        if (count < 0) return write_error(errno);
        position += static_cast<uint64_t>(count);
    }
    return {};
}

}  // namespace

Error read_error(int number) {
    return system_error(number, "cannot read the file: look for disk errors in the kernel's messages (dmesg)");
}

Error write_error(int number) {
    return system_error(number, "cannot write the file: look at free space, and for disk errors in dmesg");
}

Error sync_error(int number) {
    return system_error(number, "a sync failed: what was written before may be lost; look for disk errors in dmesg");
}

Result<OpenedFile> open_file(const std::string& path, OpenMode mode, bool direct) {
    int fd = retry_interrupted([&] { return open(path.c_str(), open_flags(mode) | O_CLOEXEC, 0644); });
    if (fd < 0) return system_error(errno, "cannot open the file");
    OpenedFile file{Descriptor(fd), false};
    struct stat status;
    if (fstat(fd, &status) != 0) return system_error(errno, "cannot examine the file");
    if (!S_ISREG(status.st_mode)) return Error(ErrorCode::unsupported, "this is not a regular file");
    file.is_direct = direct && make_direct(fd);
    return file;
}

Result<size_t> read_file_once(int fd, uint64_t position, const BufferSlice& into) {
    ssize_t count =
        retry_interrupted([&] { return pread(fd, into.data(), into.size, static_cast<off_t>(position)); });
    if (count < 0) return read_error(errno);
    return static_cast<size_t>(count);
}

Result<size_t> write_file_once(int fd, uint64_t position, const std::vector<BufferSlice>& slices) {
    std::vector<iovec> vectors = io_vectors(slices);
    if (vectors.empty()) return size_t{0};
    ssize_t count = retry_interrupted([&] {
        return pwritev(fd, vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(position));
    });
    if (count < 0) return write_error(errno);
    return static_cast<size_t>(count);
}

Result<size_t> write_file_synced(OpenedFile& file, FileSync& sync, uint64_t position,
                                 const std::vector<BufferSlice>& slices) {
    TRY_VOID(sync.state());
    int fd = file.descriptor.get();
    std::vector<iovec> vectors = io_vectors(slices);
    if (file.is_direct && !vectors.empty()) {
        ssize_t count = retry_interrupted([&] {
            return pwritev2(fd, vectors.data(), static_cast<int>(vectors.size()), static_cast<off_t>(position),
                            RWF_DSYNC);
        });
        if (count >= 0) return static_cast<size_t>(count);
        // It does not tell a failed sync from a failed write.
        if (errno == EIO) return sync.note(EIO).error();
        if (errno != EOPNOTSUPP) return write_error(errno);
    }
    TRY(size_t count, write_file_once(fd, position, slices));
    if (count == total_size(slices)) TRY_VOID(sync.sync(fd));
    return count;
}

Result<void> allocate_file(int fd, uint64_t position, uint64_t length) {
    int result = retry_interrupted(
        [&] { return fallocate(fd, 0, static_cast<off_t>(position), static_cast<off_t>(length)); });
    if (result == 0) return {};
    if (errno != EOPNOTSUPP) return system_error(errno, "cannot reserve space for the file: free some on the disk");
    TRY(uint64_t size, file_size(fd));
    return write_zeros(fd, std::max(size, position), position + length);
}

Result<void> truncate_file(int fd, uint64_t size) {
    if (retry_interrupted([&] { return ftruncate(fd, static_cast<off_t>(size)); }) == 0) return {};
    return system_error(errno, "cannot change the size of the file");
}

Result<uint64_t> file_size(int fd) {
    struct stat status;
    if (fstat(fd, &status) != 0) return system_error(errno, "cannot examine the file");
    return static_cast<uint64_t>(status.st_size);
}

std::vector<iovec> io_vectors(const std::vector<BufferSlice>& slices, size_t first, size_t skip) {
    std::vector<iovec> vectors;
    vectors.reserve(std::min(slices.size() - first, io_vectors_max));
    for (size_t index = first; index < slices.size() && vectors.size() < io_vectors_max; ++index) {
        const BufferSlice& slice = slices[index];
        if (slice.size > skip) vectors.push_back({slice.data() + skip, slice.size - skip});
        skip = 0;
    }
    return vectors;
}

void check_alignment(bool is_direct, uint64_t position, const BufferSlice& slice) {
    if (!is_direct) return;
    ASSERT(position % io_alignment == 0);
    ASSERT(slice.begin % io_alignment == 0);
    ASSERT(slice.size % io_alignment == 0);
}

Result<void> FileSync::sync(int fd) {
    std::lock_guard lock(mutex_);
    if (failure_ == 0 && retry_interrupted([&] { return fdatasync(fd); }) != 0) failure_ = errno;
    if (failure_ != 0) return sync_error(failure_);
    return {};
}

Result<void> FileSync::note(int error_number) {
    std::lock_guard lock(mutex_);
    if (failure_ == 0) failure_ = error_number;
    if (failure_ != 0) return sync_error(failure_);
    return {};
}

}  // namespace ironbark
