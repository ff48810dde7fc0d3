#pragma once
// What a partition remembers of its idempotent producers: the last five batches of each, so that a batch sent again is
// answered with its first offset instead of being written twice. Pure state: fed by every frame in offset order, on the
// leader, on followers and in recovery alike; saved beside the log at checkpoints.
//
// Sequence numbers are per producer and partition, count records, and wrap from 2^31-1 to 0 (research: KIP-98).

#include <map>
#include <optional>
#include <vector>

#include "log/record/frame.h"
#include "runtime/base/ids.h"
#include "runtime/base/result.h"

namespace ironbark::log {

struct RememberedBatch {
    int32_t first_sequence = 0;
    int32_t last_sequence = 0;
    Offset base;
    Offset last;
    Epoch leader_epoch;
    Timestamp append_time;
};

struct SequenceCheck {
    // none: new, append it. Otherwise why not: invalid_producer_epoch, unknown_producer_id (only sequence 0 opens an
    // unknown producer), out_of_order_sequence (see `expected`), sequence_expired (written, too long ago to say where).
    ErrorCode code = ErrorCode::none;
    std::optional<RememberedBatch> duplicate;  // the batch is there already: this is its receipt
    int32_t expected = 0;                      // with out_of_order_sequence
    int32_t gap_from = -1;                     // the batch stands, or will stand, behind a gap that begins here
};

class Producers {
  public:
    // `gap_from`: the producer was told that this sequence is expected, and knows that what it had from there to this
    // batch is lost. Only with the expected sequence is such a batch accepted, and then behind the gap. -1: none.
    SequenceCheck check(const record::BatchHeader& batch, int32_t gap_from = -1) const;
    // Takes note of a frame that is now in the log. Ignores frames without a producer id.
    void apply(const record::FrameView& frame);
    // Forgets producers whose last batch is older than `before`.
    void expire(Timestamp before);
    // The last sequence of a producer, if it is known.
    std::optional<int32_t> last_sequence(ProducerId id, ProducerEpoch epoch) const;

    size_t size() const { return producers_.size(); }
    std::vector<uint8_t> encode() const;
    static Result<Producers> decode(Bytes bytes);

  private:
    struct Producer {
        ProducerEpoch epoch;
        std::vector<RememberedBatch> batches;  // oldest first, at most batches_per_producer
    };
    void forget_longest_idle();
    static SequenceCheck check_new(const record::BatchHeader& batch, int32_t expected, int32_t gap_from);
    static int32_t gap_before(const Producer& producer, size_t index, int32_t gap_from);

    std::map<ProducerId, Producer> producers_;
};

// The sequence number `count` records after `sequence`.
constexpr int32_t sequence_after(int32_t sequence, int64_t count) {
    return static_cast<int32_t>((int64_t{sequence} + count) & 0x7fffffff);
}

}  // namespace ironbark::log
