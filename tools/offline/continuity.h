#pragma once
// Which frames of a segment belong to the log: each continues the one before. Pure.

#include "log/record/frame.h"
#include "log/segment.h"

namespace ironbark::tools {

class Continuity {
  public:
    explicit Continuity(const log::SegmentHead& head)
        : next_(head.base), chain_(head.chain_before), epoch_(head.epoch_before) {}

    bool continues(const record::FrameView& frame) const {
        bool restarts = (frame.header.flags & record::flag_chain_restarts) != 0;
        return frame.header.base_offset == next_ && (frame.header.chain == chain_ || restarts) &&
               frame.header.leader_epoch >= epoch_;
    }
    // It may belong to the log all the same, behind something that cannot be read: what an earlier use of the file left
    // has lower offsets, or an older epoch.
    bool may_follow(const record::FrameView& frame) const {
        return frame.header.base_offset > next_ && frame.header.leader_epoch >= epoch_;
    }
    void advance(const record::FrameView& frame) {
        next_ = frame.next_offset();
        chain_ = frame.header.checksum;
        epoch_ = frame.header.leader_epoch;
    }
    Offset next() const { return next_; }

  private:
    Offset next_;
    uint64_t chain_;
    Epoch epoch_;
};

}  // namespace ironbark::tools
