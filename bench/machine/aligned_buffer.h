// Memory for direct I/O: aligned to the block that the log will use, filled with bytes that no
// layer below can shrink or skip (zeros are treated specially by some disks). Owned by value.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace ironbark::bench {

constexpr std::size_t block_size = 4096;

constexpr std::size_t round_up_to_block(std::size_t size) {
    return (size + block_size - 1) / block_size * block_size;
}

class AlignedBuffer {
  public:
    explicit AlignedBuffer(std::size_t size)
        : size_(size), bytes_(static_cast<std::byte*>(::operator new(size, alignment))) {
        std::uint64_t state = 0x9e3779b97f4a7c15;
        for (std::size_t i = 0; i < size; ++i) {
            state = state * 6364136223846793005 + 1442695040888963407;
            bytes_.get()[i] = static_cast<std::byte>(state >> 56);
        }
    }

    std::byte* data() const { return bytes_.get(); }
    std::size_t size() const { return size_; }

  private:
    static constexpr std::align_val_t alignment{block_size};
    struct Release {
        void operator()(std::byte* bytes) const { ::operator delete(bytes, alignment); }
    };

    std::size_t size_;
    std::unique_ptr<std::byte, Release> bytes_;
};

}  // namespace ironbark::bench
