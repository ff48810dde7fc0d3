#include "log/retention.h"

namespace ironbark::log {

RetentionVerdict decide_retention(const std::vector<SegmentFacts>& segments, RetentionLimits limits, Timestamp now,
                                  Offset limit) {
    RetentionVerdict verdict;
    uint64_t total = 0;
    for (const SegmentFacts& segment : segments) total += segment.allocated_bytes;
    for (const SegmentFacts& segment : segments) {
        bool too_many = limits.bytes >= 0 && total > static_cast<uint64_t>(limits.bytes) && segment.sealed;
        bool too_old = limits.milliseconds >= 0 && segment.end > segment.base &&
                       now.milliseconds - segment.max_append_time.milliseconds > limits.milliseconds;
        if ((!too_many && !too_old) || segment.end > limit) break;
        verdict.log_start = segment.end;
        verdict.roll_active = verdict.roll_active || !segment.sealed;
        total -= segment.allocated_bytes;
    }
    return verdict;
}

}  // namespace ironbark::log
