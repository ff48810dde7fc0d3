#pragma once
// What retention removes, as a pure decision: whole segments from the beginning, by allocated bytes and by the broker's
// time of their youngest record, never records at or beyond the limit. The active segment is rolled when everything in
// it has expired, so that a quiet partition does not keep old records for ever.

#include <vector>

#include "runtime/base/ids.h"

namespace ironbark::log {

struct SegmentFacts {
    Offset base;
    Offset end;
    uint64_t allocated_bytes = 0;
    Timestamp max_append_time;
    bool sealed = false;
};

struct RetentionLimits {
    int64_t bytes = -1;         // -1: none
    int64_t milliseconds = -1;  // -1: none
};

struct RetentionVerdict {
    Offset log_start;  // the new one; 0: nothing to do
    bool roll_active = false;
};

RetentionVerdict decide_retention(const std::vector<SegmentFacts>& segments, RetentionLimits limits, Timestamp now,
                                  Offset limit);

}  // namespace ironbark::log
