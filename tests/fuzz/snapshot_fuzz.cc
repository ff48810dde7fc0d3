// A snapshot of producers of any bytes is refused, or written again and read it is the same; so is a record of the
// marks. Snapshots are read as they are, and with the checksum put right.
#include <vector>

#include "log/snapshot.h"
#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

const PartitionIdentity identity{Uuid::from_words(1, 2), PartitionIndex(3)};

std::vector<uint8_t> encode(const ProducersSnapshot& snapshot) {
    return encode_snapshot(identity, snapshot.place, snapshot.last_append_time, snapshot.producers.encode());
}

void check_snapshot(Bytes bytes) {
    Result<ProducersSnapshot> snapshot = decode_snapshot(bytes, identity);
    if (!snapshot.ok()) return;
    std::vector<uint8_t> again = encode(*snapshot);
    ASSERT(again.size() <= bytes.size());
    Result<ProducersSnapshot> same = decode_snapshot(again, identity);
    ASSERT(same.ok() && same->place == snapshot->place && encode(*same) == again);
    record::BatchHeader batch;
    batch.producer_id = ProducerId(1);
    batch.producer_epoch = ProducerEpoch(0);
    for (int32_t sequence : {0, 1, 5, INT32_MAX}) {
        batch.base_sequence = sequence;
        (void)snapshot->producers.check(batch);
    }
    snapshot->producers.expire(Timestamp(1000));
}

void check_marks(Bytes bytes) {
    std::optional<PartitionMarks> marks = decode_marks(bytes);
    if (!marks) return;
    std::optional<PartitionMarks> same = decode_marks(encode_marks(*marks));
    ASSERT(same && *same == *marks);
}

}  // namespace
}  // namespace ironbark::log

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace ironbark;
    std::vector<uint8_t> bytes(data, data + size);
    log::check_marks(bytes);
    log::check_snapshot(bytes);
    if (size < 8) return 0;
    store_le(bytes.data(), xxh3(Bytes(bytes).subspan(8), log::identity.seed()));
    log::check_snapshot(bytes);
    return 0;
}
