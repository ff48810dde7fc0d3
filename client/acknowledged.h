#pragma once
// What one producer was told to be written to one partition in its present epoch: which of its sequence numbers stand
// at which offsets, and how well they were acknowledged. Looked up when a broker turns out not to have them. Pure;
// bounded: the batches of a producer that is alone in its partition are one range, and beyond `ranges_max` the oldest
// is forgotten.

#include <cstdint>
#include <deque>

#include "ironbark/types.h"

namespace ironbark::client {

// Acknowledged records that are not in the log any more; the members mean what those of Loss (producer.h) mean.
struct LostRange {
    int64_t records = -1;
    int64_t first_offset = -1;
    int64_t last_offset = -1;
    Acks level = Acks::none;
    bool is_final = false;
    bool is_fatal = false;
};

class Acknowledged {
  public:
    static constexpr size_t ranges_max = 256;  // of 32 bytes, in each partition that others write to as well

    // The next `records` records were written. `offset`: of the first; -1: nobody knows.
    // `is_promised`: no fault that this level is to survive can take them.
    void note(int32_t records, int64_t offset, Acks level, bool is_promised);
    // The last `records` sequence numbers are lost: says what was acknowledged under them, and not said to be lost
    // before. `records` of the answer is 0 if there is nothing of that.
    LostRange lose(int32_t records);
    // What is known without a number of records.
    LostRange lose_unknown();
    bool is_empty() const { return ranges_.empty(); }
    void clear();

  private:
    struct Range {
        int64_t records;
        int64_t offset;
        Acks level;
        bool is_promised;
        bool is_lost = false;
    };
    void push(const Range& range);
    std::deque<Range> ranges_;  // oldest first; the last one ends where the next sequence number is
    Acks forgotten_level_ = Acks::none;
    bool forgotten_is_promised_ = false;
};

}  // namespace ironbark::client
