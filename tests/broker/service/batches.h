#pragma once
// Batches as a client makes them, and records as a reader sees them.

#include <cstdint>
#include <ostream>
#include <string>
#include <vector>

#include "log/record/batch_builder.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace ironbark::broker {

using Text = std::vector<uint8_t>;

constexpr Timestamp batch_time(1'735'689'600'000);  // when a simulation begins

struct BatchShape {
    std::vector<std::string> values;
    record::ProducerSequence producer{};
    Timestamp time = batch_time;
    record::Codec codec = record::Codec::none;
};
// An unstamped frame for the partition.
Text make_batch(const PartitionIdentity& partition, const BatchShape& shape);
inline Text make_batch(const PartitionIdentity& partition, std::vector<std::string> values) {
    return make_batch(partition, BatchShape{std::move(values)});
}
// The batch that a producer sends as its records from `sequence` on.
Text make_batch(const PartitionIdentity& partition,
                int64_t producer,
                int32_t sequence,
                std::vector<std::string> values,
                int16_t epoch = 0);
Text operator+(Text left, const Text& right);

struct Seen {
    int64_t offset = -1;
    std::string value;
    friend bool operator==(const Seen&, const Seen&) = default;
};
std::ostream& operator<<(std::ostream& out, const Seen& seen);

struct SeenFrame {
    record::FrameHeader header;
    record::BatchHeader batch;
    std::vector<Seen> records;
};
// The frames in these bytes. An error if anything about them is wrong: checksums of header and payload, chain, records.
Result<std::vector<SeenFrame>> read_frames(Bytes bytes, const PartitionIdentity& partition);

}  // namespace ironbark::broker
