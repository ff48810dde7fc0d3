#include "log/segment_index.h"

#include <algorithm>

#include "log/limits.h"
#include "runtime/base/checksum.h"
#include "runtime/base/encoding.h"

namespace ironbark::log {
namespace {

constexpr uint64_t index_magic = 0x3158444e49424923;  // "#IBINDX1"
constexpr size_t entry_size = 24;

}  // namespace

void SegmentIndex::add(const record::FrameView& frame, uint64_t position) {
    if (frame.header.base_offset != covered_until_) return;
    if (entries_.empty() || position >= last_position_ + index_interval) {
        entries_.push_back({frame.header.base_offset, position, max_timestamp_});
        last_position_ = position;
    }
    if (frame.batch.max_timestamp > max_timestamp_) {
        max_timestamp_ = frame.batch.max_timestamp;
        offset_of_max_timestamp_ = frame.header.base_offset;
    }
    covered_until_ = frame.next_offset();
    chain_ = frame.header.checksum;
}

const IndexEntry* SegmentIndex::entry_before(Offset offset) const {
    auto after = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                  [](Offset wanted, const IndexEntry& entry) { return wanted < entry.offset; });
    return after == entries_.begin() ? nullptr : &*std::prev(after);
}

std::optional<uint64_t> SegmentIndex::position_before(uint64_t position) const {
    auto after = std::upper_bound(entries_.begin(), entries_.end(), position,
                                  [](uint64_t wanted, const IndexEntry& entry) { return wanted < entry.position; });
    if (after == entries_.begin()) return std::nullopt;
    return std::prev(after)->position;
}

Offset SegmentIndex::offset_before(Timestamp time, Offset base) const {
    auto after =
        std::lower_bound(entries_.begin(), entries_.end(), time,
                         [](const IndexEntry& entry, Timestamp wanted) { return entry.max_timestamp_before < wanted; });
    return after == entries_.begin() ? base : std::prev(after)->offset;
}

std::vector<uint8_t> SegmentIndex::encode(const PartitionIdentity& identity, Offset base) const {
    Encoder body;
    body.number(index_magic);
    body.number(base.value);
    body.number(covered_until_.value);
    body.number(chain_);
    body.number(max_timestamp_.milliseconds);
    body.number(offset_of_max_timestamp_.value);
    body.number(static_cast<uint32_t>(entries_.size()));
    for (const IndexEntry& entry : entries_) {
        body.number(entry.offset.value);
        body.number(entry.position);
        body.number(entry.max_timestamp_before.milliseconds);
    }
    Encoder whole;
    whole.number(xxh3(body.bytes(), identity.seed()));
    whole.raw(body.bytes());
    return whole.take();
}

Result<SegmentIndex> SegmentIndex::decode(Bytes bytes, const PartitionIdentity& identity, Offset base) {
    static constexpr Error damaged(ErrorCode::corrupt_data, "the index is damaged; it will be rebuilt");
    Decoder decoder(bytes);
    uint64_t checksum = decoder.number<uint64_t>();
    if (!decoder.ok() || checksum != xxh3(bytes.subspan(sizeof(checksum)), identity.seed())) return damaged;
    SegmentIndex index;
    if (decoder.number<uint64_t>() != index_magic || decoder.number<int64_t>() != base.value) return damaged;
    index.covered_until_ = Offset(decoder.number<int64_t>());
    index.chain_ = decoder.number<uint64_t>();
    index.max_timestamp_ = Timestamp(decoder.number<int64_t>());
    index.offset_of_max_timestamp_ = Offset(decoder.number<int64_t>());
    uint32_t count = decoder.number<uint32_t>();
    if (!decoder.ok() || decoder.left() != count * entry_size) return damaged;
    for (uint32_t at = 0; at < count; ++at) {
        IndexEntry entry;
        entry.offset = Offset(decoder.number<int64_t>());
        entry.position = decoder.number<uint64_t>();
        entry.max_timestamp_before = Timestamp(decoder.number<int64_t>());
        index.entries_.push_back(entry);
    }
    if (!index.entries_.empty()) index.last_position_ = index.entries_.back().position;
    return index;
}

}  // namespace ironbark::log
