#pragma once
// The first block of a snapshot's file, its name, and where what lies in the file. Pure; docs/FORMAT.md has the bytes.
//
// The bytes of a snapshot are cut into pieces, and the table behind them has a checksum of each: what is read for a
// follower is verified piece by piece before it leaves. The checksum in a snapshot's name is that of the table, so it
// stands for the bytes, and is the same on all voters.

#include <optional>
#include <string>
#include <vector>

#include "broker/consensus/types.h"
#include "broker/voter/limits.h"
#include "runtime/base/result.h"

namespace ironbark::consensus {

// What of a snapshot is in the name of its file.
struct SnapshotPlace {
    LogIndex last_index;
    Term last_term;
    friend auto operator<=>(const SnapshotPlace&, const SnapshotPlace&) = default;
};
inline SnapshotPlace place_of(const Snapshot& snapshot) {
    return {snapshot.last_index, snapshot.last_term};
}
std::string file_name(const SnapshotPlace& place);
std::optional<SnapshotPlace> parse_file_name(const std::string& name);

using PieceChecksums = std::vector<uint64_t>;
uint64_t checksum_of(const PieceChecksums& pieces, uint64_t size_bytes);

constexpr uint64_t piece_count(uint64_t size_bytes) {
    return (size_bytes + snapshot_piece_size - 1) / snapshot_piece_size;
}
constexpr uint64_t piece_position(uint64_t piece) {
    return log::block_size + piece * snapshot_piece_size;
}
// All in blocks: the head, the bytes, the table.
constexpr uint64_t table_position(uint64_t size_bytes) {
    return log::block_size + round_up(size_bytes, log::block_size);
}
constexpr uint64_t table_size(uint64_t size_bytes) {
    return round_up(piece_count(size_bytes) * sizeof(uint64_t), log::block_size);
}

std::vector<uint8_t> encode_head(const Snapshot& snapshot, const Uuid& owner);
// Errors: corrupt_data, foreign_data (of another data directory).
Result<Snapshot> decode_head(Bytes block, const Uuid& owner);

}  // namespace ironbark::consensus
