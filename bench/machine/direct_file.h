// A file for direct I/O that exists as long as its object: created empty, allocated or really
// written, and unlinked at the end. "Written" is what a recycled segment looks like: every block
// has been written and synced once, so that a sync of an overwrite has no metadata to commit.
#pragma once

#include <cstdint>
#include <string>

namespace ironbark::bench {

enum class Blocks { none, allocated, written };

// Blocks until the bytes are written and synced by one system call (RWF_DSYNC).
void write_synced(int descriptor, const void* data, std::uint64_t size, std::uint64_t position);

class DirectFile {
  public:
    DirectFile(std::string path, std::uint64_t size, Blocks blocks);
    ~DirectFile();
    DirectFile(const DirectFile&) = delete;
    DirectFile& operator=(const DirectFile&) = delete;

    int descriptor() const { return descriptor_; }
    std::uint64_t size() const { return size_; }

    // Blocks until [position, position + size) is allocated; the file's size grows with it.
    void allocate(std::uint64_t position, std::uint64_t size);
    // Blocks until the bytes are written; not synced.
    void write(const void* data, std::uint64_t size, std::uint64_t position) const;
    void write_synced(const void* data, std::uint64_t size, std::uint64_t position) const;
    void read(void* data, std::uint64_t size, std::uint64_t position) const;
    void sync() const;
    void sync_data() const;

  private:
    void write_everything();

    std::string path_;
    std::uint64_t size_;
    int descriptor_;
};

// Walks a file from the start and begins again when the next piece would not fit: how a reused
// segment is written, without end.
class Cursor {
  public:
    explicit Cursor(std::uint64_t file_size) : file_size_(file_size) {}

    // The position of the next `size` bytes.
    std::uint64_t advance(std::uint64_t size) {
        if (position_ + size > file_size_) position_ = 0;
        const std::uint64_t at = position_;
        position_ += size;
        return at;
    }

  private:
    std::uint64_t file_size_;
    std::uint64_t position_ = 0;
};

}  // namespace ironbark::bench
