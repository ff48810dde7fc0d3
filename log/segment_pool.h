#pragma once
// Segment files that are no longer needed, kept for the next segment of any log of this shard: writing into blocks that
// were written before needs no change of file-system metadata at a sync, which makes synced writes up to several times
// faster than into fresh ones (ADR 0005). Files of deleted topics never come here. What a reused file holds from its
// earlier life is recognised by recovery and by nobody else.
//
// The files lie in one directory, named by number. Owned by one executor; bounded in count and bytes.

#include <memory>
#include <string>
#include <vector>

#include "runtime/io/world.h"

namespace ironbark::log {

class SegmentPool {
  public:
    SegmentPool(World& world, std::string directory, size_t files_max)
        : world_(world), directory_(std::move(directory)), files_max_(files_max) {}

    // Takes note of what an earlier run left: file names within the pool's directory.
    void adopt(std::vector<std::string> names);

    struct Taken {
        std::string path;
        uint64_t size = 0;
    };
    // A file of exactly `size` bytes, to be renamed by the caller; empty if there is none.
    Task<std::optional<Taken>> take(uint64_t size);
    // Moves the file here, or removes it when the pool is full. The caller has made sure that nobody needs it.
    Task<Result<void>> put(std::string path, uint64_t size);
    size_t count() const { return files_.size(); }

  private:
    struct Entry {
        std::string name;
        uint64_t size = 0;  // 0: not yet looked up
    };
    Task<Result<uint64_t>> size_of(std::string path);

    World& world_;
    std::string directory_;
    size_t files_max_;
    std::vector<Entry> files_;
};

}  // namespace ironbark::log
