#pragma once
// The bytes of one simulated file as the process sees them (visible) and as the device holds them (durable), and for
// each 4 KiB page every version in between: what was written since the page was last synced. A power loss picks one of
// them for each page, and one of the sizes, independently of one another.
//
// Pages are immutable once written and shared between copies, so that a whole disk can be copied cheaply. What was
// never written reads as zeros.

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <vector>

#include "runtime/base/bytes.h"
#include "tests/simulation/random_stream.h"

namespace ironbark::simulation {

// Numbers what completes on a disk. A sync covers what completed with a number not above the one it was submitted at.
using Sequence = uint64_t;

constexpr uint64_t page_size = 4096;
constexpr uint64_t sector_size = 512;

enum class View : uint8_t { visible, durable };

// What a page lost with the power may look like, beside its old and its new content.
struct Tearing {
    bool pages = false;    // some sectors old, some new
    bool sectors = false;  // one of them cut inside
};

class FileImage {
  public:
    uint64_t size(View view) const;
    // The bytes of [position, position + length) that lie within the file.
    std::vector<uint8_t> read(View view, uint64_t position, uint64_t length) const;
    // Whether a page of the range gives an error when read.
    bool is_unreadable(uint64_t position, uint64_t length) const;

    void write(uint64_t position, Bytes bytes, Sequence sequence);
    void resize(uint64_t size, Sequence sequence);  // cuts, or grows with zeros

    void sync(Sequence covered);
    void sync_range(uint64_t position, uint64_t length);  // this much of the newest content, and a size that reaches it
    // What the sync should have covered stays visible until `evict` and never becomes durable.
    void fail_sync(Sequence covered);
    void fail_sync_range(uint64_t position, uint64_t length);
    void evict();
    void lose_power(Tearing tearing, RandomStream& random);

    // Damage from outside, in both views. REQUIRES: position < size
    void flip_bit(uint64_t position, uint32_t bit);
    void make_unreadable(uint64_t position) { unreadable_.insert(position / page_size); }
    // Replaces everything, durably.
    void assign(Bytes bytes);

  private:
    using Content = std::array<uint8_t, page_size>;
    using ContentRef = std::shared_ptr<const Content>;  // null: zeros
    struct Version {
        Sequence sequence;
        ContentRef content;
    };
    struct Page {
        ContentRef durable;
        std::vector<Version> unsynced;  // oldest first
        ContentRef forgotten;           // after a failed sync: what is still visible
        bool has_forgotten = false;

        const ContentRef& visible() const;
        void push(Sequence sequence, ContentRef content);
        void sync(Sequence covered);
        void fail_sync(Sequence covered);
    };
    struct Size {
        Sequence sequence;
        uint64_t bytes;
    };

    static uint64_t end_page(uint64_t position, uint64_t length) {
        return (position + length + page_size - 1) / page_size;
    }
    static std::shared_ptr<Content> copy_of(const ContentRef& content);
    static ContentRef survivor(const Page& page, Tearing tearing, RandomStream& random);
    static ContentRef torn(const ContentRef& before, const ContentRef& after, Tearing tearing, RandomStream& random);
    static ContentRef with_zeros_from(const ContentRef& content, size_t position);
    void push_size(uint64_t bytes, Sequence sequence);

    std::map<uint64_t, Page> pages_;
    std::set<uint64_t> unreadable_;
    uint64_t durable_size_ = 0;
    std::vector<Size> unsynced_sizes_;  // oldest first
};

}  // namespace ironbark::simulation
