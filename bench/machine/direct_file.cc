#include "bench/machine/direct_file.h"

#include <fcntl.h>
#include <sys/uio.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

void require_whole(ssize_t done, std::uint64_t size, const char* what) {
    check(done, what);
    if (static_cast<std::uint64_t>(done) != size) fail(what, EIO);
}

}  // namespace

void write_synced(int descriptor, const void* data, std::uint64_t size, std::uint64_t position) {
    const iovec piece{const_cast<void*>(data), size};
    require_whole(::pwritev2(descriptor, &piece, 1, static_cast<off_t>(position), RWF_DSYNC),
                  size,
                  "pwritev2");
}

DirectFile::DirectFile(std::string path, std::uint64_t size, Blocks blocks)
    : path_(std::move(path)),
      size_(size),
      descriptor_(static_cast<int>(
          check(::open(path_.c_str(), O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600),
                path_.c_str()))) {
    if (blocks == Blocks::allocated) allocate(0, size);
    if (blocks == Blocks::written) write_everything();
    sync();
}

DirectFile::~DirectFile() {
    ::close(descriptor_);
    ::unlink(path_.c_str());
}

void DirectFile::allocate(std::uint64_t position, std::uint64_t size) {
    check(::fallocate(descriptor_, 0, static_cast<off_t>(position), static_cast<off_t>(size)),
          "fallocate");
}

void DirectFile::write_everything() {
    allocate(0, size_);
    const AlignedBuffer piece(std::min<std::uint64_t>(size_, 4 << 20));
    for (std::uint64_t position = 0; position < size_; position += piece.size()) {
        write(piece.data(), std::min<std::uint64_t>(piece.size(), size_ - position), position);
    }
}

void DirectFile::write(const void* data, std::uint64_t size, std::uint64_t position) const {
    require_whole(::pwrite(descriptor_, data, size, static_cast<off_t>(position)), size, "pwrite");
}

void DirectFile::write_synced(const void* data, std::uint64_t size, std::uint64_t position) const {
    bench::write_synced(descriptor_, data, size, position);
}

void DirectFile::read(void* data, std::uint64_t size, std::uint64_t position) const {
    require_whole(::pread(descriptor_, data, size, static_cast<off_t>(position)), size, "pread");
}

void DirectFile::sync() const { check(::fsync(descriptor_), "fsync"); }

void DirectFile::sync_data() const { check(::fdatasync(descriptor_), "fdatasync"); }

}  // namespace ironbark::bench
