#include "bench/machine/closed_loop.h"

#include <unistd.h>

#include <cstring>

#include "bench/machine/aligned_buffer.h"

namespace ironbark::bench {

namespace {

constexpr std::size_t flush_threads = 8;

// What both ways below have in common: a buffer per partition, filled and written as one round.
class Rounds {
  public:
    Rounds(const ClosedLoop& loop, PartitionFiles& files, std::size_t active)
        : loop_(loop),
          files_(files),
          batch_(loop.batch_size()),
          round_size_(round_up_to_block(loop.batch_size())),
          buffers_(active * round_size_),
          started_(active),
          ring_(1024, flush_threads) {}

    void start(std::size_t partition, SyncForm form) {
        std::byte* round = buffers_.data() + partition * round_size_;
        started_[partition] = now();
        std::memcpy(round, batch_.data(), batch_.size());
        ring_.write(files_.file(partition).descriptor(),
                    round,
                    round_size_,
                    files_.advance(partition, round_size_),
                    form,
                    partition);
        result_.written += round_size_;
    }

    void answer(std::size_t partition) {
        result_.records += loop_.records_in_flight;
        result_.latencies.add(now() - started_[partition]);
    }

    WriteRing& ring() { return ring_; }
    LoopResult& result() { return result_; }

  private:
    const ClosedLoop loop_;
    PartitionFiles& files_;
    const AlignedBuffer batch_;
    const std::size_t round_size_;
    const AlignedBuffer buffers_;
    std::vector<Nanoseconds> started_;
    WriteRing ring_;
    LoopResult result_;
};

}  // namespace

std::vector<double> LoopResult::figures() {
    const Latency latency = latencies.latency();
    const double given = static_cast<double>(records * record_size);
    return {static_cast<double>(records) / to_seconds(took),
            latency.p50_us,
            latency.p99_us,
            given > 0 ? static_cast<double>(written) / given : 0};
}

PartitionFiles::PartitionFiles(const std::string& directory,
                               std::size_t count,
                               std::uint64_t file_size) {
    for (std::size_t i = 0; i < count; ++i) {
        files_.push_back(std::make_unique<DirectFile>(
            directory + "/partition-" + std::to_string(i), file_size, Blocks::written));
        cursors_.emplace_back(file_size);
    }
}

LoopResult run_with_synced_files(const ClosedLoop& loop,
                                 PartitionFiles& files,
                                 std::size_t active,
                                 SyncForm form) {
    Rounds rounds(loop, files, active);
    const Nanoseconds start = now();
    const Nanoseconds end = start + from_seconds(loop.seconds);
    for (std::size_t partition = 0; partition < active; ++partition) rounds.start(partition, form);
    for (std::size_t in_flight = active; in_flight > 0;) {
        const std::size_t partition = rounds.ring().wait();
        rounds.answer(partition);
        if (now() < end) {
            rounds.start(partition, form);
        } else {
            --in_flight;
        }
    }
    rounds.result().took = now() - start;
    return std::move(rounds.result());
}

LoopResult run_with_one_sync(const ClosedLoop& loop, PartitionFiles& files, std::size_t active) {
    Rounds rounds(loop, files, active);
    const Nanoseconds start = now();
    const Nanoseconds end = start + from_seconds(loop.seconds);
    while (now() < end) {
        for (std::size_t partition = 0; partition < active; ++partition) {
            rounds.start(partition, SyncForm::none);
        }
        for (std::size_t i = 0; i < active; ++i) rounds.ring().wait();
        check(::syncfs(files.file(0).descriptor()), "syncfs");
        for (std::size_t partition = 0; partition < active; ++partition) rounds.answer(partition);
    }
    rounds.result().took = now() - start;
    return std::move(rounds.result());
}

}  // namespace ironbark::bench
