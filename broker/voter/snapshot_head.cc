#include "broker/voter/snapshot_head.h"

#include <charconv>
#include <fmt/format.h>

#include "broker/voter/records.h"
#include "runtime/base/checksum.h"

namespace ironbark::consensus {
namespace {

constexpr uint64_t snapshot_magic = 0x3150414e53424923;  // "#IBSNAP1"
constexpr size_t number_size = 20;                       // digits, so that names sort by place
constexpr std::string_view suffix = ".snapshot";

std::optional<uint64_t> parse_number(std::string_view digits) {
    uint64_t number = 0;
    auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
    if (error != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
    return number;
}

uint64_t seed_of(const Uuid& owner) {
    return xxh3(owner.bytes, snapshot_magic);
}

}  // namespace

std::string file_name(const SnapshotPlace& place) {
    return fmt::format("{:020}-{:020}{}", place.last_index.value, place.last_term.value, suffix);
}

std::optional<SnapshotPlace> parse_file_name(const std::string& name) {
    if (name.size() != 2 * number_size + 1 + suffix.size() || !name.ends_with(suffix)) return std::nullopt;
    std::optional<uint64_t> index = parse_number(std::string_view(name).substr(0, number_size));
    std::optional<uint64_t> term = parse_number(std::string_view(name).substr(number_size + 1, number_size));
    if (!index || !term) return std::nullopt;
    SnapshotPlace place{LogIndex(*index), Term(*term)};
    return file_name(place) == name ? std::optional(place) : std::nullopt;
}

uint64_t checksum_of(const PieceChecksums& pieces, uint64_t size_bytes) {
    return xxh3(Bytes(reinterpret_cast<const uint8_t*>(pieces.data()), pieces.size() * sizeof(uint64_t)), size_bytes);
}

std::vector<uint8_t> encode_head(const Snapshot& snapshot, const Uuid& owner) {
    Encoder encoder;
    encoder.number(uint64_t{0});  // the checksum
    encoder.number(snapshot_magic);
    encoder.uuid(owner);
    encoder.number(snapshot.last_index.value);
    encoder.number(snapshot.last_term.value);
    encoder.number(snapshot.membership_index.value);
    encoder.number(snapshot.size_bytes);
    encoder.number(snapshot.checksum);
    encode_membership(encoder, *snapshot.membership);
    std::vector<uint8_t> block = encoder.take();
    ASSERT(block.size() <= log::block_size);
    block.resize(log::block_size);
    store_le(block.data(), xxh3(Bytes(block).subspan(sizeof(uint64_t)), seed_of(owner)));
    return block;
}

Result<Snapshot> decode_head(Bytes block, const Uuid& owner) {
    static constexpr Error damaged(ErrorCode::corrupt_data, "its first block is damaged");
    if (block.size() != log::block_size) return damaged;
    Decoder decoder(block);
    const uint64_t checksum = decoder.number<uint64_t>();
    if (decoder.number<uint64_t>() != snapshot_magic) return damaged;
    const Uuid named = decoder.uuid();
    if (checksum != xxh3(block.subspan(sizeof(uint64_t)), seed_of(named))) return damaged;
    if (named != owner) return Error(ErrorCode::foreign_data, "it belongs to another data directory");
    Snapshot snapshot;
    snapshot.last_index = LogIndex(decoder.number<uint64_t>());
    snapshot.last_term = Term(decoder.number<uint64_t>());
    snapshot.membership_index = LogIndex(decoder.number<uint64_t>());
    snapshot.size_bytes = decoder.number<uint64_t>();
    snapshot.checksum = decoder.number<uint64_t>();
    snapshot.membership = decode_membership(decoder);
    if (!decoder.ok() || !is_zero(decoder.raw(decoder.left()))) return damaged;
    return snapshot;
}

}  // namespace ironbark::consensus
