// What a journal owes afterwards: the records of each partition, gathered in memory and written to
// the partition's own file in larger unsynced pieces; and before a part of the journal is used
// again, everything written so far synced (a checkpoint), a few files per turn of the loop.
//
// A batch must fit into a piece. All operations go through the caller's ring; the caller gives back
// every tag that is_ours().
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/closed_loop.h"

namespace ironbark::bench {

class WriteBehind {
  public:
    static constexpr std::size_t piece_size = 128 << 10;

    WriteBehind(WriteRing& ring, PartitionFiles& files, std::size_t active);

    static bool is_ours(WriteRing::Tag tag) { return (tag & tag_bit) != 0; }
    void completed(WriteRing::Tag tag);

    // False when both of the partition's pieces are being written: reap completions and repeat.
    [[nodiscard]] bool add(std::size_t partition, const void* batch, std::size_t size);

    // Everything added before is on its way to be durable; progress is made by step().
    void begin_checkpoint();
    void step();
    bool is_checkpoint_done() const { return next_ == pieces_.size() && syncs_in_flight_ == 0; }

    bool is_idle() const { return in_flight_ == 0; }
    std::uint64_t written() const { return written_; }

  private:
    static constexpr WriteRing::Tag tag_bit = WriteRing::Tag{1} << 63;
    static constexpr WriteRing::Tag sync_bit = WriteRing::Tag{1} << 62;
    static constexpr WriteRing::Tag half_bit = WriteRing::Tag{1} << 61;
    static constexpr std::size_t syncs_per_step = 8;

    // Two halves: one is filled while the other is written.
    struct Piece {
        std::size_t filling = 0;
        std::size_t used = 0;
        bool writing[2] = {false, false};
    };

    std::byte* half(std::size_t partition, std::size_t which) const;
    [[nodiscard]] bool flush(std::size_t partition, SyncForm form);

    WriteRing& ring_;
    PartitionFiles& files_;
    AlignedBuffer memory_;
    std::vector<Piece> pieces_;
    std::size_t next_;  // partition that the checkpoint comes to next
    std::size_t syncs_in_flight_ = 0;
    std::size_t in_flight_ = 0;
    std::uint64_t written_ = 0;
};

}  // namespace ironbark::bench
