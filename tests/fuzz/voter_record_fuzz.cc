// Any bytes are no record of a voter's journal, or exactly the bytes that the record is written as; and a snapshot's
// head likewise, but for its checksum, which is put right when the first byte is odd. The rest of the input, cut at
// every 64th byte, is also a sequence of records, which comes to a log that its own records come to again.
#include "broker/voter/records.h"
#include "broker/voter/snapshot_head.h"
#include "broker/voter/stored_log.h"
#include "runtime/base/assert.h"
#include "runtime/base/checksum.h"

namespace ironbark::consensus {
namespace {

const Uuid owner = Uuid::from_words(1, 2);
constexpr uint64_t magic = 0x3150414e53424923;  // "#IBSNAP1"

void check_record(Bytes input) {
    Result<StoredRecord> record = decode(input);
    if (!record.ok()) return;
    ASSERT(encode(*record) == std::vector<uint8_t>(input.begin(), input.end()));
    ASSERT(encoded_size(*record) == input.size() + sizeof(uint32_t));
}

void check_head(Bytes input, bool is_put_right) {
    std::vector<uint8_t> block(input.begin(), input.end());
    block.resize(log::block_size);
    if (is_put_right) {
        store_le(block.data() + 8, magic);
        std::copy(owner.bytes.begin(), owner.bytes.end(), block.begin() + 16);
        store_le(block.data(), xxh3(Bytes(block).subspan(8), xxh3(owner.bytes, magic)));
    }
    Result<Snapshot> head = decode_head(block, owner);
    if (head.ok()) ASSERT(encode_head(*head, owner) == block);
}

void check_sequence(Bytes input) {
    StoredLog log;
    ASSERT(log.apply(StoredVoter{owner}).ok());
    for (size_t at = 0; at < input.size(); at += 64) {
        Result<StoredRecord> record = decode(input.subspan(at, std::min<size_t>(64, input.size() - at)));
        if (!record.ok()) continue;
        const uint64_t last = log.last().value;
        Result<void> applied = log.apply(*record);
        if (!applied.ok()) ASSERT(log.last().value == last);
    }
    StoredLog again;
    for (const std::vector<uint8_t>& bytes : log.records()) {
        Result<StoredRecord> record = decode(bytes);
        ASSERT(record.ok() && again.apply(*record).ok());
    }
    ASSERT(again.records() == log.records() && again.bytes() == log.bytes() && again.last() == log.last());
}

}  // namespace
}  // namespace ironbark::consensus

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    ironbark::Bytes input(data, size);
    ironbark::consensus::check_record(input);
    if (size == 0 || size > ironbark::log::block_size) return 0;
    ironbark::consensus::check_head(input.subspan(1), data[0] % 2 == 1);
    ironbark::consensus::check_sequence(input.subspan(1));
    return 0;
}
