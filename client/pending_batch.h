#pragma once
// Records of one partition that were accepted and are not resolved: open while records join, closed when full or
// lingered, sealed when it is to be sent. Belongs first to the accumulator (under its partition's lock), then to the
// engine's thread.

#include <memory>
#include <vector>

#include "ironbark/producer.h"
#include "log/record/batch_builder.h"
#include "runtime/base/time.h"
#include "runtime/io/buffer.h"

namespace ironbark::client {

struct PendingBatch {
    struct Waiting {
        int32_t index;  // of the record in the batch
        SendCallback callback;
    };

    std::unique_ptr<record::BatchBuilder> builder;  // until it is sealed
    BufferSlice frame;                              // from then on
    std::vector<Waiting> callbacks;
    int32_t records = 0;
    Instant opened;
    uint64_t flush_number = 0;  // of the flushes that do not wait for it
    size_t memory = 0;          // its share of buffer.memory
};

}  // namespace ironbark::client
