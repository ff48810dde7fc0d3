#pragma once
// One plain Kafka segment: written batch by batch, then read again. Used by one coroutine.

#include <memory>
#include <string>
#include <vector>

#include "log/record/frame.h"
#include "runtime/io/world.h"

namespace ironbark::tools {

struct KafkaSegment {
    std::string path;
    Offset first;
    Offset end;
    uint64_t batches = 0;
    uint64_t records = 0;
    uint64_t bytes = 0;
};

class KafkaSegmentWriter {
  public:
    explicit KafkaSegmentWriter(World* world) : world_(*world) {}

    // Makes the file, which must not exist. Named by the offset of its first batch.
    Task<Result<void>> open(std::string directory, Offset first);
    Task<Result<void>> append(record::FrameView frame);
    // Everything is on disk afterwards.
    Task<Result<void>> finish();
    // Required before destruction; idempotent.
    Task<void> close();
    const KafkaSegment& written() const { return segment_; }

  private:
    Task<Result<void>> write_buffer();

    World& world_;
    std::unique_ptr<File> file_;
    std::vector<uint8_t> buffer_;
    uint64_t position_ = 0;
    KafkaSegment segment_;
};

// Reads the file as Kafka would, batch by batch: lengths, magic, CRC-32C, ascending offsets; and compares the sums.
// Error: corrupt_data with what differs.
Task<Result<void>> check_kafka_segment(World* world, KafkaSegment expected);

}  // namespace ironbark::tools
