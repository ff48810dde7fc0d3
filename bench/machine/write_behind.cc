#include "bench/machine/write_behind.h"

#include <cerrno>
#include <cstring>

namespace ironbark::bench {

WriteBehind::WriteBehind(WriteRing& ring, PartitionFiles& files, std::size_t active)
    : ring_(ring),
      files_(files),
      memory_(active * 2 * piece_size),
      pieces_(active),
      next_(active) {
    // Partitions that filled in step would all be written in the same turn.
    for (std::size_t i = 0; i < active; ++i) pieces_[i].used = i * 7919 % piece_size;
}

std::byte* WriteBehind::half(std::size_t partition, std::size_t which) const {
    return memory_.data() + (2 * partition + which) * piece_size;
}

void WriteBehind::completed(WriteRing::Tag tag) {
    const std::size_t partition = tag & 0xffffffff;
    pieces_[partition].writing[(tag & half_bit) != 0 ? 1 : 0] = false;
    if ((tag & sync_bit) != 0) --syncs_in_flight_;
    --in_flight_;
}

bool WriteBehind::add(std::size_t partition, const void* batch, std::size_t size) {
    if (size > piece_size) fail("batch larger than a piece", EINVAL);
    Piece& piece = pieces_[partition];
    if (piece.used + size > piece_size && !flush(partition, SyncForm::none)) return false;
    std::memcpy(half(partition, piece.filling) + piece.used, batch, size);
    piece.used += size;
    return true;
}

bool WriteBehind::flush(std::size_t partition, SyncForm form) {
    Piece& piece = pieces_[partition];
    if (piece.writing[1 - piece.filling]) return false;
    const std::size_t size = round_up_to_block(piece.used);
    WriteRing::Tag tag = tag_bit | partition;
    if (piece.filling == 1) tag |= half_bit;
    if (form != SyncForm::none) {
        tag |= sync_bit;
        ++syncs_in_flight_;
    }
    ring_.write(files_.file(partition).descriptor(),
                half(partition, piece.filling),
                size,
                files_.advance(partition, size),
                form,
                tag);
    ++in_flight_;
    written_ += size;
    piece.writing[piece.filling] = true;
    piece.filling = 1 - piece.filling;
    piece.used = 0;
    return true;
}

void WriteBehind::begin_checkpoint() { next_ = 0; }

void WriteBehind::step() {
    for (std::size_t i = 0; i < syncs_per_step && next_ < pieces_.size(); ++i) {
        if (pieces_[next_].used > 0 && !flush(next_, SyncForm::linked_fdatasync)) return;
        ++next_;
    }
}

}  // namespace ironbark::bench
