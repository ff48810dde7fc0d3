#pragma once
// Finding records by time inside a batch, compressed ones too: answering with the batch's first offset would be wrong.

#include <optional>

#include "log/log.h"

namespace ironbark::log {

// The first record of the frame at or after `not_before` whose timestamp is at or after `time`. A batch that cannot be
// read inside (it is the producer's) counts by its header alone.
std::optional<TimestampOffset> first_record_at(const record::FrameView& frame, Timestamp time, Offset not_before);

// The record of the frame at or after `not_before` with the highest timestamp, the first of equal ones.
std::optional<TimestampOffset> latest_record(const record::FrameView& frame, Offset not_before);

}  // namespace ironbark::log
