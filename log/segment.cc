#include "log/segment.h"

#include <charconv>
#include <cstdio>
#include <cstring>

#include "runtime/base/checksum.h"

namespace ironbark::log {
namespace {

constexpr uint64_t segment_magic = 0x3147455342494923;  // "#IIBSEG1"
constexpr size_t offset_digits = 20;

}  // namespace

void encode_head(MutableBytes block, const PartitionIdentity& identity, const SegmentHead& head) {
    ASSERT(block.size() == block_size);
    std::memset(block.data(), 0, block.size());
    store_le(block.data() + 8, segment_magic);
    std::memcpy(block.data() + 16, identity.topic.bytes.data(), identity.topic.bytes.size());
    store_le(block.data() + 32, identity.partition.value);
    store_le(block.data() + 40, head.base.value);
    store_le(block.data() + 48, head.previous_base.value);
    store_le(block.data() + 56, head.chain_before);
    store_le(block.data() + 64, head.epoch_before.value);
    store_le(block.data() + 72, head.created.milliseconds);
    store_le(block.data(), xxh3(block.subspan(8), identity.seed()));
}

Result<SegmentHead> decode_head(Bytes block, const PartitionIdentity& identity, Offset base) {
    if (block.size() < block_size) return Error(ErrorCode::corrupt_data, "the segment is shorter than its head");
    if (load_le<uint64_t>(block.data() + 8) != segment_magic) {
        return Error(ErrorCode::corrupt_data, "the segment's head is not one");
    }
    if (std::memcmp(block.data() + 16, identity.topic.bytes.data(), identity.topic.bytes.size()) != 0 ||
        load_le<int32_t>(block.data() + 32) != identity.partition.value) {
        return Error(ErrorCode::foreign_data, "the segment belongs to another partition");
    }
    if (load_le<uint64_t>(block.data()) != xxh3(block.subspan(8, block_size - 8), identity.seed())) {
        return Error(ErrorCode::corrupt_data, "the segment's head is damaged");
    }
    SegmentHead head;
    head.base = Offset(load_le<int64_t>(block.data() + 40));
    head.previous_base = Offset(load_le<int64_t>(block.data() + 48));
    head.chain_before = load_le<uint64_t>(block.data() + 56);
    head.epoch_before = Epoch(load_le<int32_t>(block.data() + 64));
    head.created = Timestamp(load_le<int64_t>(block.data() + 72));
    if (head.base != base) return Error(ErrorCode::foreign_data, "the segment's name is not the offset it starts with");
    return head;
}

std::string segment_file_name(Offset base, const char* suffix) {
    char name[48];
    std::snprintf(name, sizeof(name), "%020lld%s", static_cast<long long>(base.value), suffix);
    return name;
}

std::optional<Offset> offset_of_file_name(const std::string& name, const char* suffix) {
    if (name.size() != offset_digits + std::strlen(suffix) ||
        name.compare(offset_digits, std::string::npos, suffix) != 0) {
        return std::nullopt;
    }
    int64_t offset = 0;
    auto [end, error] = std::from_chars(name.data(), name.data() + offset_digits, offset);
    if (error != std::errc{} || end != name.data() + offset_digits || offset < 0) return std::nullopt;
    return Offset(offset);
}

}  // namespace ironbark::log
