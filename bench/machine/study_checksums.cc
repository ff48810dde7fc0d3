// What it costs to check a batch twice at ingest: Kafka's CRC-32C, which producers send, and XXH3,
// which everything after uses. First each alone against a copy of the same bytes, from cache and
// from memory; then what it takes from the skeleton's throughput, which is the question.

#include <cstdio>
#include <cstring>

#include "bench/machine/aligned_buffer.h"
#include "bench/machine/comparison.h"
#include "bench/machine/crc32c.h"
#include "bench/machine/noise.h"
#include "bench/machine/probes.h"
#include "bench/machine/study.h"
#include "bench/machine/system.h"
#include "bench/machine/xxh3.h"

namespace ironbark::bench {

namespace {

using Work = std::uint64_t (*)(const std::byte*, std::size_t);

std::uint64_t copy(const std::byte* data, std::size_t size) {
    static const AlignedBuffer target(1 << 20);
    std::memcpy(target.data(), data, size);
    return static_cast<std::uint64_t>(target.data()[size / 2]);
}
std::uint64_t xxh3_library(const std::byte* data, std::size_t size) {
    return xxh3_from_library(data, size);
}
std::uint64_t xxh3(const std::byte* data, std::size_t size) {
    return xxh3_compiled_here(data, size);
}
std::uint64_t crc_one(const std::byte* data, std::size_t size) {
    return crc32c_one_lane(data, size);
}
std::uint64_t crc_three(const std::byte* data, std::size_t size) {
    return crc32c_three_lanes(data, size);
}
std::uint64_t both(const std::byte* data, std::size_t size) {
    return xxh3(data, size) ^ crc_three(data, size);
}

// GB/s of `work` over batches that lie one after the other in `span` bytes of memory.
double gigabytes_per_second(const AlignedBuffer& memory,
                            std::size_t span,
                            std::size_t size,
                            Work work,
                            double seconds) {
    volatile std::uint64_t result = 0;  // the work must not be optimised away
    std::uint64_t bytes = 0;
    const Nanoseconds start = now();
    Nanoseconds time = start;
    for (const Nanoseconds end = start + from_seconds(seconds); time < end; time = now()) {
        for (std::size_t at = 0; at + size <= span; at += size) {
            result = result ^ work(memory.data() + at, size);
            bytes += size;
        }
    }
    return static_cast<double>(bytes) / static_cast<double>(time - start);
}

void compare_functions(const StudySettings& settings) {
    constexpr std::size_t cold_span = 256 << 20;
    const AlignedBuffer memory(cold_span);
    const Figures figures{.names = {"from cache GB/s", "from memory GB/s"}};
    Table table = comparison_table("batch", figures);
    for (const std::size_t size : {1U << 10, 16U << 10, 64U << 10, 1U << 20}) {
        const auto way = [&](const char* name, Work work) {
            return Way{name, [&memory, &settings, size, work] {
                           const double seconds = settings.seconds / 4;
                           return std::vector{
                               gigabytes_per_second(memory, size, size, work, seconds),
                               gigabytes_per_second(memory, cold_span, size, work, seconds)};
                       }};
        };
        compare(table,
                std::to_string(size >> 10) + " KiB",
                figures,
                {way("memcpy", copy),
                 way("XXH3-64, library", xxh3_library),
                 way("XXH3-64", xxh3),
                 way("CRC-32C, one lane", crc_one),
                 way("CRC-32C, three lanes", crc_three),
                 way("XXH3 and CRC, three lanes", both)},
                settings.rounds);
    }
    table.print();
}

void compare_skeletons(const StudySettings& settings) {
    ProbeFile file(settings.directory);
    const Figures figures{.names = {"MB/s"}};
    Table table = comparison_table("SKELETON", figures);
    const auto way = [&](const char* name, SkeletonHash hash) {
        return Way{name, [&file, &settings, hash] {
                       return std::vector{
                           probe_skeleton(file, settings.seconds, hash).megabytes_per_second};
                   }};
    };
    compare(table,
            "1 MiB pieces",
            figures,
            {way("no hash", SkeletonHash::none),
             way("XXH3-64", SkeletonHash::xxh3),
             way("CRC-32C, three lanes", SkeletonHash::crc32c),
             way("both", SkeletonHash::both)},
            settings.rounds);
    table.print();
}

}  // namespace

void study_checksums(const StudySettings& settings) {
    const Noise noise;
    compare_functions(settings);
    std::printf("\n");
    compare_skeletons(settings);
    std::printf("\n%s\n", noise.report().c_str());
}

}  // namespace ironbark::bench
