// What a synced write costs by the state of the blocks it goes to. A write that extends the file or
// changes an extent from "unwritten" to "written" must commit the file system's journal at sync;
// an overwrite of written blocks must not. Everything that a way does to get its blocks ready is
// inside its time.

#include <algorithm>
#include <cstdio>
#include <functional>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/comparison.h"
#include "bench/machine/direct_file.h"
#include "bench/machine/noise.h"
#include "bench/machine/samples.h"
#include "bench/machine/study.h"
#include "bench/machine/system.h"

namespace ironbark::bench {

namespace {

constexpr std::uint64_t segment_size = 128 << 20;

// Makes more room before a write that would end beyond `ready`; returns the new end of the room.
using Prepare = std::function<std::uint64_t(DirectFile&, std::uint64_t ready)>;

std::uint64_t nothing(DirectFile&, std::uint64_t) { return segment_size; }

std::uint64_t allocate_step(DirectFile& file, std::uint64_t ready) {
    std::uint64_t step = 32 << 20;
    if (ready == 0) {
        step = 64 << 10;
    } else if (ready < 1 << 20) {
        step = 1 << 20;
    } else if (ready < 8 << 20) {
        step = 8 << 20;
    }
    file.allocate(ready, std::min(step, segment_size - ready));
    return std::min(ready + step, segment_size);
}

// Whether the allocation itself is committed before it is written into.
std::uint64_t allocate_step_synced(DirectFile& file, std::uint64_t ready) {
    ready = allocate_step(file, ready);
    file.sync();
    return ready;
}

std::uint64_t write_zeros_ahead(DirectFile& file, std::uint64_t ready) {
    constexpr std::uint64_t step = 8 << 20;
    static const AlignedBuffer zeros = [] {
        AlignedBuffer buffer(step);
        std::fill_n(buffer.data(), step, std::byte{0});
        return buffer;
    }();
    file.allocate(ready, step);
    file.write(zeros.data(), step, ready);
    file.sync_data();
    return ready + step;
}

std::vector<double> fill(DirectFile& file,
                         const Prepare& prepare,
                         std::size_t size,
                         double seconds) {
    const AlignedBuffer piece(size);
    Samples samples;
    std::uint64_t ready = 0;
    const Nanoseconds begin = now();
    const Nanoseconds end = begin + from_seconds(seconds);
    for (std::uint64_t position = 0; position + size <= segment_size && now() < end;
         position += size) {
        const Nanoseconds start = now();
        while (position + size > ready) ready = prepare(file, ready);
        file.write_synced(piece.data(), size, position);
        samples.add(now() - start);
    }
    const double megabytes_per_second =
        to_megabytes_per_second(samples.count() * size, now() - begin);
    const Latency latency = samples.latency();
    return {latency.p50_us, latency.p99_us, megabytes_per_second};
}

}  // namespace

void study_segment_reuse(const StudySettings& settings) {
    const std::string path = settings.directory + "/segment";
    DirectFile recycled(settings.directory + "/recycled", segment_size, Blocks::written);
    const Figures figures{.names = {"p50 us", "p99 us", "MB/s"}};
    Table table = comparison_table("write", figures);
    const Noise noise;
    for (const std::size_t size : {4U << 10, 64U << 10, 1U << 20}) {
        const auto fresh = [&](const Prepare& prepare, Blocks blocks) {
            DirectFile file(path, segment_size, blocks);
            return fill(file, prepare, size, settings.seconds);
        };
        compare(table,
                std::to_string(size >> 10) + " KiB",
                figures,
                {{"recycled", [&] { return fill(recycled, nothing, size, settings.seconds); }},
                 {"appended", [&] { return fresh(nothing, Blocks::none); }},
                 {"allocated whole", [&] { return fresh(nothing, Blocks::allocated); }},
                 {"allocated in steps", [&] { return fresh(allocate_step, Blocks::none); }},
                 {"in steps, each synced",
                  [&] { return fresh(allocate_step_synced, Blocks::none); }},
                 {"zeros 8 MiB ahead", [&] { return fresh(write_zeros_ahead, Blocks::none); }}},
                settings.rounds);
    }
    table.print();
    std::printf("\n%s\n", noise.report().c_str());
}

}  // namespace ironbark::bench
