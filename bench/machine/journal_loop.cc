#include "bench/machine/journal_loop.h"

#include <cstring>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/write_behind.h"

namespace ironbark::bench {

namespace {

constexpr WriteRing::Tag journal_tag = 0;

class JournalLoop {
  public:
    JournalLoop(const ClosedLoop& loop,
                PartitionFiles& files,
                std::size_t active,
                const DirectFile& journal,
                SyncForm form)
        : loop_(loop),
          active_(active),
          journal_(journal),
          form_(form),
          batch_(loop.batch_size()),
          turn_(round_up_to_block(active * loop.batch_size())),
          ring_(1024),
          behind_(ring_, files, active) {}

    LoopResult run() {
        const Nanoseconds start = now();
        const Nanoseconds end = start + from_seconds(loop_.seconds);
        while (now() < end) turn();
        result_.took = now() - start;
        while (!behind_.is_idle()) behind_.completed(ring_.wait());
        result_.written += behind_.written();
        return std::move(result_);
    }

  private:
    void turn() {
        const Nanoseconds start = now();
        for (std::size_t i = 0; i < active_; ++i) {
            std::memcpy(turn_.data() + i * batch_.size(), batch_.data(), batch_.size());
        }
        ring_.write(
            journal_.descriptor(), turn_.data(), turn_.size(), place(), form_, journal_tag);
        behind_.step();
        while (reap() != journal_tag) {
        }
        const Nanoseconds latency = now() - start;
        for (std::size_t i = 0; i < active_; ++i) {
            result_.latencies.add(latency);
            while (!behind_.add(i, batch_.data(), batch_.size())) reap();
        }
        result_.records += active_ * loop_.records_in_flight;
        result_.written += turn_.size();
    }

    // Where the next turn goes; entering a half needs the checkpoint begun at the last entry.
    std::uint64_t place() {
        const std::uint64_t half = journal_.size() / 2;
        const std::uint64_t before = position_;
        if (position_ + turn_.size() > journal_.size()) position_ = 0;
        const std::uint64_t at = position_;
        position_ += turn_.size();
        if (at < before || (before < half && position_ >= half)) checkpoint();
        return at;
    }

    void checkpoint() {
        while (!behind_.is_checkpoint_done()) {
            behind_.step();
            if (!behind_.is_checkpoint_done()) reap();
        }
        behind_.begin_checkpoint();
    }

    WriteRing::Tag reap() {
        const WriteRing::Tag tag = ring_.wait();
        if (WriteBehind::is_ours(tag)) behind_.completed(tag);
        return tag;
    }

    const ClosedLoop loop_;
    const std::size_t active_;
    const DirectFile& journal_;
    const SyncForm form_;
    const AlignedBuffer batch_;
    const AlignedBuffer turn_;
    WriteRing ring_;
    WriteBehind behind_;
    std::uint64_t position_ = 0;
    LoopResult result_;
};

}  // namespace

LoopResult run_with_journal(const ClosedLoop& loop,
                            PartitionFiles& files,
                            std::size_t active,
                            const DirectFile& journal,
                            SyncForm form) {
    return JournalLoop(loop, files, active, journal, form).run();
}

}  // namespace ironbark::bench
