// Every synced round begins on a block boundary. After a round that ended inside a block there are
// two ways to get there: leave the rest of the block empty (pad), or write the block again together
// with the new bytes (rewrite), from another buffer because the first may still be in use. Padding
// to the device's 512-byte sector is measured too, although a neighbouring sector of the same
// physical block can then be lost with the write: it shows what the safe choice costs.

#include <array>
#include <cstdio>
#include <cstring>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/comparison.h"
#include "bench/machine/direct_file.h"
#include "bench/machine/noise.h"
#include "bench/machine/samples.h"
#include "bench/machine/study.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

constexpr std::uint64_t rewritten_size = 256 << 20;
constexpr std::size_t sector_size = 512;
constexpr std::size_t frame_overhead = 64 + 61;  // frame header and the batch's own header

struct Totals {
    Samples latencies;
    std::uint64_t payload = 0;
    std::uint64_t written = 0;
    std::uint64_t space = 0;

    std::vector<double> figures() {
        const Latency latency = latencies.latency();
        const auto bytes = static_cast<double>(payload);
        return {latency.p50_us,
                latency.p99_us,
                static_cast<double>(written) / bytes,
                static_cast<double>(space) / bytes};
    }
};

std::vector<double> pad(const DirectFile& file,
                        std::size_t batch_size,
                        std::size_t unit,
                        double seconds) {
    const AlignedBuffer batch(batch_size);
    const AlignedBuffer round((batch_size + unit - 1) / unit * unit);
    Cursor cursor(file.size());
    Totals totals;
    for (const Nanoseconds end = now() + from_seconds(seconds); now() < end;) {
        const Nanoseconds start = now();
        std::memcpy(round.data(), batch.data(), batch_size);
        file.write_synced(round.data(), round.size(), cursor.advance(round.size()));
        totals.latencies.add(now() - start);
        totals.payload += batch_size;
        totals.written += round.size();
        totals.space += round.size();
    }
    return totals.figures();
}

std::vector<double> rewrite(const DirectFile& file, std::size_t batch_size, double seconds) {
    const AlignedBuffer batch(batch_size);
    const std::size_t round_size_max = round_up_to_block(batch_size) + block_size;
    const std::array<AlignedBuffer, 2> rounds{AlignedBuffer(round_size_max),
                                              AlignedBuffer(round_size_max)};
    std::uint64_t block = 0;  // position of the block that the last round ended in
    std::size_t tail = 0;     // bytes of it in use
    std::size_t tail_at = 0;  // where they are in the last round's buffer
    std::size_t current = 0;
    Totals totals;
    for (const Nanoseconds end = now() + from_seconds(seconds); now() < end;) {
        const Nanoseconds start = now();
        const AlignedBuffer& last = rounds[current];
        current = 1 - current;
        const AlignedBuffer& round = rounds[current];
        std::memcpy(round.data(), last.data() + tail_at, tail);
        std::memcpy(round.data() + tail, batch.data(), batch_size);
        const std::size_t used = tail + batch_size;
        file.write_synced(round.data(), round_up_to_block(used), block);
        totals.latencies.add(now() - start);
        totals.payload += batch_size;
        totals.written += round_up_to_block(used);
        totals.space += batch_size;

        tail = used % block_size;
        tail_at = used - tail;
        block += tail_at;
        if (block + round_size_max > file.size()) block = 0;
    }
    return totals.figures();
}

}  // namespace

void study_pad_or_rewrite(const StudySettings& settings) {
    const DirectFile file(settings.directory + "/pad-or-rewrite", rewritten_size, Blocks::written);
    const Figures figures{.names = {"p50 us", "p99 us", "bytes written/given", "space/given"}};
    Table table = comparison_table("batch", figures);
    const Noise noise;
    for (const std::size_t records : {1U, 16U, 64U}) {
        const std::size_t size = records * 1024 + frame_overhead;
        compare(table,
                std::to_string(size) + " B",
                figures,
                {{"pad to 4 KiB", [&] { return pad(file, size, block_size, settings.seconds); }},
                 {"rewrite tail", [&] { return rewrite(file, size, settings.seconds); }},
                 {"pad to 512 B", [&] { return pad(file, size, sector_size, settings.seconds); }}},
                settings.rounds);
    }
    table.print();
    std::printf("\n%s\n", noise.report().c_str());
}

}  // namespace ironbark::bench
