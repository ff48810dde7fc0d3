#pragma once
// What a reader saw while records were still being written, leaders died and others took over: it has to be what is
// there in the end. Pure; one thread at a time.

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

namespace ironbark::bench {

struct SightingsFound {
    uint64_t seen = 0;
    uint64_t repeated = 0;    // at an offset at which, or behind which, the reader was already
    uint64_t taken_back = 0;  // not there in the end, or something else is
};

class Sightings {
  public:
    explicit Sightings(size_t partitions) : seen_(partitions), compared_(partitions) {}

    // The next one that the reader was given.
    void take(size_t partition, int64_t offset, std::optional<std::string_view> value);
    // The reader was told that what it had seen from there on is gone; it goes on from there.
    void cut(size_t partition, int64_t from);
    // One that is there in the end; the records of each partition in their order, all of them.
    void compare(size_t partition, int64_t offset, std::optional<std::string_view> value);
    // After the last one.
    SightingsFound finish() const;
    // One behind the last that was seen; 0: none was.
    int64_t next(size_t partition) const;

  private:
    struct Sighting {
        int64_t offset = -1;
        uint64_t checksum = 0;
    };
    std::vector<std::vector<Sighting>> seen_;  // by partition, ascending
    std::vector<size_t> compared_;             // by partition: how many of them were compared
    SightingsFound found_;
};

}  // namespace ironbark::bench
